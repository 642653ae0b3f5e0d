// bf16x3 and bf16x6: products of f32 by bf16 tiles, three or six for each, close to f32 or as accurate.
// Layer: layers. Test: tests/unit/layers/precision_test.cpp, tests/unit/training/golden_test.cpp
// Paper: Henry, Tang and Heinecke 2019, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision
// computations".
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>

#include "bert/core/amx_permission.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/gemm_bf16.hpp"
#include "bert/kernels/gemm/gemm_split.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/layers/precision.hpp"

namespace bert::inline BERT_ISA::precision {

/// y = epilogue(x W^T), x and W in f32, each the sum of `Parts` bf16
///
///     bf16x3   2 parts, 3 products:  16 bits of each number, errors some 2^-16 of a product
///     bf16x6   3 parts, 6 products:  24 bits, the accuracy of f32
///
/// By AMX tiles faster than f32, as a tile multiplies 15 times as much. Without AMX, or without the permission to use it, the
/// products are those of `precision::f32`, with its bits and its speed. Weights take the memory of f32 (bf16x3), or half as
/// much again (bf16x6). Everything but products is f32. `Order` = bf16_order::tiles computes tiles on any processor, slowly
/// where there is no AMX.
template <std::size_t Parts, class Order = bf16_order::fastest>
struct bf16_sums {
  static_assert(!std::same_as<Order, bf16_order::pairs>, "parts are multiplied by tiles, or not at all");

  struct weight {
    kernels::packed_split<Parts> parts;
    kernels::packed whole;
  };
  using element = float;
  using table = float;
  template <int>
  using attended = float;
  struct operand {
    matrix<const float> x;
    kernels::bf16_pair* words;
  };

  /// Whether products are computed by tiles in this process.
  [[nodiscard]] static bool by_tiles() noexcept { return std::same_as<Order, bf16_order::tiles> || amx_permitted(); }

  [[nodiscard]] static constexpr std::size_t weight_size(std::size_t k, std::size_t out) noexcept {
    return std::max(kernels::packed_split_size(k, out, Parts), kernels::packed_size(k, out));
  }
  template <executor E>
  [[nodiscard]] static weight pack(const E& e, matrix<const float> w, float* memory) noexcept {
    if (by_tiles()) return {kernels::pack_split<Parts>(e, w, memory), {}};
    return {{}, kernels::pack_transposed(e, w, memory)};
  }
  template <class>
  [[nodiscard]] static constexpr std::size_t operand_size(std::size_t n, std::size_t k) noexcept {
    return n * kernels::split_stride(k, Parts);
  }
  [[nodiscard]] static operand reserve(matrix<const float> x, float* memory) noexcept { return {x, memory}; }
  static void store_row(const operand& x, std::size_t i, const float* row) noexcept {
    if (by_tiles()) kernels::split_row<Parts>(row, x.x.cols, x.words + i * kernels::split_stride(x.x.cols, Parts));
  }
  template <executor E>
  [[nodiscard]] static operand convert(const E& e, matrix<const float> x, float* memory) noexcept {
    const operand out = reserve(x, memory);
    if (by_tiles()) kernels::for_each_row(e, x.rows, x.cols, [&](std::size_t i) { store_row(out, i, x.row(i)); });
    return out;
  }
  template <executor E, class Epilogue>
  static void multiply(const E& e, const operand& x, const weight& w, const Epilogue& epilogue) noexcept {
    if (!by_tiles()) return kernels::gemm(e, x.x, w.whole, epilogue);
    const kernels::split_rows<Parts> rows{
        {x.words, x.x.rows, kernels::split_words(x.x.cols, Parts), kernels::split_stride(x.x.cols, Parts)}};
#if BERT_AMX
    if (amx_permitted()) return kernels::gemm_split<kernels::amx::processor_tiles>(e, rows, w.parts, epilogue);
#endif
    if constexpr (std::same_as<Order, bf16_order::tiles>)
      kernels::gemm_split<kernels::amx::plain_tiles>(e, rows, w.parts, epilogue);
  }
};

using bf16x3 = bf16_sums<2>;
using bf16x6 = bf16_sums<3>;

}  // namespace bert::precision
