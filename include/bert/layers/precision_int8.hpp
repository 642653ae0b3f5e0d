// int8: weights with a scale per output channel, inputs with a scale per token, exact sums.
// Layer: layers. Test: tests/unit/layers/precision_test.cpp
#ifndef BERT_LAYERS_PRECISION_INT8_HPP
#define BERT_LAYERS_PRECISION_INT8_HPP

#include <cstddef>
#include <type_traits>

#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/gemm_int8.hpp"
#include "bert/kernels/gemm/quantize.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/layers/precision.hpp"
#include "bert/layers/precision_bf16.hpp"
#include "bert/tensor/storage.hpp"

namespace bert::inline BERT_ISA::precision {

/// y = epilogue(s t sum(q(x) q(W)^T)),  q(x) = round(x / s), s = max |x[n,:]| / 127 of a token, t of a channel of W
///
/// A quarter of the memory of f32; embedding tables half. Queries, keys, values, contexts and the output of GELU are bf16 where
/// bf16 products are faster than f32 (BERT_BF16_DOT, BERT_AMX), which adds little to the rounding to int8, and f32 elsewhere.
/// Fast with AMX, AVX512_VNNI or AVX_VNNI; a product has the same bits on all processors.
struct int8 {
  using weight = kernels::packed_int8;
  using element = std::conditional_t<BERT_AMX == 1 || kernels::bf16_pairs::passes == 1, bert::bf16, float>;
  using table = bert::bf16;
  template <int HeadDim>
  using attended = std::conditional_t<std::is_same_v<element, float>, float, bf16::attended<HeadDim>>;
  using operand = kernels::quantized;

  /// Greatest number of a layer's inputs at which 32-bit sums cannot overflow.
  static constexpr std::size_t most_inputs = kernels::most_inputs;

  [[nodiscard]] static constexpr std::size_t weight_size(std::size_t k, std::size_t out) noexcept {
    return kernels::packed_int8_size(k, out);
  }
  template <executor E>
  [[nodiscard]] static weight pack(const E& e, matrix<const float> w, float* memory) noexcept {
    return kernels::pack_int8(e, w, memory);
  }
  template <class>
  [[nodiscard]] static constexpr std::size_t operand_size(std::size_t n, std::size_t k) noexcept {
    return kernels::quantized_size(n, k);
  }
  template <class T>
  [[nodiscard]] static operand reserve(matrix<T> x, float* memory) noexcept {
    return {memory, x.rows, x.cols};
  }
  template <class T>
  static void store_row(const operand& x, std::size_t i, const T* row) noexcept {
    kernels::quantize_row(x, i, row);
  }
  template <executor E, class T>
  [[nodiscard]] static operand convert(const E& e, matrix<T> x, float* memory) noexcept {
    const operand out = reserve(x, memory);
    kernels::quantize(e, x, out);
    return out;
  }
  template <executor E, class Epilogue>
  static void multiply(const E& e, const operand& x, const weight& w, const Epilogue& epilogue) noexcept {
    kernels::gemm(e, x, w, epilogue);
  }
  template <executor E, class Epilogue, class Then>
  static void multiply(const E& e, const operand& x, const weight& w, const Epilogue& epilogue, const Then& then) noexcept {
    kernels::gemm(e, x, w, epilogue, then);
  }
};

}  // namespace bert::precision

#endif  // BERT_LAYERS_PRECISION_INT8_HPP
