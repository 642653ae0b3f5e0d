// The AMX tile: 32 x 32 sums in four tile registers, f32 sums of bf16 or 32-bit integer sums of bytes.
// Layer: kernels. Test: tests/unit/kernels/gemm/tile_amx_test.cpp
#ifndef BERT_KERNELS_GEMM_TILE_AMX_HPP
#define BERT_KERNELS_GEMM_TILE_AMX_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/gemm/product.hpp"
#include "bert/kernels/gemm/quantize.hpp"
#include "bert/kernels/gemm/tile.hpp"
#include "bert/kernels/gemm/tile_int8.hpp"
#include "bert/kernels/simd/amx.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/f32.hpp"

namespace bert::inline BERT_ISA::kernels {

/// Block sizes for processors with 48 KB of first-level and 2 MB of second-level cache per core. tools/tune_tiles measures
/// others.
namespace amx_sizes {

/// Words of depth per part: 6 steps. A panel's part, 12 KB, stays in the first-level cache while all rows of a block use it.
inline constexpr std::size_t part_depth = 96;

/// The same of operands in three parts: 3 steps. Two are 2 to 7 % slower.
inline constexpr std::size_t three_parts_depth = 144;

/// Rows of a block: 24 to 48 KB of A at 96 words of depth.
inline constexpr std::size_t block_rows = 128;

/// Up to this many rows a product is memory-bound, and its depth is one part.
inline constexpr std::size_t few_rows = 64;

/// Up to so many rows of bytes AVX512_VNNI reads the weights faster: base 1 x 16 takes 3.1 ms by it, 3.5 by tiles.
inline constexpr std::size_t few_byte_rows = 16;

/// Sums that wait for the next part of the depth: 112 KB of stack.
inline constexpr std::size_t waiting_sums = std::size_t{28} << 10;

}  // namespace amx_sizes

namespace detail {

template <std::size_t Parts>
struct amx_block_sizes {
  static constexpr std::size_t part_depth = Parts == 3 ? amx_sizes::three_parts_depth : amx_sizes::part_depth;
  [[nodiscard]] static constexpr std::size_t block_rows(std::size_t, std::size_t) noexcept { return amx_sizes::block_rows; }
};

/// The whole depth at once: weights are read from memory sequentially.
struct amx_few_rows {
  static constexpr std::size_t part_depth = amx_sizes::part_depth << 10;
  [[nodiscard]] static constexpr std::size_t block_rows(std::size_t, std::size_t) noexcept { return amx_sizes::few_rows; }
};

/// A product of one step: a tile of A's words times one of B's. Steps of operands that are sums of parts have several.
struct amx_term {
  std::size_t a, b;  ///< numbers of the parts
};

/// Pairs of bf16: sums in f32, in the order of TDPBF16PS.
struct amx_pairs {
  using word = bf16_pair;
  using sum = float;
  static constexpr std::size_t parts = 1;
  static constexpr std::array<amx_term, 1> terms{{{0, 0}}};
  [[nodiscard]] static simd load(const float* sums) noexcept { return kernels::load(sums); }
  /// Initial sums of all rows, for columns from `column` on; nullptr: zeros.
  [[nodiscard]] static const float* start(std::size_t) noexcept { return nullptr; }
  template <int Sums, int A, int B, class Tiles>
  static void multiply(Tiles& tiles) noexcept {
    tiles.template multiply_bf16<Sums, A, B>();
  }
};

/// Words of four bytes; 128 is added to each byte of A, and the exact sums start from its correction.
struct amx_bytes {
  using word = four_bytes;
  using sum = std::int32_t;
  static constexpr std::size_t parts = 1;
  static constexpr std::array<amx_term, 1> terms{{{0, 0}}};
  static constexpr std::uint8_t zero_point = 128;
  const std::int32_t* starts;  ///< [N] of the packed operand

  [[nodiscard]] static simd load(const std::int32_t* sums) noexcept { return load_as_float(sums); }
  [[nodiscard]] const std::int32_t* start(std::size_t column) const noexcept { return starts + column; }
  template <int Sums, int A, int B, class Tiles>
  static void multiply(Tiles& tiles) noexcept {
    tiles.template multiply_int8<Sums, A, B>();
  }
};

/// sums[H, 32] (+)= a[H, depth] b[depth, 32] in 2 x 2 tile registers, H <= 32; `Two`: H > 16.
template <class Kind, bool Two, class Tiles>
struct amx_loop {
  using word = typename Kind::word;
  using task_type = tile_task<word, typename Kind::sum>;
  static constexpr std::size_t step = amx::tile_words, whole_step = step * Kind::parts, cols = 2 * step,
                               stride = cols * sizeof(word);

