// Distillation: gradients of whole students against slopes, for every kind of logits and every term; teachers of any precision.
#include "bert/objectives/distil/distil.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "../../../support/small_models.hpp"
#include "bert/heads/classify_many.hpp"
#include "bert/heads/regress.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/bio.hpp"
#include "bert/labels/many_of.hpp"
#include "bert/objectives/binary_cross_entropy.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/objectives/mean_squared_error.hpp"
#include "bert/objectives/span.hpp"
#include "bert/objectives/tag_cross_entropy.hpp"
#include "bert/training/fit.hpp"
#include "support/allocation_count.hpp"
#include "support/slopes.hpp"

namespace {
using namespace bert::objectives;  // NOLINT: the tests name little else
using bert::execution::threads;
using support::mood, support::pocket;

struct kinds : bert::labels::many_of<"a", "b", "c"> {};
struct animals : bert::labels::bio<"cat", "dog"> {};
/// A teacher of the student's heads and another size, and one that is deeper alone.
struct tall : bert::architecture_of<bert::dims{
                  .vocab = 131, .hidden = 60, .layers = 4, .heads = 5, .intermediate = 64, .positions = 64}> {};
struct deep : bert::architecture_of<bert::dims{
                  .vocab = 131, .hidden = 40, .layers = 4, .heads = 5, .intermediate = 56, .positions = 64}> {};

/// Targets of every kind; a third of the tags are not counted.
struct source_of_all : support::made_up_source {
  void load(std::uint64_t step, bert::training_batch& out) const {
    made_up_source::load(step, out);
    for (std::size_t s = 0; s < out.tokens.sequences(); ++s) {
      const auto ids = out.tokens[s];
      out.spans.push_back({1, static_cast<std::int32_t>(ids.size()) - 1});
      for (const auto id : ids) out.tags.push_back(id % 3 == 0 ? -1 : id % 5);
    }
  }
};
const source_of_all source;

template <class A, class... Heads>
auto teacher_of(float stddev = 0.2f) {
  return bert::freeze(bert::model<A, Heads...>::random({.stddev = stddev, .seed = 9}));
}

/// A student's step without dropout.
template <class Model, class Objective, class E = threads>
struct step {
  step(Model& m, const Objective& o, const E& e = E{1}, const loss_scale& scale = 1.0f)
      : model(m),
        objective(o),
        executor(e),
        work(make_work(o, source.capacity(), e)),
        tape(o.capacity(source.capacity()), m.sizes(), tape_options_of(o)),
        gradients(m.block().size()),
        scale_(scale) {
    source.load(0, batch);
  }
  double loss() {
    const auto& tokens = objective.prepare(batch, 1, work);
    tape.forward(executor, model, tokens);
    terms = objective.score(executor, batch, work, tape, scale_);
    return terms.loss();
  }
  void run() {
    loss();
    tape.backward(executor, model, objective.prepare(batch, 1, work), gradients.data(), {}, bert::gradients::written);
  }
  Model& model;
  const Objective& objective;
  E executor;
  typename Objective::work work;
  bert::tape<Model> tape;
  bert::buffer<float> gradients;
  loss_scale scale_;
  bert::training_batch batch;
  loss_terms terms;
};

template <class Model, class Objective>
double error_of(const Objective& o, float stddev = 0.2f) {
  auto m = Model::random({.stddev = stddev, .seed = 1});
  step<Model, Objective> s(m, o);
  s.run();
  const auto terms = s.terms;
  CHECK(terms.loss() > 1e-3);
  const double error = support::slope_error(
      m, s.gradients.data(), [&] { return s.loss(); }, "attention.self.key.bias");
  // Same bits with two threads, and what was counted is what was scored.
  step<Model, Objective> two(m, o, threads{2});
  two.run();
  CHECK(two.terms.loss() == terms.loss());
  CHECK(std::equal(two.gradients.begin(), two.gradients.end(), s.gradients.begin()));
  for (const auto& term : o.counts(s.batch, s.work)) CHECK(term.count == terms[term.name].count);
  return error;
}
}  // namespace

