// bf16x3 and bf16x6: products of f32 by bf16 tiles, three or six for each, close to f32 or as accurate.
// Layer: layers. Test: tests/unit/layers/precision_test.cpp, linear_test.cpp, tests/unit/training/golden_test.cpp
// Paper: Henry, Tang and Heinecke 2019, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision
// computations".
#ifndef BERT_LAYERS_PRECISION_SPLIT_HPP
#define BERT_LAYERS_PRECISION_SPLIT_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>

#include "bert/core/amx_permission.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/gemm_bf16.hpp"
#include "bert/kernels/gemm/gemm_split.hpp"
#include "bert/kernels/gemm/gradient_split.hpp"
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
/// much again (bf16x6). Everything but products is f32. In training, too: forward and both products of the backward pass.
/// `Order` = bf16_order::tiles computes tiles on any processor, slowly where there is no AMX.
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
    with_tiles([&]<class Tiles>(Tiles) { kernels::gemm_split<Tiles>(e, words_of(x), w.parts, epilogue); });
  }

  // In training, beside the products above:

  /// Floats of scratch for any of the three products of x [N, in] W [out, in]^T, with `groups` of rows.
  [[nodiscard]] static constexpr std::size_t training_scratch(std::size_t n, std::size_t in, std::size_t out,
                                                              std::size_t groups) noexcept {
    return std::max({weight_size(in, out) + operand_size<float>(n, in), weight_size(out, in) + operand_size<float>(n, out),
                     kernels::packed_size(n, in), kernels::weight_gradient_split_size(n, out, in, Parts, groups)});
  }
  /// epilogue(d_y W), `d_y` [N, out], `w` [out, in]
  template <executor E, class Epilogue>
  static void input_gradient(const E& e, matrix<const float> w, matrix<const float> d_y, const Epilogue& epilogue,
                             float* scratch) noexcept {
    if (!by_tiles()) return kernels::gemm(e, d_y, kernels::pack(e, w, scratch), epilogue);
    const auto packed = kernels::pack_split_rows<Parts>(e, w, scratch);
    const operand rows = convert(e, d_y, scratch + kernels::packed_split_size(w.rows, w.cols, Parts));
    with_tiles([&]<class Tiles>(Tiles) { kernels::gemm_split<Tiles>(e, words_of(rows), packed, epilogue); });
  }
  /// epilogue(d_y^T x), `d_y` [N, out], `x` [N, in], with sums over `groups` of rows added as a tree
  template <executor E, class Epilogue>
  static void weight_gradient(const E& e, matrix<const float> d_y, matrix<const float> x, float* scratch,
                              const Epilogue& epilogue, const kernels::row_groups& groups) noexcept {
    if (!by_tiles()) return kernels::gemm_transposed(e, d_y, kernels::pack(e, x, scratch), epilogue, groups);
    with_tiles([&]<class Tiles>(Tiles) { kernels::weight_gradient_split<Tiles, Parts>(e, d_y, x, scratch, epilogue, groups); });
  }

 private:
  [[nodiscard]] static kernels::split_rows<Parts> words_of(const operand& x) noexcept {
    return {{x.words, x.x.rows, kernels::split_words(x.x.cols, Parts), kernels::split_stride(x.x.cols, Parts)}};
  }
  /// Pre: by_tiles().
  template <class Body>
  static void with_tiles(const Body& body) noexcept {
#if BERT_AMX
    if (amx_permitted()) return body(kernels::amx::processor_tiles{});
#endif
    if constexpr (std::same_as<Order, bf16_order::tiles>) body(kernels::amx::plain_tiles{});
  }
};

using bf16x3 = bf16_sums<2>;
using bf16x6 = bf16_sums<3>;

/// The parts of a precision's numbers; 0 for precisions of whole numbers.
template <class P>
inline constexpr std::size_t parts_in = 0;
template <std::size_t Parts, class Order>
inline constexpr std::size_t parts_in<bf16_sums<Parts, Order>> = Parts;

/// bf16x3, bf16x6, and both in another order.
template <class P>
concept adds_parts = (parts_in<P> != 0);

}  // namespace bert::precision

#endif  // BERT_LAYERS_PRECISION_SPLIT_HPP
