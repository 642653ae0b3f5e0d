#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"

namespace {

using classifier = bert::model<support::pocket, bert::heads::classify<support::mood>>;
using bert::objectives::cross_entropy;

/// Records the indices of the loaded batches, each once.
struct recording_source : support::made_up_source {
  mutable std::vector<std::uint64_t> loaded = {};
  void load(std::uint64_t step, bert::training_batch& out) const {
    if (std::find(loaded.begin(), loaded.end(), step) == loaded.end()) loaded.push_back(step);
    support::made_up_source::load(step, out);
  }
};

classifier fresh() { return classifier::random({.stddev = 0.1f, .seed = 1}); }

auto trainer_of(classifier& m, bert::training_options options, std::uint64_t total = 4, float peak = 1e-3f) {
  return bert::trainer{m, cross_entropy{}, bert::optim::adamw{}, bert::schedules::warmup_linear{.peak = peak, .total = total},
                       options};
}

/// A finite loss with an infinite gradient.
struct steep : cross_entropy {
  template <class Model, bert::executor E>
  bert::objectives::loss_terms score(const E& e, const bert::training_batch& in, work& w, bert::tape<Model>& t,
                                     const bert::objectives::loss_scale& scale) const {
    const auto terms = cross_entropy::score(e, in, w, t, scale);
    t.template head<bert::heads::classify<support::mood>>().logits()(0, 0) = std::numeric_limits<float>::infinity();
    return terms;
  }
};

/// A gradient that is finite and a loss that is not.
struct endless : cross_entropy {
  template <class Model, bert::executor E>
  bert::objectives::loss_terms score(const E& e, const bert::training_batch& in, work& w, bert::tape<Model>& t,
                                     const bert::objectives::loss_scale& scale) const {
    bert::objectives::loss_terms terms = cross_entropy::score(e, in, w, t, scale);
    terms.add({.name = "loss", .sum = std::numeric_limits<double>::infinity()});
    return terms;
  }
};

}  // namespace

TEST_CASE("a trainer refuses accumulate of 0, and dropout below 0 or of 1") {
  auto m = fresh();
  CHECK_NOTHROW(trainer_of(m, {.dropout = 0, .attention_dropout = 0.99f}));
  CHECK_THROWS_WITH_AS(trainer_of(m, {.accumulate = 0}), doctest::Contains("accumulate 0"), bert::error);
  for (const float bad : {-0.1f, 1.0f, std::numeric_limits<float>::quiet_NaN()}) {
    CHECK_THROWS_WITH_AS(trainer_of(m, {.dropout = bad}), doctest::Contains("dropout from 0 to below 1"), bert::error);
    CHECK_THROWS_WITH_AS(trainer_of(m, {.attention_dropout = bad}), doctest::Contains("dropout from 0 to below 1"),
                         bert::error);
  }
}

TEST_CASE("fit takes only a warm-up from 0 to 1") {
  const recording_source source{{.batches = 1}};
  const auto with = [&](float warmup) {
    auto m = fresh();
    return bert::fit(m, cross_entropy{}, source, {.epochs = 1, .learning_rate = 1e-3f, .warmup = warmup}).index;
  };
  CHECK(with(0) == 1);
  CHECK(with(1) == 1);
  for (const float bad : {-0.1f, 1.5f})
    CHECK_THROWS_WITH_AS(with(bad), doctest::Contains("a warm-up from 0 to 1"), bert::error);
}

TEST_CASE("a step of accumulated batches takes the next ones in order, and fit counts its steps by them") {
  auto m = fresh();
  const recording_source source;
  std::vector<std::uint64_t> expected;
  for (std::uint64_t i = 0; i < 8; ++i) expected.push_back(i);
  auto t = trainer_of(m, {.accumulate = 2});
  for (const auto& step : t.over(source)) CHECK(step.tokens_per_second > 0);
  CHECK(source.loaded == expected);
  CHECK(bert::fit(m, cross_entropy{}, source, {.epochs = 1, .learning_rate = 1e-3f, .accumulate = 2}).index == 3);
  CHECK(bert::fit(m, cross_entropy{}, source, {.epochs = 1, .learning_rate = 1e-3f, .accumulate = 4}).index ==
        2);  // the last one takes from the second epoch
  CHECK(bert::fit(m, cross_entropy{}, source, {.learning_rate = 1e-3f}).index == 18);
}

