// Products of bf16 pairs by f32 FMAs, on every processor.
// Layer: kernels. Test: tests/unit/kernels/gemm/product_test.cpp
#ifndef BERT_KERNELS_SIMD_BF16_PORTABLE_HPP
#define BERT_KERNELS_SIMD_BF16_PORTABLE_HPP

#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/kernels/simd/f32.hpp"

namespace bert::inline BERT_ISA::kernels {

/// One pass over the tile for the odd halves and one for the even: where AVX512_BF16 is missing or slow (BERT_BF16_DOT).
struct bf16_widened {
  static constexpr std::size_t passes = 2;
  template <std::size_t Pass>
  [[nodiscard]] static simd operand(simd x) noexcept {
    const auto bits = as_int(x);
    if constexpr (Pass == 0) return as_float(bits & simd_int(static_cast<std::int32_t>(0xFFFF0000)));
    else return as_float(bits << 16);
  }
  [[nodiscard]] static simd add(simd a, simd b, simd s) noexcept { return fma(a, b, s); }
};

}  // namespace bert::kernels

#endif  // BERT_KERNELS_SIMD_BF16_PORTABLE_HPP