  /// `rows_apart` 0: all rows are equal.
  static void load_sums(Tiles& tiles, const typename Kind::sum* from, std::size_t rows_apart = cols) noexcept {
    const std::size_t bytes = rows_apart * sizeof(word), lower = amx::tile_rows * rows_apart;
    tiles.template load<amx::sums_00>(from, bytes);
    tiles.template load<amx::sums_01>(from + step, bytes);
    if constexpr (Two) {
      tiles.template load<amx::sums_10>(from + lower, bytes);
      tiles.template load<amx::sums_11>(from + lower + step, bytes);
    }
  }
  static void store_sums(const Tiles& tiles, typename Kind::sum* to) noexcept {
    tiles.template store<amx::sums_00>(to, stride);
    tiles.template store<amx::sums_01>(to + step, stride);
    if constexpr (Two) {
      tiles.template store<amx::sums_10>(to + amx::tile_rows * cols, stride);
      tiles.template store<amx::sums_11>(to + amx::tile_rows * cols + step, stride);
    }
  }
  static void begin(Tiles& tiles, const typename Kind::sum* from, const typename Kind::sum* start) noexcept {
    if (from != nullptr) return load_sums(tiles, from);
    if (start != nullptr) return load_sums(tiles, start, 0);
    tiles.template zero<amx::sums_00>();
    tiles.template zero<amx::sums_01>();
    if constexpr (Two) {
      tiles.template zero<amx::sums_10>();
      tiles.template zero<amx::sums_11>();
    }
  }
  /// One step of depth. Loads are interleaved with products that do not need them.
  static void multiply(Tiles& tiles, const word* a, std::size_t a_stride, const word* b) noexcept {
    unrolled<Kind::terms.size()>([&](auto t) {
      constexpr amx_term now = Kind::terms[t];
      constexpr bool new_a = t == 0 || Kind::terms[t == 0 ? 0 : t - 1].a != now.a,
                     new_b = t == 0 || Kind::terms[t == 0 ? 0 : t - 1].b != now.b;
      const word *upper = a + now.a * step, *left = b + now.b * step * cols;
      if constexpr (new_b) tiles.template load<amx::b_0>(left, stride);
      if constexpr (new_a) tiles.template load<amx::a_0>(upper, a_stride * sizeof(word));
      Kind::template multiply<amx::sums_00, amx::a_0, amx::b_0>(tiles);
      if constexpr (new_b) tiles.template load<amx::b_1>(left + step, stride);
      Kind::template multiply<amx::sums_01, amx::a_0, amx::b_1>(tiles);
      if constexpr (Two) {
        if constexpr (new_a) tiles.template load<amx::a_1>(upper + amx::tile_rows * a_stride, a_stride * sizeof(word));
        Kind::template multiply<amx::sums_10, amx::a_1, amx::b_0>(tiles);
        Kind::template multiply<amx::sums_11, amx::a_1, amx::b_1>(tiles);
      }
    });
  }

  /// Pre: the registers are configured for the task's height and whole steps. Post: the same, if there is no tail.
  static void run(Tiles& tiles, const Kind& kind, const task_type& task, const amx::tile_shape& shape) noexcept {
    const std::size_t whole = task.depth / whole_step * whole_step, tail = task.depth - whole;
    const word *a = task.a, *b = task.b, *ahead = task.ahead;
    begin(tiles, task.from, kind.start(task.column));
    for (std::size_t k = 0; k < whole; k += whole_step, a += whole_step, b += whole_step * cols) {
      for (std::size_t line = 0; line < whole_step * task.apart; line += alignment / sizeof(word)) prefetch(ahead + line);
      ahead += whole_step * task.apart;
      multiply(tiles, a, task.stride, b);
    }
    if constexpr (Kind::parts == 1)  // operands of several parts have whole steps
      if (tail != 0) {               // a new configuration clears the registers
        store_sums(tiles, task.sums);
        tiles.configure({shape.upper, shape.lower, tail});
        load_sums(tiles, task.sums);
        multiply(tiles, a, task.stride, b);
      }
    store_sums(tiles, task.sums);
  }
};

}  // namespace detail

/// 32 x 32 sums in four tile registers. `Kind` says what a word holds, `Tiles` whether the registers are the processor's or
/// plain memory. A is read in place; B is packed by `pack_transposed_bf16`, `pack_int8` or `pack_split` for 32 columns.
template <class Kind, class Tiles>
struct amx_tile {
  using word = typename Kind::word;
  using sum = typename Kind::sum;
  using layout = rows_in_place<word, detail::amx_block_sizes<Kind::parts>>;  ///< for many rows
  using shallow_layout = rows_in_place<word, detail::amx_few_rows>;          ///< for up to `amx_sizes::few_rows`
  static constexpr std::size_t rows = 2 * amx::tile_rows, cols = 2 * amx::tile_words, row_step = amx::tile_rows,
                               depth_step = amx::tile_words * Kind::parts, waiting_sums = amx_sizes::waiting_sums;

  [[no_unique_address]] Kind kind = {};

  [[nodiscard]] static simd load(const sum* sums) noexcept { return Kind::load(sums); }

  [[nodiscard]] amx::configured<Tiles> enter() const noexcept { return {}; }

  template <class>
  void run(std::size_t height, const tile_task<word, sum>& task) const noexcept {
    const std::size_t upper = std::min(height, amx::tile_rows), lower = height - upper;
    const amx::tile_shape usual, shape{upper, lower, amx::tile_words};
    Tiles tiles;
    if (shape != usual) tiles.configure(shape);
    if (lower > 0) detail::amx_loop<Kind, true, Tiles>::run(tiles, kind, task, shape);
    else detail::amx_loop<Kind, false, Tiles>::run(tiles, kind, task, shape);
    if (shape != usual || task.depth % amx::tile_words != 0) tiles.configure(usual);
  }
};

namespace detail {

/// The product of rows in place, with the layout for the number of rows.
template <executor E, class Tile, class Packed, class Epilogue>
void amx_product(const E& run, const Tile& tile, matrix<const typename Tile::word> a, const Packed& b,
                 const Epilogue& epilogue) noexcept {
  if (a.rows <= amx_sizes::few_rows) multiply<typename Tile::shallow_layout>(run, tile, a, a.rows, b, epilogue);
  else multiply<typename Tile::layout>(run, tile, a, a.rows, b, epilogue);
}

}  // namespace detail
}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_TILE_AMX_HPP