TEST_CASE("the head's learning rate does not change the encoder's") {
  // Adam's first step is as long as the learning rate, wherever the gradient is well above epsilon.
  const recording_source source{{.batches = 1}};
  const auto longest_step = [&](const bert::fit_options<classifier>& options, bool head) {
    const auto before = fresh();
    auto after = before;
    bert::fit(after, cross_entropy{}, source, options);
    float longest = 0;
    for (const auto& p : before.table()) {
      const bool of_head =
          p.stem.find("classifier") != std::string_view::npos || p.stem.find("pooler") != std::string_view::npos;
      if (of_head != head) continue;
      for (std::size_t i = 0; i < p.count(); ++i)
        longest = std::max(longest, std::abs(after.values(p)[i] - before.values(p)[i]));
    }
    return longest;
  };
  bert::fit_options<classifier> options{.epochs = 1, .learning_rate = 1e-3f, .warmup = 0, .weight_decay = 0, .clip_norm = 0};
  CHECK(longest_step(options, false) / 1e-3f == doctest::Approx(1).epsilon(0.01));
  CHECK(longest_step(options, true) / 1e-3f == doctest::Approx(1).epsilon(0.01));
  options.head_learning_rate = 4e-3f;
  CHECK(longest_step(options, false) / 1e-3f == doctest::Approx(1).epsilon(0.01));
  CHECK(longest_step(options, true) / 4e-3f == doctest::Approx(1).epsilon(0.01));
}

TEST_CASE_TEMPLATE("a loss or a gradient that is not finite is an error, even if the other is, and no weight changes",
                   Objective, steep, endless) {
  auto m = fresh();
  const std::vector<float> before(m.block().begin(), m.block().end());
  bert::trainer t{m, Objective{}, bert::optim::adamw{}, bert::schedules::warmup_linear{.peak = 1e-3f, .total = 4}};
  const recording_source source;
  const auto step = [&] {
    for (const auto& s : t.over(source)) (void)s;
  };
  CHECK_THROWS_WITH_AS(step(), doctest::Contains("the step was not taken"), bert::error);
  CHECK(std::equal(before.begin(), before.end(), m.block().begin()));
}

TEST_CASE("keep_best is asked at the end of each epoch, and the model ends as it was at the best of them") {
  const auto run = [](unsigned accumulate, const std::vector<double>& values) {
    const recording_source source{{.batches = 3}};
    auto m = fresh();
    std::vector<std::uint64_t> asked;
    std::vector<std::vector<float>> seen;
    std::uint64_t now = 0;
    const auto score = [&](const classifier& model) {
      asked.push_back(now);
      seen.emplace_back(model.block().begin(), model.block().end());
      return values.at(seen.size() - 1);
    };
    bert::fit_options<classifier> options{.epochs = 3, .learning_rate = 1e-3f, .accumulate = accumulate, .keep_best = score};
    bert::fit(m, cross_entropy{}, source, options, [&](const bert::step_report& step) { now = step.index; });
    const auto best = static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
    REQUIRE(seen.size() == values.size());
    CHECK(std::equal(seen[best].begin(), seen[best].end(), m.block().begin()));
    CHECK(seen[0] != seen[1]);
    return asked;
  };
  CHECK(run(1, {0.5, 0.9, 0.7}) == std::vector<std::uint64_t>{3, 6, 9});
  CHECK(run(1, {-0.5, -0.9, -0.9}) == std::vector<std::uint64_t>{3, 6, 9});
  CHECK(run(2, {0.1, 0.2, 0.3}) == std::vector<std::uint64_t>{2, 3, 5});
}

TEST_CASE("the state is written every so many steps and at the end, not between") {
  const auto path = std::filesystem::temp_directory_path() / "bert_options_test.state";
  std::filesystem::remove(path);
  auto m = fresh();
  auto t = trainer_of(m, {}, 5);
  t.keep(path, {.every = 3});
  std::string written;
  const recording_source source;
  for (const auto& step : t.over(source)) {
    (void)step;
    written += std::filesystem::exists(path) ? 'x' : '.';
    std::filesystem::remove(path);
  }
  CHECK(written == "..x.x");
  CHECK(bert::keep_options{}.every == 1'000);
}

TEST_CASE("measure scores an epoch, or options.batches if that is less") {
  const auto m = fresh();
  const recording_source source;
  const auto count = [&](std::uint64_t batches) {
    return bert::measure(m, cross_entropy{}, source, {.batches = batches})["loss"].count;
  };
  CHECK(bert::measure(m, cross_entropy{}, source)["loss"].count == 24);
  CHECK(count(0) == 24);
  CHECK(count(2) == 8);
  CHECK(count(100) == 24);
}

TEST_CASE("leaves are a power of two") {
  auto m = fresh();
  const auto with = [&](unsigned leaves) {
    bert::trainer t{m, steep{}, bert::optim::adamw{}, bert::schedules::warmup_linear{.peak = 1e-3f, .total = 4},
                    bert::training_options{.leaves = leaves}};
  };
  for (const unsigned leaves : {0u, 3u, 6u, 1024u})
    CHECK_THROWS_WITH_AS(with(leaves), doctest::Contains("leaves of a power of two"), bert::error);
  CHECK_NOTHROW(with(4));
}

TEST_CASE("leaves may be as many as a product sums over, and no more") {
  auto m = fresh();
  constexpr auto most = static_cast<unsigned>(bert::kernels::row_groups::most);
  CHECK_NOTHROW(trainer_of(m, {.leaves = most}));
  CHECK_THROWS_WITH_AS(trainer_of(m, {.leaves = 2 * most}), doctest::Contains("leaves 512"), bert::error);
}
