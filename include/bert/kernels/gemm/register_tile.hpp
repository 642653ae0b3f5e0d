// The micro-kernel in registers of floats, for f32 and for pairs of bf16: layouts, block sizes, the K-loop.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_test.cpp
#ifndef BERT_KERNELS_GEMM_REGISTER_TILE_HPP
#define BERT_KERNELS_GEMM_REGISTER_TILE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/gemm/pack.hpp"
#include "bert/kernels/gemm/product.hpp"
#include "bert/kernels/gemm/tile.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

namespace detail {

/// Rows of the register tile: each has two registers of sums; two more hold B, one the broadcast of A, one is spare.
inline constexpr std::size_t tile_rows = (simd_registers - 4) / 2;

/// Rows of A that are copied at once, if A cannot be read in place.
inline constexpr std::size_t copied_rows = 56 / tile_rows * tile_rows;

/// Floats of a copied row: 56 x 512 take 115 KB of stack and of the second-level cache. With two passes each has half of it,
/// and a part is half as deep: elements are split once per copy, not once per tile.
inline constexpr std::size_t copied_row = 512;

/// Copied rows are 33 cache lines apart, so that a tile's 14 rows, or their 28 halves, fall into different sets of the
/// first-level cache.
inline constexpr std::size_t copied_stride = copied_row + 16;

/// Greatest depth of a transposed copy, over all passes: 1,024 tokens, 256 KB. With half of it, a copy would serve only the 16
/// panels whose sums can wait, 4 % slower. For a product no wider than 16 panels, half is 10 % faster.
inline constexpr std::size_t transposed_depth = 1024;

/// Depth of a part read in place. AVX-512: 1,024 x 32 floats of a panel take 128 KB of the second-level cache. AVX2, with
/// panels half as wide: 512 x 16 take 32 KB, and more of them stay in the first-level cache (base 8 x 128 2 % faster; no gain
/// on AVX-512).
inline constexpr std::size_t part_depth = simd_registers == 32 ? 1024 : 512;

/// Floats of A in a block (BLIS: MC x KC), which stay in the second-level cache while panels of B stream past: 384 KB of the 1
/// MB or more of AVX-512 processors, 192 KB elsewhere. With 512 KB of cache, 384 KB were 2 to 3 % slower than 192.
inline constexpr std::size_t block_floats = std::size_t{simd_registers == 32 ? 96 : 48} << 10;

/// Sums that wait for the next part of the depth: 112 KB of stack.
inline constexpr std::size_t waiting_floats = std::size_t{28} << 10;

/// Reads rows of A `stride` floats apart. Three rows share a pointer, addressed on x86 as p, p + s, p + 2s: a pointer per row
/// would leave no register for anything else. Five members, as an array would stay in memory.
struct by_rows {
  static constexpr bool merges = false;  ///< products of rows have no groups of sums
  static_assert(tile_rows <= 15);
  const float *p0, *p1, *p2, *p3, *p4;
  std::size_t stride;

  by_rows(const float* a, std::size_t s) noexcept
      : p0(a), p1(a + 3 * s), p2(a + 6 * s), p3(a + 9 * s), p4(a + 12 * s), stride(s) {}
  template <std::size_t Pass, std::size_t I>
  [[nodiscard]] float get() const noexcept {
    const float* p = I < 3 ? p0 : I < 6 ? p1 : I < 9 ? p2 : I < 12 ? p3 : p4;
    return p[I % 3 * stride + Pass * (copied_row / 2)];
  }
  void next() noexcept { ++p0, ++p1, ++p2, ++p3, ++p4; }
};

/// Reads a transposed copy, in which a tile's elements of one depth and pass are contiguous: one cache line on AVX-512.
template <std::size_t Passes>
struct by_depth {
  static constexpr bool merges = true;  ///< products of columns may have groups of sums
  static constexpr std::size_t width = round_up(tile_rows, lanes), step = Passes * width;
  const float* at;