TEST_CASE("soft labels beside the hard loss have the gradients of their loss, for each kind of logits") {
  {
    const auto t = teacher_of<tall, bert::heads::classify<mood>>();
    using student = bert::model<pocket, bert::heads::classify<mood>>;
    CHECK(error_of<student>(distil{t, cross_entropy{}, {.temperature = 3, .soft = 0.6f, .hard = 0.4f}}) < 0.03);
    CHECK(error_of<student>(distil{t, {.temperature = 3}}) < 0.03);
  }
  {
    const auto t = teacher_of<tall, bert::heads::classify_many<kinds>>();
    CHECK(error_of<bert::model<pocket, bert::heads::classify_many<kinds>>>(distil{t, {.temperature = 2}}) < 0.03);
  }
  {
    const auto t = teacher_of<tall, bert::heads::regress>();
    CHECK(error_of<bert::model<pocket, bert::heads::regress>>(distil{t}) < 0.03);
  }
  {
    const auto t = teacher_of<tall, bert::heads::tag<animals>>();
    CHECK(error_of<bert::model<pocket, bert::heads::tag<animals>>>(
              distil{t, tag_cross_entropy{}, {.soft = 0.5f, .hard = 0.5f}}) < 0.03);
  }
  {
    const auto t = teacher_of<tall, bert::heads::span>();
    CHECK(error_of<bert::model<pocket, bert::heads::span>>(distil{t, bert::objectives::span{}, {.soft = 0.5f, .hard = 0.5f}}) <
          0.03);
  }
}

TEST_CASE("hidden states, scores and relations have the gradients of their losses, projections included") {
  const auto t = teacher_of<tall, bert::heads::classify<mood>>();
  using student = bert::model<pocket, bert::heads::classify<mood>, bert::heads::hidden_projection<60>>;
  CHECK(error_of<student>(distil{t, cross_entropy{}, {.soft = 0.5f, .hard = 0.5f}, hidden_states{.weight = 0.3f}}) < 0.03);
  CHECK(error_of<student>(distil{t, no_hard_loss{}, {.soft = 0}, hidden_states{.layers = {{1, 4}}}, attention_scores{}}) <
        0.03);
  CHECK(error_of<student>(distil{t, no_hard_loss{}, {.soft = 0}, minilm{.weight = 20}}) < 0.03);
  CHECK(error_of<student>(distil{t, no_hard_loss{}, {.soft = 0}, attention_scores{.layers = {{1, 2}}}}) < 0.03);
  auto m = student::random({.stddev = 0.2f, .seed = 1});
  const distil without_soft{t, cross_entropy{}, {.soft = 0}, hidden_states{}};
  step hard(m, without_soft);
  hard.loss();
  CHECK(hard.terms.has("loss"));
  CHECK(hard.terms.has("hidden"));
  CHECK(error_of<student>(distil{t, no_hard_loss{}, {.soft = 0}, minilm_v2{.weight = 20, .heads = 4, .teacher_layer = 2}}) <
        0.03);
}

TEST_CASE("DistilBERT's three losses have the gradients of their sum, and need no projection") {
  const auto t = teacher_of<deep, bert::heads::masked_lm>();
  CHECK(error_of<bert::model<pocket, bert::heads::masked_lm>>(distilbert(t)) < 0.03);
}

TEST_CASE("terms are reported without their weights, and the loss is their weighted sum") {
  const auto t = teacher_of<deep, bert::heads::masked_lm>();
  auto m = bert::model<pocket, bert::heads::masked_lm>::random({.stddev = 0.2f, .seed = 1});
  const auto o = distilbert(t);
  step s(m, o);
  const double loss = s.loss();
  CHECK(s.terms["cosine"].mean() > 0.5);  // vectors that have nothing to do with each other
  CHECK(loss == doctest::Approx(5 * s.terms["soft"].mean() + 2 * s.terms["mlm"].mean() + s.terms["cosine"].mean()));
  const auto plain = masked_lm<>{};
  step of_mlm(m, plain);
  of_mlm.loss();
  CHECK(s.terms["mlm"].mean() == of_mlm.terms["mlm"].mean());
}

