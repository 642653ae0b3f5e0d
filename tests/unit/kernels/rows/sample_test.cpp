// Layer: tests. Of: include/bert/kernels/rows/sample.hpp
#include "bert/kernels/rows/sample.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "bert/core/random.hpp"

using namespace bert;

namespace {

/// By the definition, in double.
std::int32_t by_definition(const float* x, std::size_t cols, double u) {
  double total = 0, sum = 0;
  for (std::size_t v = 0; v < cols; ++v) total += std::exp(static_cast<double>(x[v]));
  for (std::size_t v = 0; v < cols; ++v)
    if ((sum += std::exp(static_cast<double>(x[v]))) > u * total) return static_cast<std::int32_t>(v);
  return static_cast<std::int32_t>(cols - 1);
}

}  // namespace

TEST_CASE("a sample is the inverse of the cumulative distribution, in rows of any width, for any number of threads") {
  for (const std::size_t cols : {1u, 2u, 15u, 16u, 17u, 33u, 131u, 1003u}) {
    CAPTURE(cols);
    constexpr std::size_t rows = 200;
    random_stream random(1, draw::user, cols);
    std::vector<float> x(rows * cols);
    for (float& z : x) z = 2 * random.normal();
    std::vector<double> u(rows);
    for (double& y : u) y = static_cast<double>(random.uniform());
    std::vector<std::int32_t> chosen(rows, -1), by_threads(rows, -1);
    kernels::sample_rows(execution::serial{}, {x.data(), rows, cols}, u, chosen.data());
    kernels::sample_rows(execution::threads{3}, {x.data(), rows, cols}, u, by_threads.data());
    CHECK(chosen == by_threads);
    std::size_t same = 0;
    for (std::size_t m = 0; m < rows; ++m) {
      REQUIRE(chosen[m] >= 0);
      REQUIRE(static_cast<std::size_t>(chosen[m]) < cols);
      same += chosen[m] == by_definition(x.data() + m * cols, cols, u[m]) ? 1 : 0;
    }
    CHECK(same >= rows - 1);  // one may fall on the other side of a bound by rounding
  }
}

TEST_CASE("pieces are drawn as often as softmax says") {
  const std::vector<float> logits{0.0f, 1.0f, -1.0f, 2.0f, -30.0f};
  constexpr std::size_t rows = 20'000;
  std::vector<float> x;
  std::vector<double> u;
  for (std::size_t m = 0; m < rows; ++m) {
    x.insert(x.end(), logits.begin(), logits.end());
    u.push_back((static_cast<double>(m) + 0.5) / rows);
  }
  std::vector<std::int32_t> chosen(rows);
  kernels::sample_rows(execution::serial{}, {x.data(), rows, logits.size()}, u, chosen.data());
  std::vector<double> counts(logits.size());
  for (const auto v : chosen) ++counts[static_cast<std::size_t>(v)];
  double total = 0;
  for (const float z : logits) total += std::exp(static_cast<double>(z));
  for (std::size_t v = 0; v < logits.size(); ++v) {
    CAPTURE(v);
    CHECK(std::abs(counts[v] - rows * std::exp(static_cast<double>(logits[v])) / total) <= 1.5);
  }
}

TEST_CASE("huge logits and the ends of the range of u give a piece of some probability") {
  const std::vector<float> x{1e4f, 0.0f, -1e30f, 0.0f, 0.0f, 1e4f};
  std::vector<std::int32_t> chosen(2);
  const std::vector<double> u{0.0, 1.0 - 0x1p-53};
  kernels::sample_rows(execution::serial{}, {x.data(), 2, 3}, u, chosen.data());
  CHECK(chosen[0] == 0);
  CHECK(chosen[1] == 2);
}
