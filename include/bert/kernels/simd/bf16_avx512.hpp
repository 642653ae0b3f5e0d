// Products of bf16 pairs by AVX512_BF16.
// Layer: kernels. Test: tests/unit/kernels/gemm/product_test.cpp
#ifndef BERT_KERNELS_SIMD_BF16_AVX512_HPP
#define BERT_KERNELS_SIMD_BF16_AVX512_HPP

#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/kernels/simd/f32.hpp"

namespace bert::inline BERT_ISA::kernels {

#if defined(__AVX512BF16__)
/// One instruction per pair; it flushes sums and products below 2^-126 to zero.
struct bf16_instruction {
  static constexpr std::size_t passes = 1;
  template <std::size_t>
  [[nodiscard]] static simd operand(simd x) noexcept {
    return x;
  }
  [[nodiscard]] static simd add(simd a, simd b, simd s) noexcept {
    return _mm512_dpbf16_ps(s, (__m512bh) static_cast<__m512>(a), (__m512bh) static_cast<__m512>(b));
  }
};
#endif

}  // namespace bert::kernels

#endif  // BERT_KERNELS_SIMD_BF16_AVX512_HPP