  by_depth(const float* a, std::size_t) noexcept : at(a) {}
  template <std::size_t Pass, std::size_t I>
  [[nodiscard]] float get() const noexcept {
    return at[Pass * width + I];
  }
  void next() noexcept { at += step; }
};

/// Prefetches a tile's share of the next panel, `apart` floats further per K-step. A line requested again costs nothing.
struct one_stream {
  const float* at;
  std::size_t apart;

  one_stream(const float* share, std::size_t, std::size_t distance) noexcept : at(share), apart(distance) {}
  [[gnu::always_inline]] void next(std::size_t) noexcept {
    prefetch(at);
    at += apart;
  }
};

/// Prefetches one line per K-step from four streams on separate pages, so that the hardware prefetcher continues each. Only for
/// 1 or 2 tiles, which are memory-bound: 14 GB/s instead of 12 (16 tokens, a core of Emerald Rapids). More tiles would wait for
/// the address arithmetic. A single tile, with two lines per step to prefetch, has a second offset `other`; for one of two
/// tiles it is 0.
struct four_streams {
  const float* at;
  std::size_t other;
  std::ptrdiff_t across, back;

  four_streams(const float* share, std::size_t depth, std::size_t distance) noexcept
      : at(share),
        other(distance > 16 ? depth * 16 : 0),
        across(static_cast<std::ptrdiff_t>(depth * 4)),
        back(16 - 3 * across) {}
  [[gnu::always_inline]] void next(std::size_t k) noexcept {
    prefetch(at);
    prefetch(at + other);
    at += k % 4 == 3 ? back : across;
  }
};

using register_task = tile_task<float, float>;

template <class Dot, class Walk, class Ahead, class Rows>
struct tile_loop;

/// sums[R, tile_cols] (+)= a[R, depth] b[depth, tile_cols], one Dot::add per element, step and pass, in order of depth. Walk
/// reads what a pass multiplies of an element of `a`.
template <class Dot, class Walk, class Ahead, std::size_t... I>
struct tile_loop<Dot, Walk, Ahead, std::index_sequence<I...>> {
  static_assert(Dot::passes <= 2);
  using sums_type = simd[sizeof...(I)][2];

  template <std::size_t Pass>
  [[gnu::always_inline]] static void pass(const Walk& walk, const float* b, sums_type& acc) noexcept {
    const simd b0 = Dot::template operand<Pass>(load(b)), b1 = Dot::template operand<Pass>(load(b + lanes));
    const auto row = [b0, b1](float element, simd(&s)[2]) {
      const simd x(element);
      s[0] = Dot::add(x, b0, s[0]);
      s[1] = Dot::add(x, b1, s[1]);
    };
    (row(walk.template get<Pass, I>(), acc[I]), ...);
  }

  static void load_sums(const float* from, sums_type& acc) noexcept {
    ((acc[I][0] = load(from + I * tile_cols), acc[I][1] = load(from + I * tile_cols + lanes)), ...);
  }

