// What an instruction set gives to matrix products: a tile of sums, how it reads its operands, and the sizes of blocks.
// Layer: kernels. Test: tests/unit/guide/own_tile_test.cpp
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// One call of a tile: sums[H, cols] (+)= a[H, depth] b[depth, cols]
///
/// Depth is counted in words: 32 bits of an operand, one float, two bf16 or four bytes that follow each other along K.
template <class Word, class Sum>
struct tile_task {
  const Word* a;       ///< where the layout of the left operand says
  std::size_t stride;  ///< words between rows of `a`
  const Word* b;       ///< [depth, cols], a part of a panel
  std::size_t depth;   ///< words, a multiple of the tile's `depth_step` if the packing of b is
  Sum* sums;           ///< writes [H, cols]
  const Sum* from;     ///< what the sums go on from, may be `sums`; nullptr: they start anew
  std::size_t column;  ///< of the product, of the first sum: for tiles whose sums do not start from zeros
  const Word* ahead;   ///< what is read next: a step of depth may ask for a cache line of it,
  std::size_t apart;   ///< each `apart` words further on than the step before
  std::size_t tiles;   ///< how many share the panel in this block

  /// If the tile `merges_sums`: so many tiles of sums are added to these in the end, one after another; nullptr stands for +0.
  std::size_t merges = 0;
  const Sum* const* merged = nullptr;
};

/// A block's rows cut into tiles of equal height, give or take `step` rows: the first ones are the taller.
struct tile_cut {
  std::size_t rows, step, count, least, taller;

  constexpr tile_cut(std::size_t all, std::size_t tallest, std::size_t each = 1) noexcept
      : rows(all),
        step(each),
        count((all + tallest - 1) / tallest),
        least((all + each - 1) / each / count),
        taller((all + each - 1) / each % count) {}
  /// Rows of tile t with those that fill up its last step: where the next one begins.
  [[nodiscard]] constexpr std::size_t height(std::size_t t) const noexcept { return (least + (t < taller ? 1 : 0)) * step; }
};

/// How a tile finds its left operand. The driver calls `fill` for a block and a part of the depth, then `at` for each tile.
///
///   size                           words of memory for a copy
///   block_rows(depth, stride)      greatest number of a block's rows, for so many words of depth and between rows
///   part_depth(n)                  greatest depth that is filled at a time, in a product of n columns
///   fill(a, row0, cut, k0, depth, copy)    copies a's rows [row0, row0 + cut.rows) and words [k0, k0 + depth), or does nothing
///   at(a, copy, row, r, t, k0, depth)      tile t, row r of its block and `row` of a: {first word, words between rows}
///   offset(k)                      words from depth 0 to depth k of what `at` gives
template <class L>
concept left_layout = requires(std::size_t n) {
  { L::size } -> std::convertible_to<std::size_t>;
  { L::block_rows(n, n) } -> std::same_as<std::size_t>;
  { L::part_depth(n) } -> std::same_as<std::size_t>;
  { L::offset(n) } -> std::same_as<std::size_t>;
};

/// Where a tile's rows are.
template <class Word>
struct tile_rows_at {
  const Word* first;
  std::size_t stride;
};

/// The tile of an instruction set and number type. A product is packing, a tile and an epilogue: to add an instruction set is
/// to write a type like this in a file of its own, with its packing and its sizes of blocks, and to give it to `multiply`.
///
///   word, sum              elements of the operands and of the sums, 32 bits each
///   rows, cols             of a tile; a panel is `cols` wide, a whole number of registers of floats
///   row_step               tiles begin at multiples of it and may write sums up to the next one; 1 if any height will do
///   depth_step             words that it multiplies at a time: parts of the depth are whole steps, and packing fills up with
///                          zeros to a multiple of it unless `run` takes a rest
///   waiting_sums           sums of a block that may wait for the next part of the depth; 0 if a part is all of it
///   run<Layout>(h, task)   multiplies for h <= rows rows
///   load(p)                a register of sums as floats
///
/// Optional: `enter()` gives an object that lives while a thread works on a block, which sets up and releases what the
/// processor needs (AMX: the configuration of its tiles). `merges_sums = true` says that `run` adds `task.merged`.
template <class T, class Layout>
concept product_tile = left_layout<Layout> && std::copy_constructible<T> && sizeof(typename T::word) == 4 &&
                       sizeof(typename T::sum) == 4 && T::cols % lanes == 0 && T::rows % T::row_step == 0 &&
                       T::waiting_sums >= 0 && T::depth_step > 0 &&
                       requires(const T& tile, const tile_task<typename T::word, typename T::sum>& task) {
  tile.template run<Layout>(std::size_t{1}, task);
  { T::load(task.sums) } -> std::same_as<simd>;
};

/// Rows that are read where they lie. Sizes come from `Sizes`: block_rows(depth, stride) and part_depth.
template <class Word, class Sizes>
struct rows_in_place {
  static constexpr std::size_t size = 0;
  [[nodiscard]] static constexpr std::size_t block_rows(std::size_t depth, std::size_t stride) noexcept {
    return Sizes::block_rows(depth, stride);
  }
  [[nodiscard]] static constexpr std::size_t part_depth(std::size_t) noexcept { return Sizes::part_depth; }
  static void fill(matrix<const Word>, std::size_t, const tile_cut&, std::size_t, std::size_t, Word*) noexcept {}
  [[nodiscard]] static tile_rows_at<Word> at(matrix<const Word> a, const Word*, std::size_t row, std::size_t, std::size_t,
                                             std::size_t k0, std::size_t) noexcept {
    return {a.row(row) + k0, a.stride};
  }
  [[nodiscard]] static constexpr std::size_t offset(std::size_t k) noexcept { return k; }
};

/// How many of the tiles that a panel serves share in fetching the next one, a power of two; `lines` of it are read a step.
/// Where one or two do it, a cache line a step, their own loads wait behind the requests: 1 x 128 tokens took 77 ms so, and 72
/// with eight, a line every fourth step. One tile or two, without others to share with, wait for memory in any case.
[[nodiscard]] constexpr std::size_t fetching_tiles(std::size_t tiles, std::size_t lines) noexcept {
  return tiles <= 2 ? std::min(tiles, lines) : std::bit_floor(std::min<std::size_t>(tiles, 8));
}

}  // namespace bert::kernels
