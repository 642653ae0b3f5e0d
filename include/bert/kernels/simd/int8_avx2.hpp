// int8 dot products by AVX2, and what all forms of 256 bits share.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_int8_test.cpp
#ifndef BERT_KERNELS_SIMD_INT8_AVX2_HPP
#define BERT_KERNELS_SIMD_INT8_AVX2_HPP

#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/int8_word.hpp"

namespace bert::inline BERT_ISA::kernels::byte_dot {

#if defined(__AVX2__)
/// The common members of forms of 256 bits.
struct half_width {
  using sums = __m256i;
  static constexpr std::size_t columns = 8;

  [[nodiscard]] static sums load(const void* p) noexcept { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static void store(std::int32_t* p, sums x) noexcept { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
};

/// AVX2: |a| times w with the sign of a. vpmaddubsw adds two products, at most 2 * 127 * 127 = 32,258, which cannot saturate.
struct avx2 : half_width {
  struct left {
    __m256i signs, sizes;
  };
  static constexpr std::size_t rows = 5;
  static constexpr std::uint8_t zero_point = 0;

  [[nodiscard]] static left broadcast(const std::uint8_t* p) noexcept {
    const __m256i a = _mm256_set1_epi32(word(p));
    return {a, _mm256_abs_epi8(a)};
  }
  [[nodiscard]] static sums dot(sums acc, left a, sums w) noexcept {
    const __m256i pairs = _mm256_maddubs_epi16(a.sizes, _mm256_sign_epi8(w, a.signs));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};
#endif

}  // namespace bert::kernels::byte_dot

#endif  // BERT_KERNELS_SIMD_INT8_AVX2_HPP
