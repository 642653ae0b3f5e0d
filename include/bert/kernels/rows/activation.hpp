// Activations of the feed-forward layer as policies: value and derivative, for a register and for a scalar.
// Layer: kernels. Test: tests/unit/kernels/rows/activation_test.cpp. Paper: Hendrycks and Gimpel 2016, "Gaussian error linear
// units".
#ifndef BERT_KERNELS_ROWS_ACTIVATION_HPP
#define BERT_KERNELS_ROWS_ACTIVATION_HPP

#include <cmath>
#include <concepts>
#include <cstddef>
#include <numbers>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// x * Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2. The default of transformers.
struct gelu_erf {
  /// max(x, 0) - |x| P(Z > |x|): the small result for a negative x is computed without cancellation.
  [[nodiscard]] static simd forward(simd x) noexcept {
    const simd a = min(simd(6.0f), abs(x));  // 6 P(Z > 6) = 6e-9
    return fma(-a, normal_tail(a), max(zero(), x));
  }
  /// The same with relative error 5e-4, for a result that is then rounded to bf16: two thirds of the work.
  [[nodiscard]] static simd forward_for_bf16(simd x) noexcept {
    const simd a = min(simd(6.0f), abs(x));
    return fma(-a, normal_tail_for_bf16(a), max(zero(), x));
  }
  /// Phi(x) + x * exp(-x^2 / 2) / sqrt(2 pi)
  [[nodiscard]] static simd gradient(simd x) noexcept {
    const simd a = min(simd(6.0f), abs(x)), tail = normal_tail(a);
    const simd density = exp2(a * a * simd(-0.5f * log2_e)) * simd(0.3989422804f);
    const simd below = fma(-a, density, tail);  // the derivative at -a; at a it is 1 minus this
    return select(x < zero(), below, simd(1.0f) - below);
  }

  template <std::floating_point T>
  [[nodiscard]] static T forward(T x) noexcept {
    return x * cumulative(x);
  }
  template <std::floating_point T>
  [[nodiscard]] static T gradient(T x) noexcept {
    constexpr T density_at_0 = std::numbers::inv_sqrtpi_v<T> / std::numbers::sqrt2_v<T>;
    return cumulative(x) + x * density_at_0 * std::exp(T(-0.5) * x * x);
  }

 private:
  template <std::floating_point T>
  static T cumulative(T x) noexcept {
    return T(0.5) * (T(1) + std::erf(x / std::numbers::sqrt2_v<T>));
  }
};

/// x / 2 * (1 + tanh(u)) = x * s(2u), u = sqrt(2/pi) * (x + 0.044715 x^3), s the logistic function. The form of
/// google-research/bert.
struct gelu_tanh {
  [[nodiscard]] static simd forward(simd x) noexcept {
    x = max(simd(-20.0f), x);  // below -20 the value is below 1e-37
    return x * logistic(x, x * x);
  }
  /// s + x * s * (1 - s) * 2u'
  [[nodiscard]] static simd gradient(simd x) noexcept {
    x = max(simd(-20.0f), min(simd(20.0f), x));
    const simd square = x * x, s = logistic(x, square);
    const simd slope = fma(square, simd(float(6 * root * cubic)), simd(float(2 * root)));
    return fma(x * slope, s * (simd(1.0f) - s), s);
  }

  template <std::floating_point T>
  [[nodiscard]] static T forward(T x) noexcept {
    return T(0.5) * x * (T(1) + std::tanh(T(root) * (x + T(cubic) * x * x * x)));
  }
  template <std::floating_point T>
  [[nodiscard]] static T gradient(T x) noexcept {
    const T t = std::tanh(T(root) * (x + T(cubic) * x * x * x));
    return T(0.5) * (T(1) + t) + T(0.5) * x * (T(1) - t * t) * T(root) * (T(1) + T(3 * cubic) * x * x);
  }

 private:
  static constexpr double root = 0.7978845608028654;  // sqrt(2/pi)
  static constexpr double cubic = 0.044715;

  static simd logistic(simd x, simd square) noexcept {
    const simd minus_2u = x * fma(square, simd(float(-2 * root * cubic)), simd(float(-2 * root)));
    return simd(1.0f) / (simd(1.0f) + exp(minus_2u));
  }
};

/// max(x, 0); the derivative at 0 is 0.
struct relu {
  [[nodiscard]] static simd forward(simd x) noexcept { return max(x, zero()); }
  [[nodiscard]] static simd gradient(simd x) noexcept { return select(x > zero(), simd(1.0f), zero()); }
  template <std::floating_point T>
  [[nodiscard]] static T forward(T x) noexcept {
    return x > T(0) ? x : T(0);
  }
  template <std::floating_point T>
  [[nodiscard]] static T gradient(T x) noexcept {
    return x > T(0) ? T(1) : T(0);
  }
};

/// tanh(x)
struct tanh_activation {
  [[nodiscard]] static simd forward(simd x) noexcept { return kernels::tanh(x); }
  /// 1 - tanh(x)^2
  [[nodiscard]] static simd gradient(simd x) noexcept {
    const simd t = kernels::tanh(x);
    return simd(1.0f) - t * t;
  }
  template <std::floating_point T>
  [[nodiscard]] static T forward(T x) noexcept {
    return std::tanh(x);
  }
  template <std::floating_point T>
  [[nodiscard]] static T gradient(T x) noexcept {
    const T t = std::tanh(x);
    return T(1) - t * t;
  }
};

/// An activation, as epilogues and the kernels below take it. Optional: `forward_for_bf16(x)`, see `activated_for_bf16`.
template <class A>
concept activation = requires(simd x, double d) {
  { A::forward(x) } -> std::convertible_to<simd>;
  { A::gradient(x) } -> std::convertible_to<simd>;
  { A::forward(d) } -> std::convertible_to<double>;
  { A::gradient(d) } -> std::convertible_to<double>;
};

/// A(x), for a result that is then rounded to bf16: by A's `forward_for_bf16`, if it has one.
template <class A>
[[nodiscard]] simd activated_for_bf16(simd x) noexcept {
  if constexpr (requires { A::forward_for_bf16(x); }) return A::forward_for_bf16(x);
  else return A::forward(x);
}

/// y = A(x); writes `y`, which may be `x`. [M, N]
template <activation A, executor E>
void activate(const E& e, matrix<const float> x, matrix<float> y) noexcept {
  for_each_row(e, x.rows, x.cols, [&](std::size_t m) {
    for_each_register(x.cols, [in = x.row(m), out = y.row(m)](std::size_t i, auto extent) {
      store(out + i, A::forward(load(in + i, extent)), extent);
    });
  });
}

/// d *= A'(x); `d` holds the gradient with respect to A(x) before and to x after. [M, N]
template <activation A, executor E>
void activate_backward(const E& e, matrix<const float> x, matrix<float> d) noexcept {
  for_each_row(e, x.rows, x.cols, [&](std::size_t m) {
    for_each_register(x.cols, [in = x.row(m), out = d.row(m)](std::size_t i, auto extent) {
      store(out + i, load(out + i, extent) * A::gradient(load(in + i, extent)), extent);
    });
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ROWS_ACTIVATION_HPP