  static void run(const register_task& task) noexcept {
    sums_type acc;
    if (task.from != nullptr) load_sums(task.from, acc);
    else ((acc[I][0] = zero(), acc[I][1] = zero()), ...);
    Walk walk(task.a, task.stride);
    Ahead ahead(task.ahead, task.depth, task.apart);
    const float* b = task.b;
    const std::size_t depth = task.depth;
    for (std::size_t k = 0; k < depth; ++k, b += tile_cols) {
      ahead.next(k);
      pass<0>(walk, b, acc);
      if constexpr (Dot::passes == 2) pass<1>(walk, b, acc);
      walk.next();
    }
    if constexpr (Walk::merges)
      for (std::size_t i = 0; i < task.merges; ++i) {
        if (const float* other = task.merged[i]; other != nullptr)
          ((acc[I][0] += load(other + I * tile_cols), acc[I][1] += load(other + I * tile_cols + lanes)), ...);
        else ((acc[I][0] += zero(), acc[I][1] += zero()), ...);
      }
    float* sums = task.sums;
    ((store(sums + I * tile_cols, acc[I][0]), store(sums + I * tile_cols + lanes, acc[I][1])), ...);
  }
};

/// The K-loop for each tile height from Least on, at index height - 1, so that no loop computes missing rows.
template <class Dot, class Walk, class Ahead, std::size_t Least>
inline constexpr auto tile_loops = []<std::size_t... I>(std::index_sequence<I...>) {
  std::array<void (*)(const register_task&) noexcept, tile_rows> all{};
  ((all[Least - 1 + I] = &tile_loop<Dot, Walk, Ahead, std::make_index_sequence<Least + I>>::run), ...);
  return all;
}
(std::make_index_sequence<tile_rows - Least + 1>{});

/// The least height of a tile in a block of three or more.
inline constexpr std::size_t height_among_many = [] {
  std::size_t least = tile_rows;
  for (std::size_t rows = 2 * tile_rows + 1; rows <= 64 * tile_rows; ++rows)
    least = std::min(least, tile_cut(rows, tile_rows).least);
  return least;
}();

/// Writes what each pass multiplies of a register of A, `distance` floats apart.
template <class Dot>
inline void store_operands(float* to, std::size_t distance, simd x, auto extent) noexcept {
  unrolled<Dot::passes>([&](auto pass) { store(to + pass * distance, Dot::template operand<pass>(x), extent); });
}

struct in_place_sizes {
  static constexpr std::size_t part_depth = detail::part_depth;
  [[nodiscard]] static constexpr std::size_t block_rows(std::size_t depth, std::size_t) noexcept {
    return std::max(tile_rows, block_floats / std::max<std::size_t>(1, depth));
  }
};
struct in_place : rows_in_place<float, in_place_sizes> {
  using walk = by_rows;
};

/// The layout of rows that are copied first, `copied_stride` apart, split into each pass's operands.
template <class Dot>
struct copied {
  using walk = by_rows;
  static constexpr std::size_t size = copied_rows * copied_stride;
  [[nodiscard]] static constexpr std::size_t block_rows(std::size_t, std::size_t) noexcept { return copied_rows; }
  [[nodiscard]] static constexpr std::size_t part_depth(std::size_t) noexcept { return copied_row / Dot::passes; }
  [[nodiscard]] static constexpr std::size_t offset(std::size_t k) noexcept { return k; }
  [[nodiscard]] static tile_rows_at<float> at(matrix<const float>, const float* copy, std::size_t, std::size_t r, std::size_t,
                                              std::size_t, std::size_t) noexcept {
    return {copy + r * copied_stride, copied_stride};
  }

  /// Prefetches the row two further on.
  static void fill(matrix<const float> a, std::size_t row0, const tile_cut& cut, std::size_t k0, std::size_t depth,
                   float* copy) noexcept {
    for (std::size_t i = 0; i < cut.rows; ++i) {
      const float* from = a.row(row0 + i) + k0;
      float* to = copy + i * copied_stride;
      for (std::size_t j = 0; j < depth; j += 16) prefetch(from + 2 * a.stride + j);
      for_each_register(depth, [&](std::size_t j, auto extent) {
        store_operands<Dot>(to + j, copied_row / 2, load(from + j, extent), extent);
      });
    }
  }
};

/// The layout of columns of a [K, M], copied so that one depth's elements are contiguous.
template <class Dot>
struct transposed {
  using walk = by_depth<Dot::passes>;
  static constexpr std::size_t size = copied_rows / tile_rows * by_depth<1>::step * transposed_depth;
  [[nodiscard]] static constexpr std::size_t block_rows(std::size_t, std::size_t) noexcept { return copied_rows; }
  [[nodiscard]] static constexpr std::size_t part_depth(std::size_t n) noexcept {
    return (n <= 16 * tile_cols ? copied_row : transposed_depth) / Dot::passes;
  }
  [[nodiscard]] static constexpr std::size_t offset(std::size_t k) noexcept { return k * walk::step; }
  [[nodiscard]] static tile_rows_at<float> at(matrix<const float>, const float* copy, std::size_t, std::size_t, std::size_t t,
                                              std::size_t, std::size_t depth) noexcept {
    return {copy + t * depth * walk::step, 0};
  }