TEST_CASE("a student that is its teacher's copy has nothing to learn") {
  const auto big = bert::model<deep, bert::heads::classify<mood>>::random({.stddev = 0.2f, .seed = 9});
  auto m = big;
  const auto t = bert::freeze(big);
  const distil o{t, no_hard_loss{}, {}, hidden_states{}, hidden_cosine{}, attention_scores{}, minilm{}};
  step s(m, o);
  s.run();
  for (const auto& term : s.terms) {
    CAPTURE(term.name);
    CHECK(std::abs(term.mean()) < 1e-5);
  }
}

TEST_CASE("teachers of bf16 and int8 give nearly the loss of one in f32") {
  const auto big = bert::model<tall, bert::heads::classify<mood>>::random({.stddev = 0.2f, .seed = 9});
  auto m = bert::model<pocket, bert::heads::classify<mood>, bert::heads::hidden_projection<60>>::random({.stddev = 0.2f});
  const auto loss = [&](const auto& t) {
    const distil o{t, cross_entropy{}, {}, hidden_states{}, attention_scores{}, minilm{}};
    step s(m, o);
    return s.loss();
  };
  const double exact = loss(bert::freeze(big)), coarse = loss(bert::freeze<bert::precision::bf16>(big)),
               coarser = loss(bert::freeze<bert::precision::int8>(big));
  CHECK(std::abs(coarse - exact) < 0.02 * exact);
  CHECK(std::abs(coarser - exact) < 0.05 * exact);
  CHECK(coarse != exact);
  CHECK(coarser != exact);
}

TEST_CASE("a teacher of any size teaches as its type does, and one of a wrong size is an error") {
  using network = bert::model<tall, bert::heads::classify<mood>>;
  using frozen = bert::frozen<network, bert::precision::f32>;
  const auto t = std::make_shared<const frozen>(bert::freeze(network::random({.stddev = 0.2f, .seed = 9})));
  const any_teacher<soft_kind::classes> any{t, threads{1}};
  using projected = bert::model<pocket, bert::heads::classify<mood>, bert::heads::hidden_projection<60>>;
  using wider = bert::model<pocket, bert::heads::classify<mood>, bert::heads::hidden_projection<70>>;
  const distil known{*t, cross_entropy{}, {}, hidden_states{}, minilm{}};
  const distil unknown{any, cross_entropy{}, {}, hidden_states{}, minilm{}};
  auto m = projected::random({.stddev = 0.2f, .seed = 1});
  step a(m, known);
  step b(m, unknown);
  a.run();
  b.run();
  CHECK(std::equal(a.gradients.begin(), a.gradients.end(), b.gradients.begin()));
  CHECK(error_of<wider>(unknown) < 0.03);  // uses 60 rows of the projection
  auto alone = bert::model<pocket, bert::heads::classify<mood>>::random({.stddev = 0.2f, .seed = 1});
  step c(alone, unknown);
  CHECK_THROWS_WITH_AS(c.loss(), doctest::Contains("a teacher of hidden size 40, found 60"), bert::error);
}

