// The contracts of a tile (micro-kernel) and of a left operand's layout: what an instruction set brings to matrix products.
// Layer: kernels. Test: tests/unit/guide/own_tile_test.cpp
#ifndef BERT_KERNELS_GEMM_TILE_HPP
#define BERT_KERNELS_GEMM_TILE_HPP

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
/// Depth is counted in words of 32 bits: one float, or two bf16 or four bytes consecutive along K.
template <class Word, class Sum>
struct tile_task {
  const Word* a;       ///< as the layout's `at` returns it
  std::size_t stride;  ///< words between rows of `a`
  const Word* b;       ///< [depth, cols], a part of a panel
  std::size_t depth;   ///< in words, a multiple of the tile's `depth_step` if b is packed to one
  Sum* sums;           ///< writes [H, cols]
  const Sum* from;     ///< initial sums, may be `sums`; nullptr: zeros
  std::size_t column;  ///< the first sum's column in the product, for tiles whose sums do not start from zeros
  const Word* ahead;   ///< what is read next: each step of depth may prefetch a cache line of it,
  std::size_t apart;   ///< `apart` words after the line of the step before
  std::size_t tiles;   ///< tiles of this block that share the panel

  /// If the tile `merges_sums`: number of tiles of sums to add at the end, in order; nullptr stands for +0.
  std::size_t merges = 0;
  const Sum* const* merged = nullptr;
};

/// A block's rows divided into tiles whose heights differ by at most `step` rows; the taller ones come first.
struct tile_cut {
  std::size_t rows, step, count, least, taller;

  constexpr tile_cut(std::size_t all, std::size_t tallest, std::size_t each = 1) noexcept
      : rows(all),
        step(each),
        count((all + tallest - 1) / tallest),
        least((all + each - 1) / each / count),
        taller((all + each - 1) / each % count) {}
  /// Rows of tile t, rounded up to `step`: the next tile begins after them.
  [[nodiscard]] constexpr std::size_t height(std::size_t t) const noexcept { return (least + (t < taller ? 1 : 0)) * step; }
};

/// How a tile reads its left operand. The driver calls `fill` for a block and a part of the depth, then `at` for each tile.
///
///   size                           words of memory for a copy
///   block_rows(depth, stride)      greatest number of rows of a block, for `depth` and `stride` in words
///   part_depth(n)                  greatest depth of a part, in words, for a product of n columns
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

/// The first word of a tile's rows, and the words between rows.
template <class Word>
struct tile_rows_at {
  const Word* first;
  std::size_t stride;
};

/// The tile of an instruction set and dtype. A product is packing, a tile and an epilogue: to add an instruction set, write a
/// tile in a file of its own, with its packing and block sizes, and pass it to `multiply`.
///
///   word, sum              elements of the operands and of the sums, 32 bits each
///   rows, cols             of a tile; a panel is `cols` wide, a whole number of registers of floats
///   row_step               tiles begin at multiples of it and may write sums up to the next one; 1 for any height
///   depth_step             words that it multiplies at once: parts of the depth are whole steps, and packing pads with
///                          zeros to a multiple of it unless `run` takes a rest
///   waiting_sums           greatest number of sums of a block that wait for the next part of the depth; 0 if there is one part
///   run<Layout>(h, task)   multiplies for h <= rows rows
///   load(p)                a register of sums as floats
///
/// Optional: `enter()` returns an object that lives while a thread works on a block and sets up what the processor needs (AMX:
/// the tile configuration). `merges_sums = true` says that `run` adds `task.merged`.
template <class T, class Layout>
concept product_tile = left_layout<Layout> && std::copy_constructible<T> && sizeof(typename T::word) == 4 &&
                       sizeof(typename T::sum) == 4 && T::cols % lanes == 0 && T::rows % T::row_step == 0 &&
                       T::waiting_sums >= 0 && T::depth_step > 0 &&
                       requires(const T& tile, const tile_task<typename T::word, typename T::sum>& task) {
  tile.template run<Layout>(std::size_t{1}, task);
  { T::load(task.sums) } -> std::same_as<simd>;
};

/// The layout of rows that are read without a copy. `Sizes` has block_rows(depth, stride) and part_depth.
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

/// How many of the tiles that share a panel prefetch the next one, a power of two; a step of depth reads `lines` cache lines of
/// it. If one or two tiles prefetch it, a line per step, their loads wait behind the prefetches: 1 x 128 tokens took 77 ms, and
/// 72 with eight tiles, a line every fourth step. A block of one or two tiles is memory-bound in any case.
[[nodiscard]] constexpr std::size_t fetching_tiles(std::size_t tiles, std::size_t lines) noexcept {
  return tiles <= 2 ? std::min(tiles, lines) : std::bit_floor(std::min<std::size_t>(tiles, 8));
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_TILE_HPP
