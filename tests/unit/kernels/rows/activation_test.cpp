// Layer: tests. Of: include/bert/kernels/rows/activation.hpp
#include "bert/kernels/rows/activation.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "support/kernel_description.hpp"
#include "support/kernels/row_kernels.hpp"
#include "support/largest.hpp"

namespace {

using namespace bert;
using namespace bert::kernels;
using namespace bert::test;

/// The greatest error of value and derivative over [-30, 30], in units of 1e-7 * max(1, |x|).
template <class A>
double worst_error() {
  support::largest worst;
  constexpr std::size_t count = 240'000 / 16 * 16;
  array<float> x(count), y(count), d(count, 1.0f);
  for (std::size_t i = 0; i < count; ++i) x[i] = -30.0f + 60.0f * static_cast<float>(i) / static_cast<float>(count);
  activate<A>(execution::serial{}, {x.data(), 1, count}, {y.data(), 1, count});
  activate_backward<A>(execution::serial{}, {x.data(), 1, count}, {d.data(), 1, count});
  for (std::size_t i = 0; i < count; ++i) {
    const double at = static_cast<double>(x[i]), unit = 1e-7 * std::max(1.0, std::abs(at));
    worst.add(std::abs(static_cast<double>(y[i]) - A::forward(at)) / unit);
    worst.add(std::abs(static_cast<double>(d[i]) - A::gradient(at)) / unit);
  }
  return worst.value();
}

template <class A>
float forward_at(float x) {
  std::array<float, lanes> out;
  store(out.data(), A::forward(simd(x)));
  return out[0];
}

}  // namespace

TEST_CASE_TEMPLATE("an activation agrees with its scalar form and its gradient is its slope", A, gelu_erf, gelu_tanh,
                   tanh_activation) {
  static_assert(kernels::activation<A>);
  for (const auto& [rows, cols] : {std::array<std::size_t, 2>{1, 1}, {3, 7}, {5, 200}, {40, 768}, {2, 16}})
    check_kernel(activation_kernel<A>{{rows, cols}});
}

TEST_CASE("relu agrees with its scalar form, and its gradient at 0 is 0") {
  static_assert(kernels::activation<relu>);
  for (const auto& [rows, cols] : {std::array<std::size_t, 2>{1, 1}, {3, 7}, {40, 768}})
    check_kernel(activation_kernel<relu>{{rows, cols}});
  CHECK(relu::gradient(0.0) == 0.0);
  CHECK(worst_error<relu>() == 0.0);
}

TEST_CASE("activations are within 5e-7 of the exact function from -30 to 30, on AArch64 within 6e-7") {
#if defined(__aarch64__)
  constexpr double most = 6;  // 5.73 by g++ 12
#else
  constexpr double most = 5;
#endif
  CHECK(worst_error<gelu_erf>() <= 3);
  CHECK(worst_error<gelu_tanh>() <= most);
  CHECK(worst_error<tanh_activation>() <= 3);
}

TEST_CASE("activations of huge inputs are finite") {
  for (const float x : {1e4f, 1e15f, 3e38f}) {
    CHECK(forward_at<gelu_erf>(x) == x);
    CHECK(std::abs(forward_at<gelu_erf>(-x)) <= 1e-8f);
    CHECK(std::abs(forward_at<gelu_tanh>(-x)) <= 1e-30f);
    CHECK(forward_at<gelu_tanh>(x) == x);
    CHECK(forward_at<tanh_activation>(x) == 1.0f);
    CHECK(forward_at<tanh_activation>(-x) == -1.0f);
  }
}

TEST_CASE("an activation of NaN is NaN") {
  const float nan = std::nanf("");
  CHECK(std::isnan(forward_at<gelu_erf>(nan)));
  CHECK(std::isnan(forward_at<gelu_tanh>(nan)));
  CHECK(std::isnan(forward_at<tanh_activation>(nan)));
}

TEST_CASE("GELU for bf16 is within 5e-4 of the exact value, relatively, and passes on what is not finite") {
  support::largest worst;
  constexpr int count = 120'000;
  std::array<float, lanes> y;
  for (int i = 0; i <= count; ++i) {
    const float x = -6.0f + 12.0f * static_cast<float>(i) / count;
    store(y.data(), activated_for_bf16<gelu_erf>(simd(x)));
    const double exact = gelu_erf::forward(static_cast<double>(x)), size = std::max(1e-30, std::abs(exact));
    // The double's cancellation below -5 is 1e-16 / 1e-6.
    worst.add(std::abs(static_cast<double>(y[lanes / 2]) - exact) / size);
  }
  CHECK(worst.value() < 5e-4);
  store(y.data(), activated_for_bf16<gelu_erf>(simd(std::nanf(""))));
  CHECK(std::isnan(y[0]));
  store(y.data(), activated_for_bf16<gelu_erf>(simd(std::numeric_limits<float>::infinity())));
  CHECK(y[0] == std::numeric_limits<float>::infinity());
  store(y.data(), activated_for_bf16<gelu_erf>(simd(-std::numeric_limits<float>::infinity())));
  CHECK(std::abs(y[0]) < 1e-8f);
  // An activation without a form of its own for bf16 is taken as it is.
  store(y.data(), activated_for_bf16<relu>(simd(1.5f)));
  CHECK(y[0] == 1.5f);
}
