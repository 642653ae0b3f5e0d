#include "bert/objectives/choice.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "support/largest.hpp"
#include "support/small_models.hpp"

namespace {
using namespace bert::objectives;

bert::training_batch groups_of(const std::vector<std::size_t>& sizes, const std::vector<std::int32_t>& labels) {
  bert::training_batch batch;
  batch.groups = {0};
  for (const auto n : sizes) batch.groups.push_back(batch.groups.back() + n);
  for (std::size_t s = 0; s < batch.groups.back(); ++s) batch.tokens.add(support::ids(s, 2));
  batch.labels = labels;
  return batch;
}
loss_terms score(const bert::training_batch& batch, std::vector<float>& y, const loss_scale& scale = 1.0f) {
  const choice o;
  choice::work work(o, batch.tokens.shape());
  return o.score_rows(bert::execution::serial{}, batch, work, bert::matrix<float>{y.data(), y.size(), 1}, scale);
}
}  // namespace

TEST_CASE("the gradient of a choice is the slope of its loss, and examples without a right choice are not counted") {
  const auto batch = groups_of({2, 3, 4}, {0, 1, -1, -1, -1, 0, 0, 1, 0});
  const std::vector<float> y{0.5f, -0.25f, 3, 1, 2, 0.1f, 0.7f, -0.3f, 0.2f};
  auto gradient = y;
  const auto terms = score(batch, gradient, 3.0f);
  CHECK(terms["loss"].count == 2);
  CHECK(terms["loss"].correct == 0);
  for (const std::size_t s : {2u, 3u, 4u}) CHECK(gradient[s] == 0);
  for (std::size_t s = 0; s < y.size(); ++s) {
    const auto moved = [&](float by) {
      auto z = y;
      z[s] += by;
      return score(batch, z).loss();
    };
    CHECK(static_cast<double>(gradient[s]) ==
          doctest::Approx(3 * (moved(1e-2f) - moved(-1e-2f)) / 2e-2).epsilon(1e-3).scale(1));
  }
  auto right = y;
  right[1] = 9;
  CHECK(score(batch, right)["loss"].correct == 1);
}

TEST_CASE("a mean over accumulated batches of choices is over the examples of all") {
  loss_terms step;
  step.add({.name = "loss", .count = 4});
  const auto batch = groups_of({2}, {1, 0});
  std::vector<float> alone{1, 2}, part{1, 2};
  (void)score(batch, alone);
  (void)score(batch, part, loss_scale(step));
  CHECK(part[0] == doctest::Approx(alone[0] / 4));
  choice::work work({}, batch.tokens.shape());
  CHECK(choice::counts(batch, work)["loss"].count == 1);
}

TEST_CASE("a batch without groups or labels, and an example with two right choices, are errors") {
  std::vector<float> y{1, 2};
  auto batch = groups_of({2}, {1, 1});
  CHECK_THROWS_WITH_AS((void)score(batch, y), doctest::Contains("one right choice of an example, found two"), bert::error);
  batch.labels = {1};
  CHECK_THROWS_WITH_AS((void)score(batch, y), doctest::Contains("groups, and one label a sequence"), bert::error);
  batch = groups_of({2}, {1, 0});
  batch.groups.clear();
  CHECK_THROWS_WITH_AS((void)score(batch, y), doctest::Contains("use a source of choices"), bert::error);
}

TEST_CASE("scores that differ by hundreds cost their distance, not infinity") {
  std::vector<float> y{500, -500};
  const auto batch = groups_of({2}, {0, 1});
  CHECK(score(batch, y).loss() == 1000.0);
  CHECK(y == std::vector<float>{1, -1});
}
