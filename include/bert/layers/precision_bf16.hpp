// bf16: weights, tables and operands of products in 16 bits, sums and everything else in f32.
// Layer: layers. Test: tests/unit/layers/precision_test.cpp
#ifndef BERT_LAYERS_PRECISION_BF16_HPP
#define BERT_LAYERS_PRECISION_BF16_HPP

#include <cstddef>
#include <type_traits>

#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/attention/attention_bf16.hpp"
#include "bert/kernels/gemm/gemm_bf16.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/layers/precision.hpp"
#include "bert/tensor/storage.hpp"

namespace bert::inline BERT_ISA::precision {

/// y = epilogue(bf16(x) bf16(W)^T), sums in f32, each input rounded to the nearest bf16 once
///
/// Half the memory of f32. By AMX tiles (BERT_AMX, bf16_order::tiles) 4 to 5 times as fast; twice with VDPBF16PS at the rate
/// of f32 FMA (AMD). Others widen to f32 (BERT_BF16_DOT in core/isa.hpp), with the bits of VDPBF16PS: faster for a sentence,
/// where weights come from memory, and slower for batches, by a tenth with AVX-512.
struct bf16 {
  using weight = kernels::packed_bf16;
  using element = bert::bf16;
  using table = bert::bf16;
  template <int HeadDim>
  using attended = std::conditional_t<HeadDim % 2 == 0, element, float>;  // products of pairs
  struct operand {
    matrix<const element> rows;
    element* memory;
  };

  [[nodiscard]] static constexpr std::size_t weight_size(std::size_t k, std::size_t out) noexcept {
    return kernels::packed_bf16_size(k, out);
  }
  template <executor E>
  [[nodiscard]] static weight pack(const E& e, matrix<const float> w, float* memory) noexcept {
    return kernels::pack_transposed_bf16(e, w, memory);
  }
  /// Elements need no copy: they were rounded when written.
  template <class T>
  [[nodiscard]] static constexpr std::size_t operand_size(std::size_t n, std::size_t k) noexcept {
    return std::is_same_v<T, element> ? 0 : n * kernels::bf16_pairs_of(k);
  }
  [[nodiscard]] static operand reserve(matrix<const float> x, float* memory) noexcept {
    auto* const copy = reinterpret_cast<element*>(memory);
    return {{copy, x.rows, x.cols, round_up(x.cols, 2)}, copy};
  }
  static void store_row(const operand& x, std::size_t i, const float* row) noexcept {
    element* to = x.memory + i * x.rows.stride;
    kernels::for_each_register(x.rows.cols,
                               [&](std::size_t j, auto part) { kernels::store(to + j, kernels::load(row + j, part), part); });
    if (x.rows.cols % 2 != 0) to[x.rows.cols] = {};
  }
  template <executor E>
  [[nodiscard]] static operand convert(const E& e, matrix<const float> x, float* memory) noexcept {
    const operand out = reserve(x, memory);
    kernels::for_each_row(e, x.rows, x.cols, [&](std::size_t i) { store_row(out, i, x.row(i)); });
    return out;
  }
  template <executor E>
  [[nodiscard]] static operand convert(const E&, matrix<const element> x, float*) noexcept {
    return {x, nullptr};
  }
  template <executor E, class Epilogue>
  static void multiply(const E& e, const operand& x, const weight& w, const Epilogue& epilogue) noexcept {
    kernels::gemm(e, x.rows, w, epilogue);
  }
};

}  // namespace bert::precision

#endif  // BERT_LAYERS_PRECISION_BF16_HPP
