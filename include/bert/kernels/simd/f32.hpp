// Registers of floats on every instruction set; the one file that includes xsimd.
// Layer: kernels. Test: tests/unit/kernels/simd/functions_test.cpp
#ifndef BERT_KERNELS_SIMD_F32_HPP
#define BERT_KERNELS_SIMD_F32_HPP

// g++ 12 warns of the deliberately undefined operand of AVX-512 intrinsics (its bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <xsimd/xsimd.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "bert/core/compiler.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::kernels {

/// A register of floats of the widest ISA that the file is compiled for.
using simd = xsimd::batch<float>;
/// A register of 32-bit integers, as many as floats.
using simd_int = xsimd::batch<std::int32_t>;
/// The result of comparing `simd`; `select(mask, a, b)` selects lanes by it.
using simd_mask = xsimd::batch_bool<float>;

/// Floats in a register: 4 (SSE2, NEON), 8 (AVX2), 16 (AVX-512).
inline constexpr std::size_t lanes = simd::size;

/// Vector registers of the ISA: AVX-512 and AArch64 have 32, the other x86 ones 16.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr std::size_t simd_registers = 32;
#else
inline constexpr std::size_t simd_registers = 16;
#endif

using xsimd::abs;
using xsimd::select;
using xsimd::sqrt;

/// The greater and the lesser of a and b. If b is a NaN, so is the result: on x86 it is b if either is a NaN. Not xsimd's,
/// which swaps the operands in version 14.
[[nodiscard]] inline simd max(simd a, simd b) noexcept {
#if defined(__AVX512F__)
  return _mm512_max_ps(a.data, b.data);
#elif defined(__AVX__)
  return _mm256_max_ps(a.data, b.data);
#elif defined(__SSE2__)
  return _mm_max_ps(a.data, b.data);
#else
  return xsimd::max(a, b);
#endif
}
[[nodiscard]] inline simd min(simd a, simd b) noexcept {
#if defined(__AVX512F__)
  return _mm512_min_ps(a.data, b.data);
#elif defined(__AVX__)
  return _mm256_min_ps(a.data, b.data);
#elif defined(__SSE2__)
  return _mm_min_ps(a.data, b.data);
#else
  return xsimd::min(a, b);
#endif
}

[[nodiscard]] inline simd load(const float* p) noexcept { return simd::load_unaligned(p); }
inline void store(float* p, simd x) noexcept { x.store_unaligned(p); }
[[nodiscard]] inline simd zero() noexcept { return simd(0.0f); }

/// The first `count` <= lanes floats at `p`, then zeros; reads no memory past them.
[[nodiscard]] inline simd load_partial(const float* p, std::size_t count) noexcept {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1u), p);
#else
  std::array<float, lanes> copy{};
  for (std::size_t i = 0; i < count; ++i) copy[i] = p[i];
  return load(copy.data());
#endif
}

/// Writes the first `count` <= lanes floats of `x` to `p`, and nothing past them.
inline void store_partial(float* p, simd x, std::size_t count) noexcept {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1u), x);
#else
  std::array<float, lanes> copy;
  store(copy.data(), x);
  for (std::size_t i = 0; i < count; ++i) p[i] = copy[i];
#endif
}

/// The extent of a register within a row: all of it, or the first `count` lanes.
struct whole {};
struct first {
  std::size_t count;
};
[[nodiscard]] inline simd load(const float* p, whole) noexcept { return load(p); }
[[nodiscard]] inline simd load(const float* p, first n) noexcept { return load_partial(p, n.count); }
inline void store(float* p, simd x, whole) noexcept { store(p, x); }
inline void store(float* p, simd x, first n) noexcept { store_partial(p, x, n.count); }

/// Prefetches the cache line at `p`, which may be any address, into the second-level cache.
///
/// always_inline: g++ takes a function that only prefetches for one without effects, and drops calls of it.
[[gnu::always_inline]] inline void prefetch(const void* p) noexcept { BERT_PREFETCH(p, 2); }

/// Calls `body(j, whole{})` for every whole register of [0, n) and `body(j, first{rest})` for the rest, if any.
template <class Body>
inline void for_each_register(std::size_t n, Body&& body) {
  std::size_t j = 0;
  for (; j + lanes <= n; j += lanes) body(j, whole{});
  if (j < n) body(j, first{n - j});
}

/// a * b + c, rounded once if the ISA has FMA (AVX2+FMA, AVX-512, NEON), twice on SSE2. On AVX-512 xsimd 8.1 multiplies and
/// adds: g++ fuses the two by default, clang does not and runs at half the speed.
[[nodiscard]] inline simd fma(simd a, simd b, simd c) noexcept {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#else
  return xsimd::fma(a, b, c);
#endif
}

