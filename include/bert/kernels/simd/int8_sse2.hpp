// int8 dot products by SSE2.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_int8_test.cpp
#ifndef BERT_KERNELS_SIMD_INT8_SSE2_HPP
#define BERT_KERNELS_SIMD_INT8_SSE2_HPP

#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/int8_word.hpp"

namespace bert::inline BERT_ISA::kernels::byte_dot {

#if defined(__SSE2__)
/// SSE2: bytes 0 and 2, then 1 and 3 of each word as 16-bit integers; pmaddwd adds two products.
struct sse2 {
  using sums = __m128i;
  struct left {
    __m128i even, odd;
  };
  static constexpr std::size_t columns = 4, rows = 4;
  static constexpr std::uint8_t zero_point = 0;

  [[nodiscard]] static sums load(const void* p) noexcept { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static void store(std::int32_t* p, sums x) noexcept { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), x); }
  [[nodiscard]] static left broadcast(const std::uint8_t* p) noexcept {
    const __m128i a = _mm_set1_epi32(word(p));
    return {even(a), odd(a)};
  }
  [[nodiscard]] static sums dot(sums acc, left a, sums w) noexcept {
    return _mm_add_epi32(acc, _mm_add_epi32(_mm_madd_epi16(a.even, even(w)), _mm_madd_epi16(a.odd, odd(w))));
  }

 private:
  static __m128i even(__m128i x) noexcept { return _mm_srai_epi16(_mm_slli_epi16(x, 8), 8); }
  static __m128i odd(__m128i x) noexcept { return _mm_srai_epi16(x, 8); }
};
#endif

}  // namespace bert::kernels::byte_dot

#endif  // BERT_KERNELS_SIMD_INT8_SSE2_HPP
