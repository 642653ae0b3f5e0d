// Four bytes of a row as one 32-bit word, which the forms of int8 dot products broadcast.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_int8_test.cpp
#ifndef BERT_KERNELS_SIMD_INT8_WORD_HPP
#define BERT_KERNELS_SIMD_INT8_WORD_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::kernels::byte_dot {

[[nodiscard]] inline std::int32_t word(const std::uint8_t* p) noexcept {
  std::int32_t x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

}  // namespace bert::kernels::byte_dot

#endif  // BERT_KERNELS_SIMD_INT8_WORD_HPP
