#include "bert/heads/token_linear.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/heads/regress.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/bio.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/objectives/tag_cross_entropy.hpp"
#include "support/largest.hpp"
#include "support/slopes.hpp"

namespace {

struct names : bert::labels::bio<"PER", "LOC"> {};
struct derived : bert::heads::tag<names> {};
using closed = bert::model<support::pocket, bert::heads::tag<names>>;
using open = bert::model<support::pocket, bert::heads::tag<bert::labels::dynamic_set>>;
using heads_of_model = bert::heads::output_rows;

static_assert(bert::heads::tagger<derived> && !bert::heads::classifier<derived>);
static_assert(bert::heads::classifier<bert::heads::classify<names>> && bert::heads::regressor<bert::heads::regress>);
static_assert(!bert::heads::classifier<bert::heads::next_sentence>);
static_assert(bert::heads::rows_of<derived> == heads_of_model::tokens);
static_assert(bert::heads::rows_of<bert::heads::masked_lm> == heads_of_model::scored);
static_assert(bert::heads::rows_of<bert::heads::next_sentence> == heads_of_model::sequences);
static_assert(!closed::reads_pooler);
static_assert(bert::objectives::objective_for<bert::objectives::tag_cross_entropy, bert::model<support::pocket, derived>>);

struct dropping : bert::heads::token_linear<"score.weight", "score.bias", 3> {
  using labels = names;
  using predicts = bert::target::tag;
};
struct not_dropping : bert::heads::token_linear<"score.weight", "score.bias", 3, false> {
  using labels = names;
  using predicts = bert::target::tag;
};

bert::training_batch tagged_batch() {
  bert::training_batch b;
  b.tokens.add(support::ids(1, 30));
  b.tokens.add(support::ids(2, 3));
  b.tokens.add(support::ids(3, 17));
  for (std::size_t n = 0; n < b.tokens.tokens(); ++n) b.tags.push_back(n % 3 == 0 ? -1 : static_cast<int>(n * 7 % 5));
  return b;
}

}  // namespace

TEST_CASE("a tagger's logits are a dense layer on the hidden state of every token") {
  const auto model = closed::random({.stddev = 0.2f, .seed = 8});
  const auto frozen = bert::freeze(model);
  const auto batch = tagged_batch();
  auto run = frozen.session(batch.tokens.shape());
  const auto logits = run(batch.tokens);
  REQUIRE(logits.shape() == std::array<std::size_t, 2>{50, 5});
  const auto weight = model.values("classifier.weight"), bias = model.values("classifier.bias");
  support::largest worst;
  for (std::size_t n = 0; n < 50; ++n)
    for (std::size_t c = 0; c < 5; ++c) {
      double sum = static_cast<double>(bias[c]);
      for (std::size_t i = 0; i < 40; ++i)
        sum += static_cast<double>(run.hidden()(n, i)) * static_cast<double>(weight[c * 40 + i]);
      worst.add(std::abs(static_cast<double>(logits(n, c)) - sum));
    }
  CHECK(worst.value() < 1e-5);
}

TEST_CASE("tags known at run time have the bits of the same tags in a type, in every precision") {
  std::vector<std::string> labels;
  for (int i = 0; i < names::count; ++i) labels.emplace_back(names::name(i));
  const auto a = closed::random({.stddev = 0.2f, .seed = 8});
  const auto b = open::random({.stddev = 0.2f, .seed = 8, .labels = labels});
  const auto batch = tagged_batch();
  const auto check = [&]<class P>(P) {
    const auto fa = bert::freeze<P>(a);
    const auto fb = bert::freeze<P>(b);
    auto ra = fa.session(batch.tokens.shape());
    auto rb = fb.session(batch.tokens.shape());
    const auto la = ra(batch.tokens);
    const auto lb = rb(batch.tokens);
    REQUIRE(la.size() == lb.size());
    CHECK(std::equal(la.begin(), la.end(), lb.begin()));
  };
  check(bert::precision::f32{});
  check(bert::precision::bf16{});
  check(bert::precision::int8{});
}

TEST_CASE("the gradients of a tagger agree with central differences, with dropout and without") {
  auto model = closed::random({.stddev = 0.2f, .seed = 9});
  const auto batch = tagged_batch();
  const bert::objectives::tag_cross_entropy objective;
  const bert::execution::serial e;
  for (const float rate : {0.0f, 0.3f}) {
    const bert::step_noise noise{rate, 0, 77};
    bert::objectives::tag_cross_entropy::work work(objective, batch.tokens.shape());
    bert::tape<closed> tape(batch.tokens.shape(), model.sizes());
    const auto loss = [&] {
      tape.forward(e, model, batch.tokens, noise);
      return objective.score(e, batch, work, tape, 1.0f).loss();
    };
    (void)loss();
    std::vector<float> gradient(model.block().size());
    tape.backward(e, model, batch.tokens, gradient.data(), noise, bert::gradients::written);
    CHECK(support::largest_magnitude(gradient) > 0.05);
    CHECK(support::element_slope_error(model, gradient,
                                       {"classifier.weight", "classifier.bias", "bert.encoder.layer.1.output.LayerNorm.weight",
                                        "bert.encoder.layer.0.attention.output.dense.bias"},
                                       7, loss) < 2e-3);
  }
}

TEST_CASE("a head without dropout has less memory than one with a rate of zero, and the same gradients") {
  using a_model = bert::model<support::pocket, dropping>;
  using b_model = bert::model<support::pocket, not_dropping>;
  auto batch = tagged_batch();
  for (auto& tag : batch.tags) tag = std::min(tag, 2);
  static_assert(bert::tape_bytes<a_model>({.sequences = 2, .tokens = 64}) >
                bert::tape_bytes<b_model>({.sequences = 2, .tokens = 64}));
  const auto gradients = [&]<class Model>(std::type_identity<Model>) {
    const auto model = Model::random({.stddev = 0.2f, .seed = 9});
    const bert::objectives::tag_cross_entropy objective;
    bert::objectives::tag_cross_entropy::work work(objective, batch.tokens.shape());
    bert::tape<Model> tape(batch.tokens.shape(), model.sizes());
    tape.forward(bert::execution::serial{}, model, batch.tokens);
    (void)objective.score(bert::execution::serial{}, batch, work, tape, 1.0f);
    std::vector<float> out(model.block().size());
    tape.backward(bert::execution::serial{}, model, batch.tokens, out.data(), {}, bert::gradients::written);
    return out;
  };
  const auto a = gradients(std::type_identity<a_model>{}), b = gradients(std::type_identity<b_model>{});
  CHECK(support::largest_difference(a, b) < 1e-6);
  CHECK(support::largest_magnitude(a) > 0.05);
}

TEST_CASE("a tape's scores of tags known at run time have a row a token and a column a tag") {
  std::vector<std::string> labels{"O", "B-X", "I-X"};
  const auto model = open::random({.stddev = 0.2f, .seed = 8, .labels = labels});
  const auto batch = tagged_batch();
  bert::tape<open> tape(batch.tokens.shape(), model.sizes());
  tape.forward(bert::execution::serial{}, model, batch.tokens);
  const auto scores = tape.template head<0>().logits();
  CHECK(scores.rows == 50);
  CHECK(scores.cols == 3);
  const auto frozen = bert::freeze(model);
  auto run = frozen.session(batch.tokens.shape());
  CHECK(run(batch.tokens).shape() == std::array<std::size_t, 2>{50, 3});
}
