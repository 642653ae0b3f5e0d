// exp, exp2, log, tanh and the tail of the normal distribution on a register.
// Layer: kernels. Test: tests/unit/kernels/simd/functions_test.cpp
#ifndef BERT_KERNELS_SIMD_FUNCTIONS_HPP
#define BERT_KERNELS_SIMD_FUNCTIONS_HPP

#include <cstddef>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/kernels/simd/f32.hpp"

// Coefficients: minimax fits by linear programming over Chebyshev points, in double, then rounded to float.

namespace bert::inline BERT_ISA::kernels {

namespace detail {
template <std::size_t Count, std::size_t... I>
[[nodiscard, gnu::always_inline]] inline simd horner(simd x, const float (&c)[Count], std::index_sequence<I...>) noexcept {
  simd sum(c[Count - 1]);
  ((sum = fma(sum, x, simd(c[Count - 2 - I]))), ...);
  return sum;
}
}  // namespace detail

/// c[0] + c[1] x + c[2] x^2 + …
///
/// Not a loop: at -O2 g++ 12 does not unroll more than seven iterations and writes the coefficients to memory for each
/// register.
template <std::size_t Count>
[[nodiscard, gnu::always_inline]] inline simd polynomial(simd x, const float (&c)[Count]) noexcept {
  return detail::horner(x, c, std::make_index_sequence<Count - 1>{});
}

/// 2^x with relative error 1.6e-7, for finite x <= 0. Below 2^-126 it underflows on AVX-512 and is 2^-126 elsewhere.
[[nodiscard, gnu::always_inline]] inline simd exp2_of_negative(simd x) noexcept {
#if !defined(__AVX512F__)
  x = max(simd(-126.0f), x);  // in this order a NaN passes the bound
#endif
  const simd n = round(x);
  // On [-1/2, 1/2] degree 5 has error 9e-8.
  const simd p = polynomial(x - n, {1.0f, 0.6931470036506653f, 0.24022242426872253f, 0.05550733953714371f,
                                    0.009671512991189957f, 0.0013264716835692525f});
  return times_power_of_two(p, n);
}

/// 2^x with relative error 8e-5, for finite x <= 0 and a result that is then rounded to bf16, which errs by up to 4e-3.
[[nodiscard, gnu::always_inline]] inline simd exp2_for_bf16(simd x) noexcept {
#if !defined(__AVX512F__)
  x = max(simd(-126.0f), x);  // in this order a NaN passes the bound
#endif
  const simd n = round(x);
  const simd p = polynomial(x - n, {0.9999280571937561f, 0.6932609677314758f, 0.2426111251115799f, 0.0551716685295105f});
  return times_power_of_two(p, n);
}

/// 2^x with relative error 1.6e-7 for -126 <= x <= 127.49, 2^-126 below. Above, AVX-512 overflows to infinity at 2^128;
/// elsewhere it is 2^127.49.
[[nodiscard, gnu::always_inline]] inline simd exp2(simd x) noexcept {
  x = max(simd(-126.0f), x);  // in this order a NaN passes both bounds
#if !defined(__AVX512F__)
  x = min(simd(127.49f), x);
#endif
  return exp2_of_negative(x);  // also right for a positive x
}

inline constexpr float log2_e = 1.4426950408889634f, log_2 = 0.6931471805599453f;

/// e^x with relative error 1.5e-7, for x in [-87.3, 88]; clamped outside.
[[nodiscard, gnu::always_inline]] inline simd exp(simd x) noexcept {
  x = max(simd(-87.33654f), min(simd(88.37626f), x));
  const simd n = round(x * simd(log2_e));
  // log 2 as a sum of two terms, the first of 12 bits, so that n times it is exact.
  const simd r = fma(n, simd(2.12194440e-4f), fma(n, simd(-0.693359375f), x));
  const simd p = polynomial(
      r, {1.0f, 0.9999997019767761f, 0.4999915063381195f, 0.1666763573884964f, 0.04189793020486832f, 0.008290308527648449f});
  return times_power_of_two(p, n);
}

/// log x for normal x > 0, with relative error 1e-7, or absolute error 3e-9 near x = 1.
[[nodiscard, gnu::always_inline]] inline simd log(simd x) noexcept {
  simd e;
  const simd f = split_exponent(x, e) - simd(1.0f), square = f * f;
  // log(1 + f) = f - f^2/2 + f^3 P(f)
  const simd p = polynomial(f, {0.3333333134651184f, -0.250008225440979f, 0.20001226663589478f, -0.16623356938362122f,
                                0.14201751351356506f, -0.13160182535648346f, 0.1276162564754486f, -0.07634557038545609f});
  const simd low = fma(e, simd(-2.12194440e-4f), fma(f * square, p, square * simd(-0.5f)));
  return fma(e, simd(0.693359375f), f + low);
}

/// tanh x with relative error 2e-7.
[[nodiscard]] inline simd tanh(simd x) noexcept {
  const simd size = abs(x), square = x * x;
  const simd near = fma(x * square,
                        polynomial(square, {-0.3333328068256378f, 0.13331441581249237f, -0.05373971909284592f,
                                            0.020639099180698395f, -0.005704998038709164f}),
                        x);
  const simd far = simd(1.0f) - simd(2.0f) / (exp(size + size) + simd(1.0f));
  return select(size < simd(0.625f), near, select(x < zero(), -far, far));
}

/// P(Z > a) for a standard normal Z and 0 <= a <= 6, with error 1e-7: 2^-q(a) for a polynomial q, as -log2 P is almost a
/// parabola.
[[nodiscard, gnu::always_inline]] inline simd normal_tail(simd a) noexcept {
  return exp2(-polynomial(
      a, {0.9999999403953552f, 1.1511069536209106f, 0.45919308066368103f, 0.052546389400959015f, -0.007142714224755764f,
          0.00020242936443537474f, 0.0001572978071635589f, -3.297160583315417e-05f, 2.2761335003451677e-06f}));
}

/// P(Z > a) with relative error 5e-4, for 0 <= a <= 6 and a result that is then rounded to bf16.
[[nodiscard, gnu::always_inline]] inline simd normal_tail_for_bf16(simd a) noexcept {
  return exp2_for_bf16(polynomial(a, {-1.0005318f, -1.1443998f, -0.4727856f, -0.04283278f, 0.004467614f, -0.00020168489f}));
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_SIMD_FUNCTIONS_HPP
