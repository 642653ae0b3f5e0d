// Layer: tests. Of: include/bert/training/best_epoch.hpp and the parts of fit.hpp that use it
#include "bert/training/best_epoch.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/training/fit.hpp"

namespace {

using classifier = bert::model<support::pocket, bert::heads::classify<support::mood>>;
using bert::objectives::cross_entropy;

classifier fresh() { return classifier::random({.stddev = 0.1f, .seed = 1}); }
std::vector<float> weights_of(const classifier& m) { return {m.block().begin(), m.block().end()}; }

struct files {
  std::filesystem::path state = std::filesystem::temp_directory_path() / "bert_best_epoch_test.state",
                        best = state.string() + ".best";
  files() { clear(); }
  ~files() { clear(); }
  files(const files&) = delete;
  files& operator=(const files&) = delete;
  void clear() const {
    std::filesystem::remove(state);
    std::filesystem::remove(best);
  }
};

/// Scores by epoch; counts how often it is asked.
struct scores {
  std::vector<double> values;
  std::size_t asked = 0;
  double operator()(const classifier&) { return values.at(asked++); }
};

}  // namespace

TEST_CASE("the first of the best epochs is kept") {
  bert::training::best_epoch best;
  CHECK(best.weights().empty());
  CHECK(best.epochs_without_gain() == 0);
  const std::vector<float> weights{1, 2, 3, 4};
  for (std::size_t i = 0; i < 4; ++i) best.add(std::vector{0.5, 0.7, 0.7, 0.1}[i], std::span(weights).subspan(i, 1));
  CHECK(best.weights()[0] == 2);
  CHECK(best.epochs_without_gain() == 2);
  CHECK_THROWS_AS(best.add(std::numeric_limits<double>::quiet_NaN(), weights), bert::error);
}

TEST_CASE("scores and weights are read back with the same bits") {
  const files f;
  bert::training::best_epoch best;
  const std::vector<float> weights{0.1f, -2.5f};
  best.add(1.0 / 3, weights);
  best.add(-1e-17, std::vector<float>{7, 7});
  best.write(f.best);
  bert::training::best_epoch again;
  again.read(f.best, 2, 3);
  CHECK(again.scores() == best.scores());
  CHECK(std::equal(weights.begin(), weights.end(), again.weights().begin(), again.weights().end()));
  CHECK_THROWS_AS(again.read(f.best, 3, 3), bert::error);
  CHECK_THROWS_AS(again.read(f.best, 2, 1), bert::error);  // more epochs than the training has
}

TEST_CASE("patience ends a training after so many epochs without a larger value") {
  const support::made_up_source source{.batches = 3};
  const auto steps = [&](unsigned patience, std::vector<double> values) {
    auto m = fresh();
    scores score{std::move(values)};
    std::uint64_t last = 0;
    std::vector<float> second;
    bert::fit(
        m, cross_entropy{}, source,
        {.epochs = 5, .learning_rate = 1e-3f, .keep_best = [&](const classifier& c) { return score(c); }, .patience = patience},
        [&](const bert::step_report& step) {
          last = step.index;
          if (step.index == 6) second = weights_of(m);
        });
    if (score.values[1] > score.values[0]) CHECK(weights_of(m) == second);
    return last;
  };
  CHECK(steps(1, {0.5, 0.7, 0.6, 0, 0}) == 9);
  CHECK(steps(2, {0.5, 0.7, 0.6, 0.7, 0}) == 12);
  CHECK(steps(1, {0.5, 0.4, 0, 0, 0}) == 6);
  CHECK(steps(0, {0.5, 0.7, 0.6, 0.1, 0.1}) == 15);
  auto m = fresh();
  CHECK_THROWS_WITH_AS(bert::fit(m, cross_entropy{}, source, {.patience = 1}), doctest::Contains("keep_best"), bert::error);
}

TEST_CASE("a callback that returns false ends the training") {
  const support::made_up_source source{.batches = 3};
  auto m = fresh();
  std::uint64_t last = 0;
  bert::fit(m, cross_entropy{}, source, {.epochs = 2, .learning_rate = 1e-3f}, [&](const bert::step_report& step) {
    last = step.index;
    return step.index < 4;
  });
  CHECK(last == 4);
}

TEST_CASE("a training that was stopped or killed goes on from its files and ends with the same bits, best epoch included") {
  const support::made_up_source source{.batches = 3};
  const files f;
  const std::vector<double> values{0.1, 0.9, 0.3, 0.4};
  const auto options = [&](scores& score) {
    return bert::fit_options<classifier>{.epochs = 4,
                                         .learning_rate = 1e-3f,
                                         .keep_best = [&](const classifier& c) { return score(c); },
                                         .keep = f.state,
                                         .keep_every = 2};
  };
  auto whole = fresh();
  scores all{values};
  bert::fit(whole, cross_entropy{}, source, options(all));
  CHECK(all.asked == 4);

  for (std::uint64_t at = 1; at < 12; ++at)
    for (const bool killed : {false, true}) {
      f.clear();
      auto m = fresh();
      scores first{values};
      const auto stop = [&](const bert::step_report& step) {
        if (killed && step.index == at) throw std::runtime_error("killed");
        return step.index < at;
      };
      if (killed) CHECK_THROWS_AS(bert::fit(m, cross_entropy{}, source, options(first), stop), std::runtime_error);
      else bert::fit(m, cross_entropy{}, source, options(first), stop);
      auto resumed = fresh();
      // Scores of epochs that are repeated are not asked for again, so the rest of the values follows.
      bert::training::best_epoch known;
      if (std::filesystem::exists(f.state) && std::filesystem::exists(f.best)) known.read(f.best, m.block().size(), 4);
      scores rest{values, known.scores().size()};
      bert::fit(resumed, cross_entropy{}, source, options(rest));
      CAPTURE(at);
      CAPTURE(killed);
      CHECK(rest.asked == 4);
      CHECK(weights_of(resumed) == weights_of(whole));
    }

  // A run that has ended only takes its best epoch.
  auto again = fresh();
  scores none{{}};
  bert::fit(again, cross_entropy{}, source, options(none));
  CHECK(none.asked == 0);
  CHECK(weights_of(again) == weights_of(whole));
}

TEST_CASE("the best epoch of another training is not taken") {
  const support::made_up_source source{.batches = 3};
  const files f;
  scores a{{0.9, 0.1}}, b{{0.2, 0.1}};
  const auto options = [&](scores& score) {
    return bert::fit_options<classifier>{
        .epochs = 2, .learning_rate = 1e-3f, .keep_best = [&](const classifier& c) { return score(c); }, .keep = f.state};
  };
  auto first = fresh();
  bert::fit(first, cross_entropy{}, source, options(a));
  std::filesystem::remove(f.state);
  auto second = classifier::random({.stddev = 0.1f, .seed = 2});
  bert::fit(second, cross_entropy{}, source, options(b));
  CHECK(b.asked == 2);
  CHECK(weights_of(second) != weights_of(first));
}