/// x, forced into a register: g++ 12 would reload it from memory for each use, 16 loads per K-step of a 4 x 4 tile instead of
/// 4, on cores that load one or two registers per cycle. Also prevents FMA contraction.
[[nodiscard]] inline simd in_register(simd x) noexcept {
#if defined(__GNUC__) && defined(__x86_64__)
#if defined(__AVX512F__)
  asm("" : "+v"(x.data));
#else
  asm("" : "+x"(x.data));
#endif
#elif defined(__GNUC__) && defined(__aarch64__)
  asm("" : "+w"(x.data));
#endif
  return x;
}

namespace detail {

/// Lane i of the result is lane From[i] of a and b, counted through both. A compiler builtin keeps it in registers.
template <std::size_t... From>
[[nodiscard]] inline simd shuffle(simd a, simd b) noexcept {
#if BERT_SHUFFLEVECTOR
  return simd(__builtin_shufflevector(a.data, b.data, static_cast<int>(From)...));
#else
  float both[2 * lanes];
  store(both, a);
  store(both + lanes, b);
  const float chosen[lanes] = {both[From]...};
  return load(chosen);
#endif
}

/// Lane i of the result is lane (i + Shift) % lanes of x.
template <std::size_t Shift>
[[nodiscard]] inline simd rotate(simd x) noexcept {
  return [&]<std::size_t... I>(std::index_sequence<I...>) { return shuffle<(I + Shift) % lanes...>(x, x); }
  (std::make_index_sequence<lanes>{});
}

/// op over all lanes, pairwise by halves; the result is in lane 0.
template <std::size_t Half = lanes / 2, class Op>
[[nodiscard]] inline simd fold(simd x, Op op) noexcept {
  if constexpr (Half == 0) return x;
  else return fold<Half / 2>(op(x, rotate<Half>(x)), op);
}

}  // namespace detail

/// The sum of the lanes, pairwise by halves: the same order on every call.
[[nodiscard]] inline float sum(simd x) noexcept {
  return detail::fold(x, [](simd a, simd b) { return a + b; }).data[0];
}

/// The greatest lane.
[[nodiscard]] inline float maximum(simd x) noexcept {
  return detail::fold(x, [](simd a, simd b) { return max(a, b); }).data[0];
}

/// The bits of floats as integers, and back. The template argument of xsimd's bitwise_cast is a register in version 8 and an
/// element in later ones.
[[nodiscard]] inline simd_int as_int(simd x) noexcept { return std::bit_cast<simd_int::register_type>(x.data); }
[[nodiscard]] inline simd as_float(simd_int x) noexcept { return std::bit_cast<simd::register_type>(x.data); }

/// The greater of each pair of integers.
[[nodiscard]] inline simd_int max(simd_int a, simd_int b) noexcept { return xsimd::max(a, b); }

/// The greatest lane.
[[nodiscard]] inline std::int32_t maximum(simd_int x) noexcept {
  return as_int(detail::fold(as_float(x), [](simd a, simd b) { return as_float(max(as_int(a), as_int(b))); })).get(0);
}

/// The nearest integers, |x| < 2^22.
[[nodiscard]] inline simd round(simd x) noexcept {
#if defined(__AVX512F__)
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  const simd shift(0x1.8p23f);  // the last bit of the sum is worth 1
  return (x + shift) - shift;
#endif
}

/// x * 2^n for integral n and normal x and result.
[[nodiscard]] inline simd times_power_of_two(simd x, simd n) noexcept {
#if defined(__AVX512F__)
  return _mm512_scalef_ps(x, n);
#else
  return as_float(as_int(x) + (xsimd::to_int(n) << 23));
#endif
}

/// x = m * 2^e with m in [sqrt(1/2), sqrt(2)), for normal x > 0. Returns m, writes e.
[[nodiscard]] inline simd split_exponent(simd x, simd& e) noexcept {
  constexpr std::int32_t root_half = 0x3F3504F3;  // the bits of sqrt(1/2)
  const simd_int bits = as_int(x), exponent = (bits - simd_int(root_half)) >> 23;
  e = xsimd::to_float(exponent);
  return as_float(bits - (exponent << 23));
}

namespace detail {

template <std::size_t From, std::size_t... I>
[[nodiscard]] inline simd interleave(simd a, simd b, std::index_sequence<I...>) noexcept {
  return shuffle<(From + I / 2 + I % 2 * lanes)...>(a, b);
}

}  // namespace detail

/// Transposes a square of `lanes` registers by log2(lanes) perfect shuffles. By compiler builtins, as xsimd's zip_lo and zip_hi
/// stay within 128 bits in some versions only.
inline void transpose(simd (&rows)[lanes]) noexcept {
  for (std::size_t stage = 1; stage < lanes; stage *= 2) {
    simd next[lanes];
    for (std::size_t i = 0; i < lanes / 2; ++i) {
      next[2 * i] = detail::interleave<0>(rows[i], rows[i + lanes / 2], std::make_index_sequence<lanes>{});
      next[2 * i + 1] = detail::interleave<lanes / 2>(rows[i], rows[i + lanes / 2], std::make_index_sequence<lanes>{});
    }
    for (std::size_t i = 0; i < lanes; ++i) rows[i] = next[i];
  }
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_SIMD_F32_HPP
