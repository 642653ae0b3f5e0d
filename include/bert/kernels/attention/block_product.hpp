// Products of unpacked blocks that fit the first-level cache, for attention.
// Layer: kernels. Test: tests/unit/kernels/attention/attention_test.cpp
#ifndef BERT_KERNELS_ATTENTION_BLOCK_PRODUCT_HPP
#define BERT_KERNELS_ATTENTION_BLOCK_PRODUCT_HPP

#include <array>
#include <cstddef>
#include <utility>

#include "bert/core/compiler.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"

namespace bert::inline BERT_ISA::kernels {

/// The left operand, a[i * row + k * depth]: a matrix or its transpose, read element by element.
struct left_operand {
  const float* data;
  std::size_t row, depth;
};

/// The right operand, b[k * depth + j]: rows are read in whole registers, except the last one, whose extent is `Last`.
template <class Last = whole>
struct right_operand {
  const float* data;
  std::size_t depth;
  Last last{};
};

/// Greatest width of a block in registers. 4 with 4 rows leave half the loads of the widest cores unused. With 16 registers, 3
/// with 4 rows make 12 sums from 7 loads.
inline constexpr std::size_t block_registers = simd_registers == 32 ? 4 : 3;

/// Rows of the register tile: enough sums for two FMAs per cycle of latency four, few enough for the registers.
template <std::size_t Registers>
requires(Registers <= block_registers) inline constexpr std::size_t block_tile_rows = [] {
  if (Registers == 1) return 8;
  if (simd_registers == 16 || Registers == 4) return 4;
  return Registers == 3 ? 6 : 8;
}();

/// sum_k a[i,k] b[k,j] for Rows x Registers registers, in the order of k; result(i, j, x) takes each register.
///
/// always_inline: g++ 12 would pass both operands through memory, written in halves and read whole, which stalls on store
/// forwarding: a tenth of the time of attention's backward pass.
template <class Dot, std::size_t Rows, std::size_t Registers, class Last, class Result>
[[gnu::always_inline]] inline void block_tile(std::size_t depth, left_operand a, right_operand<Last> b,
                                              Result&& result) noexcept {
  simd sums[Rows][Registers];
  unrolled<Rows>([&](auto i) { unrolled<Registers>([&](auto j) { sums[i][j] = zero(); }); });
  const float *left = a.data, *right = b.data;
  const auto at = [&](auto j) {
    if constexpr (j + 1 == Registers) return in_register(load(right + j * lanes, b.last));
    else return in_register(load(right + j * lanes));
  };
  [&]<std::size_t... J>(std::index_sequence<J...>) BERT_ALWAYS_INLINE_LAMBDA {
    const auto step = [&]<std::size_t Pass>(std::integral_constant<std::size_t, Pass>, auto... row) {
      unrolled<Rows>([&](auto i) {
        const simd x = Dot::template operand<Pass>(simd(left[i * a.row]));
        ((sums[i][J] = Dot::add(x, row, sums[i][J])), ...);
      });
    };
    for (std::size_t k = 0; k < depth; ++k, left += a.depth, right += b.depth) {
      step(std::integral_constant<std::size_t, 0>{}, Dot::template operand<0>(at(std::integral_constant<std::size_t, J>{}))...);
      if constexpr (Dot::passes == 2)
        step(std::integral_constant<std::size_t, 1>{},
             Dot::template operand<1>(at(std::integral_constant<std::size_t, J>{}))...);
    }
  }
  (std::make_index_sequence<Registers>{});
  unrolled<Rows>([&](auto i) { unrolled<Registers>([&](auto j) { result(i, j, sums[i][j]); }); });
}

namespace detail {

template <class Dot, std::size_t Rows, std::size_t Registers, class Last, class Result>
inline void block_rows_from(std::size_t first, std::size_t rows, std::size_t depth, left_operand a, right_operand<Last> b,
                            Result& result) noexcept {
  for (; first + Rows <= rows; first += Rows)
    block_tile<Dot, Rows, Registers>(depth, {a.data + first * a.row, a.row, a.depth}, b,
                                     [&](auto i, auto j, simd x) { result(first + i, j, x); });
  if constexpr (Rows > 1) {
    if (first < rows) block_rows_from<Dot, Rows / 2, Registers>(first, rows, depth, a, b, result);
  }
}

}  // namespace detail

/// c[i,:] = sum_k a[i,k] b[k,:] for i < rows, c of `Registers` registers
///
/// result(i, j, x) takes register j of row i, j an integral constant. Every element is one chain of FMAs in the order of k, so
/// it does not depend on its tile. `Dot` says what the floats of a and b hold (f32_elements or bf16_pairs).
template <std::size_t Registers, class Dot = f32_elements, class Last, class Result>
inline void block_product(std::size_t rows, std::size_t depth, left_operand a, right_operand<Last> b,
                          Result&& result) noexcept {
  detail::block_rows_from<Dot, block_tile_rows<Registers>, Registers>(0, rows, depth, a, b, result);
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ATTENTION_BLOCK_PRODUCT_HPP