TEST_CASE("logits that the batch brings teach as the teacher that gave them") {
  const auto t = teacher_of<tall, bert::heads::classify<mood>>();
  auto m = bert::model<pocket, bert::heads::classify<mood>>::random({.stddev = 0.2f, .seed = 1});
  const distil live{t, cross_entropy{}, {.soft = 0.7f, .hard = 0.3f}};
  const distil stored{given_logits<>{}, cross_entropy{}, {.soft = 0.7f, .hard = 0.3f}};
  step a(m, live);
  a.run();
  step b(m, stored);
  auto run = t.session(source.capacity());
  const auto logits = run(a.batch.tokens);
  b.batch.logits.assign(logits.data(), logits.data() + logits.shape()[0] * logits.shape()[1]);
  b.batch.logits_width = logits.shape()[1];
  b.run();
  CHECK(a.terms.loss() == b.terms.loss());
  CHECK(std::equal(a.gradients.begin(), a.gradients.end(), b.gradients.begin()));
  bert::training_batch part;  // a replica's
  copy_sequences(b.batch, 1, 3, part);
  CHECK(part.logits == std::vector<float>(b.batch.logits.begin() + 2, b.batch.logits.begin() + 6));
  b.batch.logits.pop_back();
  CHECK_THROWS_WITH_AS(b.loss(), doctest::Contains("a teacher's logits of the student's shape"), bert::error);
}

TEST_CASE("a step allocates nothing after the first") {
  const auto t = teacher_of<tall, bert::heads::classify<mood>>();
  auto m = bert::model<pocket, bert::heads::classify<mood>, bert::heads::hidden_projection<60>>::random({.stddev = 0.2f});
  const distil o{t, cross_entropy{}, {}, hidden_states{}, attention_scores{}, minilm_v2{.heads = 5}};
  bert::trainer trainer{m, o, bert::optim::adamw{}, bert::schedules::constant{.peak = 1e-3f, .total = 14}};
  std::size_t before = 0;
  for (const auto& s : trainer.over(source)) {
    if (s.index == 7) before = support::allocations;  // every batch was seen
    if (s.index == 14) CHECK(support::allocations == before);
  }
}

TEST_CASE("a student learns its teacher's answers") {
  const auto t = teacher_of<tall, bert::heads::classify<mood>>(0.3f);
  auto m = bert::model<pocket, bert::heads::classify<mood>, bert::heads::hidden_projection<60>>::random({.stddev = 0.1f});
  const distil o{t, no_hard_loss{}, {.temperature = 1}, hidden_states{}, attention_scores{}};
  loss_terms first, last;
  bert::fit(m, o, source, {.epochs = 30, .learning_rate = 3e-3f, .dropout = 0, .attention_dropout = 0},
            bert::activations::recompute{}, [&](const bert::step_report& s) {
              if (s.index <= 6) first += s.terms;
              if (s.index > 174) last += s.terms;
            });
  for (const auto name : {"soft", "hidden", "attention"}) {
    CAPTURE(name);
    CHECK(last[name].mean() < 0.7 * first[name].mean());
  }
}

TEST_CASE("what cannot be is refused: temperatures, layers, relation heads, another head's objective") {
  const auto t = teacher_of<tall, bert::heads::classify<mood>>();
  auto m = bert::model<pocket, bert::heads::classify<mood>, bert::heads::hidden_projection<60>>::random({.stddev = 0.2f});
  const auto loss = [&](const auto& o) {
    step s(m, o);
    return s.loss();
  };
  CHECK_THROWS_WITH_AS(loss(distil{t, {.temperature = 0}}), doctest::Contains("a temperature above 0"), bert::error);
  CHECK_THROWS_WITH_AS(loss(distil{t, no_hard_loss{}, {}, hidden_states{.layers = {{3, 1}}}}),
                       doctest::Contains("student layers below 3, teacher layers below 5, found 3 and 1"), bert::error);
  CHECK_THROWS_WITH_AS(loss(distil{t, no_hard_loss{}, {}, minilm_v2{.heads = 7}}),
                       doctest::Contains("relation heads that divide 40 and 60"), bert::error);
  CHECK_THROWS_WITH_AS(loss(distil{t, no_hard_loss{}, {}, minilm{.teacher_layer = 4}}), doctest::Contains("a layer below 4"),
                       bert::error);
}
