// Layer: tests. Of: include/bert/kernels/simd/functions.hpp
#include "bert/kernels/simd/functions.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "support/largest.hpp"

namespace {

using namespace bert::kernels;

/// The greatest of |f(x) - exact(x)| / max(floor, |exact(x)|) on 400,000 points from low to high.
template <class F, class Exact>
double worst(double low, double high, double floor, F f, Exact exact) {
  support::largest most;
  constexpr int count = 400'000;
  std::array<float, lanes> x, y;
  for (int i = 0; i < count; i += static_cast<int>(lanes)) {
    for (std::size_t l = 0; l < lanes; ++l) x[l] = static_cast<float>(low + (high - low) * (i + static_cast<int>(l)) / count);
    store(y.data(), f(load(x.data())));
    for (std::size_t l = 0; l < lanes; ++l) {
      const double expected = exact(static_cast<double>(x[l])), off = std::abs(static_cast<double>(y[l]) - expected);
      most.add(off / std::max(floor, std::abs(expected)));
    }
  }
  return most.value();
}

template <class F>
float at(F f, float x) {
  std::array<float, lanes> y;
  store(y.data(), f(simd(x)));
  return y[0];
}

constexpr auto exp_ = [](simd x) { return bert::kernels::exp(x); };
constexpr auto exp2_ = [](simd x) { return bert::kernels::exp2(x); };
constexpr auto log_ = [](simd x) { return bert::kernels::log(x); };
constexpr auto tanh_ = [](simd x) { return bert::kernels::tanh(x); };

}  // namespace

TEST_CASE("exp, exp2, log, tanh and the normal tail have the documented errors") {
  CHECK(worst(-87.3, 88.3, 0, exp_, [](double x) { return std::exp(x); }) < 2.5e-7);
  CHECK(worst(-1, 1, 0, exp_, [](double x) { return std::exp(x); }) < 2e-7);
  CHECK(worst(-126, 127.4, 0, exp2_, [](double x) { return std::exp2(x); }) < 2e-7);
  CHECK(worst(1e-30, 1e-28, 0, log_, [](double x) { return std::log(x); }) < 1.5e-7);
  CHECK(worst(0.01, 100, 0.1, log_, [](double x) { return std::log(x); }) < 1.5e-7);
  CHECK(worst(100, 1e9, 0, log_, [](double x) { return std::log(x); }) < 1.5e-7);
  CHECK(worst(-12, 12, 1e-6, tanh_, [](double x) { return std::tanh(x); }) < 3e-7);
  CHECK(worst(
            0, 6, 1, [](simd a) { return normal_tail(a); }, [](double a) { return std::erfc(a / std::sqrt(2.0)) / 2; }) < 1e-7);
}

TEST_CASE("exp2 and the normal tail for bf16 have the documented relative errors") {
  CHECK(worst(
            -125, 0, 0, [](simd x) { return exp2_for_bf16(x); }, [](double x) { return std::exp2(x); }) < 1e-4);
  CHECK(worst(
            0, 6, 0, [](simd a) { return normal_tail_for_bf16(a); },
            [](double a) { return std::erfc(a / std::sqrt(2.0)) / 2; }) < 5e-4);
}

TEST_CASE("exp and exp2 of huge inputs are bounded, of 0 exactly 1, of NaN NaN") {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float x : {-1e3f, -1e30f, -std::numeric_limits<float>::max(), -infinity}) {
    CHECK(at(exp_, x) < 1.2e-38f);
    CHECK(at(exp_, x) >= 0.0f);
    CHECK(at(exp2_, x) < 1.2e-38f);
    CHECK(at(exp2_, x) >= 0.0f);
  }
  CHECK(at(exp_, infinity) > 1e38f);
  CHECK(at(exp2_, 1e3f) > 1e38f);
  CHECK(at(exp_, 0.0f) == 1.0f);
  CHECK(at(exp2_, 0.0f) == 1.0f);
  CHECK(at(log_, 1.0f) == 0.0f);
  CHECK(at(tanh_, 0.0f) == 0.0f);
  CHECK(std::isnan(at(exp_, std::nanf(""))));
  CHECK(std::isnan(at(exp2_, std::nanf(""))));
  CHECK(std::isnan(at(tanh_, std::nanf(""))));
}
