#include "bert/objectives/value_loss.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "bert/objectives/huber.hpp"
#include "bert/objectives/mean_absolute_error.hpp"
#include "bert/objectives/mean_squared_error.hpp"
#include "support/golden.hpp"
#include "support/small_models.hpp"

namespace {
using namespace bert::objectives;

template <class O>
loss_terms score(const O& o, const std::vector<float>& values, std::vector<float>& y) {
  bert::training_batch batch;
  for (std::size_t s = 0; s < y.size(); ++s) batch.tokens.add(support::ids(s, 2));
  batch.values = values;
  typename O::work work(o, batch.tokens.shape());
  return o.score_rows(bert::execution::serial{}, batch, work, bert::matrix<float>{y.data(), y.size(), 1}, 1.0f);
}
template <class O>
void check_golden(const O& o, const std::string& name) {
  CAPTURE(name);
  const bert::io::safetensors file(golden::folder("losses") / "golden.safetensors");
  auto y = golden::floats(file, "values.y");
  const auto terms = score(o, golden::floats(file, "values.targets"), y);
  CHECK(terms.loss() == doctest::Approx(static_cast<double>(golden::floats(file, name + ".loss")[0])).epsilon(1e-6));
  CHECK(golden::relative_difference(y, golden::floats(file, name + ".grad")) < 1e-6);
  CHECK(terms["loss"].count == y.size());
}
}  // namespace

TEST_CASE("squared, absolute and Huber losses and their gradients are PyTorch's") {
  check_golden(mean_squared_error{}, "mse");
  check_golden(mean_absolute_error{}, "mae");
  check_golden(huber{.delta = 0.75f}, "huber");
}

TEST_CASE("the absolute error has no slope where the value is right, and a NaN is not hidden") {
  std::vector<float> y{2.0f, 1.0f};
  CHECK(score(mean_absolute_error{}, {2.0f, 3.0f}, y).loss() == 1.0);
  CHECK(y == std::vector<float>{0.0f, -0.5f});
  for (const float nan : {std::numeric_limits<float>::quiet_NaN()}) {
    y = {nan};
    CHECK(std::isnan(score(mean_absolute_error{}, {1.0f}, y).loss()));
    CHECK(std::isnan(y[0]));
    y = {nan};
    CHECK(std::isnan(score(huber{}, {1.0f}, y).loss()));
    CHECK(std::isnan(y[0]));
  }
}

TEST_CASE("the Huber loss meets at delta, and a delta that is not positive is an error") {
  std::vector<float> y{0.5f}, z{0.50001f};
  CHECK(score(huber{.delta = 0.5f}, {0.0f}, y).loss() == doctest::Approx(0.125));
  CHECK(score(huber{.delta = 0.5f}, {0.0f}, z).loss() == doctest::Approx(0.125).epsilon(1e-4));
  for (const float delta : {0.0f, -1.0f, std::numeric_limits<float>::infinity()})
    CHECK_THROWS_WITH_AS((void)score(huber{.delta = delta}, {0.0f}, y), doctest::Contains("a .delta above 0"), bert::error);
  CHECK(bert::fingerprint_of(huber{.delta = 2.0f}) != bert::fingerprint_of(huber{}));
}

TEST_CASE("a batch with another number of values than of sequences is an error that names the objective") {
  std::vector<float> y{0.5f};
  CHECK_THROWS_WITH_AS((void)score(huber{}, {0.0f, 1.0f}, y), doctest::Contains("bert::objectives::huber"), bert::error);
  CHECK_THROWS_WITH_AS((void)score(mean_absolute_error{}, {}, y),
                       doctest::Contains("expected 1 values, one a sequence, found 0"), bert::error);
}
