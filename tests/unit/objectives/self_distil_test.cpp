// Self-distillation: the distance to the teachers, its gradient, and the weights that the trainer keeps as teachers.
#include "bert/objectives/self_distil.hpp"

#include <doctest/doctest.h>

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "bert/heads/tag.hpp"
#include "bert/labels/one_of.hpp"
#include "bert/objectives/r_drop.hpp"
#include "bert/objectives/tag_cross_entropy.hpp"
#include "bert/training/sgd.hpp"
#include "support/matrices.hpp"
#include "support/passes.hpp"
#include "support/slopes.hpp"
#include "support/temporary_file.hpp"

namespace {
using namespace support::passes;
using bert::objectives::self_distil, bert::objectives::teacher_kind, bert::objectives::teacher_options;

model_type start(std::uint64_t seed = 1) { return model_type::random({.stddev = 0.2f, .seed = seed}); }
std::vector<float> bits(const model_type& m) { return {m.block().begin(), m.block().end()}; }

struct scratch_file {
  std::filesystem::path path = support::temporary_path("bert_self_distil_test.state");
  ~scratch_file() { std::filesystem::remove(path); }
};

/// Trains up to `steps` of 8 by plain SGD; body(model) after each.
template <class Body>
void train(model_type& m, const teacher_options& teacher, std::uint64_t steps, const Body& body,
           const std::filesystem::path& kept = {}, std::size_t threads = 1) {
  bert::trainer t{m,
                  self_distil{cross_entropy{}, {.weight = 0.5f, .teacher = teacher}},
                  bert::optim::sgd{.momentum = 0, .clip_norm = 0},
                  bert::schedules::constant{.peak = 0.05f, .total = 8},
                  bert::training_options{.seed = 3},
                  bert::execution::threads{threads}};
  if (!kept.empty()) t.keep(kept, {.every = 1});
  for (const auto& step : t.over(source)) {
    body(step);
    if (step.index == steps) break;
  }
}
const auto nothing = [](const bert::step_report&) {};
}  // namespace

TEST_CASE("the distance is the mean square between the logits and the mean of the teachers' logits") {
  const auto m = start(1), a = start(2), b = start(3);
  const std::array<const model_type*, 2> both{&a, &b};
  const step run(self_distil{cross_entropy{}, {.weight = 0.7f}}, m, dropout, 1.0f, both);
  const auto z = logits_of(m, dropout), of_a = logits_of(a, {}), of_b = logits_of(b, {});
  double expected = 0;
  for (std::size_t s = 0; s < z.size(); ++s)
    for (std::size_t c = 0; c < 3; ++c) {
      const double apart = z[s][c] - (of_a[s][c] + of_b[s][c]) / 2;
      expected += 0.7 * apart * apart / 3 / static_cast<double>(z.size());
    }
  CHECK(expected > 1e-3);
  CHECK(run.terms["self_distil"].mean() == doctest::Approx(expected).epsilon(1e-4));
  CHECK(run.terms["loss"].mean() == doctest::Approx(loss_of(m, dropout)).epsilon(1e-6));
}

TEST_CASE("the gradients of a student are the central differences of its loss, the teacher held") {
  auto m = start(1);
  const auto a = start(2);
  const std::array<const model_type*, 1> one{&a};
  const self_distil o{cross_entropy{}, {.weight = 3}};
  step run(o, m, dropout, 1.0f, one);
  const auto loss = [&] { return step(o, m, dropout, 1.0f, one).terms.loss(); };
  CHECK(support::slope_error(m, run.gradients.data(), loss) < 0.03);
}

TEST_CASE("in a step of twice as many predictions the distance has half the gradient, and without a teacher there is none") {
  const auto m = start(1), a = start(2);
  const std::array<const model_type*, 1> one{&a};
  const self_distil o{cross_entropy{}, {.weight = 3}};
  const step whole(o, m, dropout, 1.0f, one);
  loss_terms counts = o.counts(whole.batch, whole.work);
  counts += loss_terms(counts);
  const step half(o, m, dropout, loss_scale(counts), one);
  std::vector<float> doubled(half.gradients.begin(), half.gradients.end());
  for (float& x : doubled) x *= 2;
  CHECK(support::largest_difference(doubled, whole.gradients.span()) < 1e-6);
  const step alone(o, m, dropout);
  const step plain(cross_entropy{}, m, dropout);
  CHECK(support::largest_difference(alone.gradients.span(), plain.gradients.span()) == 0);
}