  /// Copies a[k0 + k, row0 + r] for the rows r of tile t to copy[t, k, pass, r]. Reads and writes whole registers, past the
  /// tile's last row, as far as A extends.
  static void fill(matrix<const float> a, std::size_t row0, const tile_cut& cut, std::size_t k0, std::size_t depth,
                   float* copy) noexcept {
    for (std::size_t k = 0; k < depth; ++k, copy += walk::step) {
      const float* from = a.row(k0 + k) + row0;
      for (std::size_t j = 0; j < cut.rows; j += 16) prefetch(from + 16 * a.stride + j);
      for (std::size_t t = 0, r0 = 0; t < cut.count; r0 += cut.height(t++)) {
        const std::size_t left = a.cols - row0 - r0;
        float* to = copy + t * depth * walk::step;
        for (std::size_t r = 0; r < walk::width; r += lanes) {
          if (r + lanes <= left) store_operands<Dot>(to + r, walk::width, load(from + r0 + r), whole{});
          else if (r < left) store_operands<Dot>(to + r, walk::width, load_partial(from + r0 + r, left - r), whole{});
        }
      }
    }
  }
};

/// Whether a tile's rows would all fall into one set of the first-level cache: 0.78 of the peak in place, 0.99 copied.
[[nodiscard]] constexpr bool rows_collide(std::size_t stride) noexcept { return stride % 1024 == 0; }

}  // namespace detail

/// Up to 14 x 32 sums (AVX-512; 6 x 16 with AVX2) in registers: every K-step broadcasts an element of each row and multiplies
/// it by two registers of B. `Dot` says what a float's bits hold: an f32 (f32_elements) or two bf16 (bf16_pairs).
template <class Dot>
struct register_tile {
  using word = float;
  using sum = float;
  static constexpr std::size_t rows = detail::tile_rows, cols = tile_cols, row_step = 1, depth_step = 1;
  static constexpr std::size_t waiting_sums = detail::waiting_floats;
  static constexpr bool merges_sums = true;

  [[nodiscard]] static simd load(const float* sums) noexcept { return kernels::load(sums); }

  template <class Layout>
  static void run(std::size_t height, const tile_task<float, float>& task) noexcept {
    using walk = typename Layout::walk;
    static_assert(Dot::passes == 1 || Layout::size > 0, "rows of more than one pass must be copied");
    using namespace detail;
    if constexpr (walk::merges) tile_loops<Dot, walk, one_stream, 1>[height - 1](task);
    else if (task.tiles <= 2) tile_loops<Dot, walk, four_streams, 1>[height - 1](task);
    else tile_loops<Dot, walk, one_stream, height_among_many>[height - 1](task);
  }
};

namespace detail {

/// Multiplies rows in place, or copied if they collide in the cache or if there are two passes.
template <class Dot, executor E, class Packed, class Epilogue>
void row_product(const E& run, matrix<const float> a, const Packed& b, const Epilogue& epilogue) noexcept {
  const register_tile<Dot> tile;
  if constexpr (Dot::passes > 1) multiply<copied<Dot>>(run, tile, a, a.rows, b, epilogue);
  else if (rows_collide(a.stride) && a.rows > 8) multiply<copied<Dot>>(run, tile, a, a.rows, b, epilogue);
  else multiply<in_place>(run, tile, a, a.rows, b, epilogue);
}

}  // namespace detail
}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_REGISTER_TILE_HPP
