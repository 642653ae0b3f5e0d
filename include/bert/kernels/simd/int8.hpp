// int8 dot products with exact 32-bit sums: selects the best form of the instruction set.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_int8_test.cpp
#ifndef BERT_KERNELS_SIMD_INT8_HPP
#define BERT_KERNELS_SIMD_INT8_HPP

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bert/core/isa.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/int8_avx2.hpp"
#include "bert/kernels/simd/int8_portable.hpp"
#include "bert/kernels/simd/int8_sse2.hpp"
#include "bert/kernels/simd/int8_vnni.hpp"

/// A form computes acc[j] += sum over i < 4 of a[i] w[4 j + i], a and w in [-127, 127], for `columns` columns j. `sums` is a
/// register of sums or of weights; `left` holds four bytes of a row, broadcast. If the instruction takes unsigned bytes on the
/// left, `zero_point` is added to a, and sums start from -zero_point times the column's sum of weights. `rows` is the number of
/// rows, of two registers of sums each, that fit the registers.
namespace bert::inline BERT_ISA::kernels::byte_dot {

#if defined(__AVX512VNNI__)
using best = vnni_512;
#elif defined(__AVXVNNI__)
using best = vnni_256;
#elif defined(__AVX2__)
using best = avx2;
#elif defined(__SSE2__)
using best = sse2;
#else
using best = portable;
#endif

}  // namespace bert::kernels::byte_dot

namespace bert::inline BERT_ISA::kernels {

/// Writes the low bytes of round(x) + zero_point for the lanes within `extent`; halves to even, |round(x)| < 2^31.
template <class Extent>
inline void store_bytes(std::uint8_t* p, simd x, std::uint8_t zero_point, Extent extent) noexcept {
  const auto write = [&](const auto& bytes) {
    if constexpr (std::same_as<Extent, whole>) std::memcpy(p, &bytes, lanes);
    else std::memcpy(p, &bytes, extent.count);
  };
#if defined(__AVX512F__)
  write(_mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(zero_point))));
#elif defined(__SSE2__)
  // Packing saturates, so all but the low bytes are masked first. By intrinsics, as g++ does not always find the shuffles.
#if defined(__AVX2__)
  const __m256i low =
      _mm256_and_si256(_mm256_add_epi32(_mm256_cvtps_epi32(x), _mm256_set1_epi32(zero_point)), _mm256_set1_epi32(0xFF));
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
#elif defined(__AVX__)
  const auto low = [&](__m128 half) {
    return _mm_and_si128(_mm_add_epi32(_mm_cvtps_epi32(half), _mm_set1_epi32(zero_point)), _mm_set1_epi32(0xFF));
  };
  const __m128i words = _mm_packs_epi32(low(_mm256_castps256_ps128(x)), low(_mm256_extractf128_ps(x, 1)));
#else
  const __m128i low = _mm_and_si128(_mm_add_epi32(_mm_cvtps_epi32(x), _mm_set1_epi32(zero_point)), _mm_set1_epi32(0xFF));
  const __m128i words = _mm_packs_epi32(low, low);
#endif
  write(_mm_packus_epi16(words, words));
#else
  std::array<std::int32_t, lanes> copy;
  (xsimd::nearbyint_as_int(x) + simd_int(zero_point)).store_unaligned(copy.data());
  std::array<std::uint8_t, lanes> bytes;
  for (std::size_t i = 0; i < lanes; ++i) bytes[i] = static_cast<std::uint8_t>(copy[i]);
  write(bytes);
#endif
}

/// The sums at `p` as floats, rounded to nearest above 2^24.
[[nodiscard]] inline simd load_as_float(const std::int32_t* p) noexcept { return xsimd::to_float(simd_int::load_unaligned(p)); }

}  // namespace bert::kernels

#endif  // BERT_KERNELS_SIMD_INT8_HPP