TEST_CASE("of tags the rows with one are counted, by self-distillation and by R-Drop") {
  using tagger = bert::model<support::pocket, bert::heads::tag<weather>>;
  struct tagged : support::made_up_source {
    void load(std::uint64_t step, bert::training_batch& out) const {
      made_up_source::load(step, out);
      for (std::size_t i = 0; i < out.tokens.tokens(); ++i)
        out.tags.push_back(i % 3 == 0 ? -1 : static_cast<std::int32_t>(i % 3));
    }
  };
  auto m = tagger::random({.stddev = 0.2f, .seed = 1});
  const auto a = tagger::random({.stddev = 0.2f, .seed = 2});
  const std::array<const tagger*, 1> one{&a};
  bert::training_batch batch;
  tagged{}.load(0, batch);
  bert::buffer<float> gradients(m.block().size()), unused(m.block().size());
  const auto run = [&](const auto& o, bert::buffer<float>& to) {
    typename std::remove_cvref_t<decltype(o)>::work work(o, tagged{}.capacity());
    bert::tape<tagger> tape(tagged{}.capacity(), m.sizes());
    bert::training::no_second_network none(o);
    bert::training::passes passes(serial, m, tape, o.prepare(batch, 0, work), dropout, m.view(to.data()),
                                  bert::gradients::written, none, one);
    const auto terms = bert::training::run_passes(o, passes, serial, batch, work, 1.0f);
    for (const auto& term : terms)
      if (term.name != "loss") CHECK(term.count == o.counts(batch, work)[term.name].count);
    return terms;
  };
  const auto check = [&](const auto& o, const char* name) {
    const auto terms = run(o, gradients);
    CHECK(terms[name].count == bert::objectives::counted(batch.tags));
    CHECK(terms[name].count < batch.tokens.tokens());
    CHECK(support::slope_error(m, m.view(gradients.data()), [&] { return run(o, unused).loss(); }) < 0.03);
  };
  check(self_distil{bert::objectives::tag_cross_entropy{}, {.weight = 2}}, "self_distil");
  check(bert::objectives::r_drop{bert::objectives::tag_cross_entropy{}, {.alpha = 2}}, "r_drop");
}

TEST_CASE("the teacher of the last K weights is their mean, of the start and the steps so far") {
  auto m = start(1);
  bert::training::teacher<model_type> kept(self_distil{cross_entropy{}, {.teacher = {.last = 3}}}, m);
  std::vector<std::vector<float>> history{bits(m)};
  for (std::uint64_t step = 0; step < 5; ++step) {
    for (float& x : m.block()) x = x * 1.1f + 0.01f;
    history.push_back(bits(m));
    kept.after(serial, m, step);
    REQUIRE(kept.models().size() == 1);
    const std::size_t count = std::min<std::size_t>(history.size(), 3);
    std::vector<double> mean(history[0].size());
    for (std::size_t k = history.size() - count; k < history.size(); ++k)
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += static_cast<double>(history[k][i]) / static_cast<double>(count);
    CHECK(support::largest_difference(kept.models()[0]->block(), mean) < 1e-6);
  }
}

TEST_CASE("the teachers that vote are the last K weights, and a moving average follows its formula") {
  auto m = start(1);
  bert::training::teacher<model_type> votes(self_distil{cross_entropy{}, {.teacher = {.kind = teacher_kind::votes, .last = 2}}},
                                            m);
  CHECK(votes.models().size() == 1);
  CHECK(bits(*votes.models()[0]) == bits(m));
  for (std::uint64_t step = 0; step < 4; ++step) {
    const auto before = bits(m);
    for (float& x : m.block()) x = x * 1.1f + 0.01f;
    votes.after(serial, m, step);
    REQUIRE(votes.models().size() == 2);
    const auto a = bits(*votes.models()[0]), b = bits(*votes.models()[1]), now = bits(m);
    CHECK(((a == before && b == now) || (b == before && a == now)));
  }
  const auto from = start(1), to = start(2);
  bert::training::teacher<model_type> moving(
      self_distil{cross_entropy{}, {.teacher = {.kind = teacher_kind::moving_average, .decay = 0.05f}}}, from);
  moving.after(serial, to, 0);
  const double kept = static_cast<double>(moving.models()[0]->block()[0]);
  CHECK(kept == doctest::Approx(0.05 * static_cast<double>(from.block()[0]) + 0.95 * static_cast<double>(to.block()[0])));
}

TEST_CASE("training with every kind of teacher is resumed to the same bits, with any number of threads") {
  for (const auto kind : {teacher_kind::mean, teacher_kind::votes, teacher_kind::moving_average}) {
    CAPTURE(static_cast<int>(kind));
    const teacher_options teacher{.kind = kind, .last = 2, .decay = 0.9f};
    auto whole = start(1);
    double distance = 0;
    train(whole, teacher, 8, [&](const bert::step_report& s) { distance += s.terms["self_distil"].mean(); });
    CHECK(distance > 1e-4);
    const scratch_file file;
    auto cut = start(1);
    train(cut, teacher, 5, nothing, file.path);
    auto resumed = start(9);  // replaced by the state
    train(resumed, teacher, 8, nothing, file.path, 3);
    CHECK(bits(resumed) == bits(whole));
  }
  auto none = start(1), plain = start(1);
  train(none, {.last = 0}, 8, [](const bert::step_report& s) { CHECK_FALSE(s.terms.has("self_distil")); });
  bert::trainer t{plain, cross_entropy{}, bert::optim::sgd{.momentum = 0, .clip_norm = 0},
                  bert::schedules::constant{.peak = 0.05f, .total = 8}, bert::training_options{.seed = 3}};
  for ([[maybe_unused]] const auto& s : t.over(source)) continue;
  CHECK(bits(none) == bits(plain));
}

TEST_CASE("a moving average that never moves, or grows, is refused") {
  for (const float decay : {1.0f, -0.1f}) {
    auto m = start();
    CHECK_THROWS_WITH_AS(train(m, {.kind = teacher_kind::moving_average, .last = 1, .decay = decay}, 1, nothing),
                         doctest::Contains("a decay from 0 to below 1"), bert::error);
  }
}
