// bf16 in registers of floats: loads that widen, stores that round, and products of pairs.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_bf16_test.cpp
#ifndef BERT_KERNELS_SIMD_BF16_HPP
#define BERT_KERNELS_SIMD_BF16_HPP

#include <array>
#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/kernels/simd/bf16_avx512.hpp"
#include "bert/kernels/simd/bf16_portable.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/storage.hpp"

namespace bert::inline BERT_ISA::kernels {

// Conversions of 16 elements use AVX512BW and VL for tails, which every processor with AVX512_BF16 has.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define BERT_BF16_REGISTERS 1
#endif

/// Two consecutive bf16 in the bits of a float: the word of bf16 products. Never used in float arithmetic.
using bf16_pair = float;

#if defined(BERT_BF16_REGISTERS)
namespace detail {
[[nodiscard]] inline simd widen(__m256i x) noexcept {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}
}  // namespace detail
#endif

[[nodiscard]] inline simd load(const bf16* p, whole) noexcept {
#if defined(BERT_BF16_REGISTERS)
  return detail::widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#else
  std::array<float, lanes> wide;
  for (std::size_t i = 0; i < lanes; ++i) wide[i] = to_float(p[i]);
  return load(wide.data());
#endif
}
[[nodiscard]] inline simd load(const bf16* p, first n) noexcept {
#if defined(BERT_BF16_REGISTERS)
  return detail::widen(_mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << n.count) - 1u), p));
#else
  std::array<float, lanes> wide{};
  for (std::size_t i = 0; i < n.count; ++i) wide[i] = to_float(p[i]);
  return load(wide.data());
#endif
}

/// The bits of x rounded to bf16, to nearest and ties to even, in the lower half of each lane. As in AVX512_BF16, |x| < 2^-126
/// becomes zero and a NaN stays a NaN.
[[nodiscard]] inline simd_int round_to_bf16(simd x) noexcept {
  const auto bits = as_int(x);
  const simd_int last = (bits >> 16) & simd_int(1), rounded = bits + simd_int(0x7FFF) + last;
  const simd_int nan = bits | simd_int(0x00400000), none = bits & simd_int(static_cast<std::int32_t>(0x80000000));
  const auto kept = select(abs(x) < simd(0x1p-126f), as_float(none), as_float(rounded));
  return (as_int(select(x == x, kept, as_float(nan))) >> 16) & simd_int(0xFFFF);
}

#if defined(BERT_BF16_REGISTERS)
namespace detail {
[[nodiscard]] inline __m256i narrow(simd x) noexcept {
#if defined(__AVX512BF16__)
  return (__m256i)_mm512_cvtneps_pbh(x);
#else
  return _mm512_cvtepi32_epi16(round_to_bf16(x));
#endif
}
}  // namespace detail
#endif

/// Rounds the lanes of x to bf16 and writes all of them, or the first n.
inline void store(bf16* p, simd x, whole) noexcept {
#if defined(BERT_BF16_REGISTERS)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), detail::narrow(x));
#else
  std::array<std::int32_t, lanes> bits;
  round_to_bf16(x).store_unaligned(bits.data());
  for (std::size_t i = 0; i < lanes; ++i) p[i].bits = static_cast<std::uint16_t>(bits[i]);
#endif
}
inline void store(bf16* p, simd x, first n) noexcept {
#if defined(BERT_BF16_REGISTERS)
  _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1u << n.count) - 1u), detail::narrow(x));
#else
  std::array<std::int32_t, lanes> bits;
  round_to_bf16(x).store_unaligned(bits.data());
  for (std::size_t i = 0; i < n.count; ++i) p[i].bits = static_cast<std::uint16_t>(bits[i]);
#endif
}

/// Pairs of bf16, rounded: lane by lane, `even` in the lower half and `odd` in the upper one.
[[nodiscard]] inline simd pair(simd even, simd odd) noexcept {
#if defined(__AVX512BF16__) && defined(BERT_BF16_REGISTERS)
  // Converts both into one register, one after the other, then interleaves.
  alignas(64) static constexpr std::uint16_t order[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                          8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_load_si512(order), (__m512i)_mm512_cvtne2ps_pbh(odd, even)));
#else
  return as_float(round_to_bf16(even) | (round_to_bf16(odd) << 16));
#endif
}

/// How a register tile multiplies pairs of bf16: s + a1 b1, then + a0 b0, each rounded once to f32. A product of two bf16 is
/// exact in f32, so fusing does not matter. All sums of at least 2^-126 have the same bits in both forms.
#if BERT_BF16_DOT
struct bf16_pairs : bf16_instruction {};
#else
struct bf16_pairs : bf16_widened {};
#endif

#undef BERT_BF16_REGISTERS
}  // namespace bert::kernels

#endif  // BERT_KERNELS_SIMD_BF16_HPP
