// int8 dot products by AVX512_VNNI and AVX_VNNI.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_int8_test.cpp
#ifndef BERT_KERNELS_SIMD_INT8_VNNI_HPP
#define BERT_KERNELS_SIMD_INT8_VNNI_HPP

#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/int8_avx2.hpp"
#include "bert/kernels/simd/int8_word.hpp"

namespace bert::inline BERT_ISA::kernels::byte_dot {

#if defined(__AVX512VNNI__)
/// AVX512_VNNI: vpdpbusd, 64 products per instruction.
struct vnni_512 {
  using sums = __m512i;
  using left = __m512i;
  static constexpr std::size_t columns = 16, rows = 14;
  static constexpr std::uint8_t zero_point = 128;

  [[nodiscard]] static sums load(const void* p) noexcept { return _mm512_loadu_si512(p); }
  static void store(std::int32_t* p, sums x) noexcept { _mm512_storeu_si512(p, x); }
  [[nodiscard]] static left broadcast(const std::uint8_t* p) noexcept { return _mm512_set1_epi32(word(p)); }
  [[nodiscard]] static sums dot(sums acc, left a, sums w) noexcept { return _mm512_dpbusd_epi32(acc, a, w); }
};
#endif

#if defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__))
/// AVX_VNNI, or AVX512_VNNI on 256 bits: 32 products per instruction.
struct vnni_256 : half_width {
  using left = __m256i;
  static constexpr std::size_t rows = 6;
  static constexpr std::uint8_t zero_point = 128;

  [[nodiscard]] static left broadcast(const std::uint8_t* p) noexcept { return _mm256_set1_epi32(word(p)); }
  [[nodiscard]] static sums dot(sums acc, left a, sums w) noexcept {
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
    return _mm256_dpbusd_epi32(acc, a, w);
#else
    return _mm256_dpbusd_avx_epi32(acc, a, w);
#endif
  }
};
#endif

}  // namespace bert::kernels::byte_dot

#endif  // BERT_KERNELS_SIMD_INT8_VNNI_HPP
