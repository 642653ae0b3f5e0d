// f32 products C = epilogue(A B), tiled; the bf16 and int8 products reuse the tiling.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_test.cpp
// Paper: Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/gemm/pack.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {
namespace detail {

/// Rows of the register tile: each holds two registers of sums; two more hold B, one the broadcast of A, one is spare.
inline constexpr std::size_t tile_rows = (simd_registers - 4) / 2;

/// Rows of A that are copied at a time, where it cannot be read in place.
inline constexpr std::size_t copied_rows = 56 / tile_rows * tile_rows;

/// Floats of a copied row: 56 x 512 take 115 KB of stack and of the second-level cache. With two passes a half is for each, and
/// a part half as deep: elements are split once a copy, not once a tile.
inline constexpr std::size_t copied_row = 512;

/// Copied rows lie 33 cache lines apart, so that a tile's 14 rows, or their 28 halves, fall into as many sets of the
/// first-level cache.
inline constexpr std::size_t copied_stride = copied_row + 16;

/// Greatest depth of a part copied by depth, over all passes: 1,024 tokens at once, 256 KB. In halves, a copy would serve 16
/// panels only, as many as have room for their sums to wait, 4 % slower. For a product no wider than that, halves are 10 %
/// faster.
inline constexpr std::size_t transposed_depth = 1024;

/// Depth of a part read in place: a panel's 1,024 x 32 floats take 128 KB of the second-level cache. Those of AVX2 are half as
/// wide: 512 x 16 take 32 KB, and more of them stay in the first-level cache: base 8 x 128 2 % faster, which AVX-512 is not.
inline constexpr std::size_t part_depth = simd_registers == 32 ? 1024 : 512;

/// Floats of A in a block, which stay in the second-level cache while the panels of B stream past: 384 KB of the 1 MB or more
/// that processors with AVX-512 have, 192 KB elsewhere. With 512 KB of cache, 384 were 2 to 3 % slower than 192.
inline constexpr std::size_t block_floats = std::size_t{simd_registers == 32 ? 96 : 48} << 10;

/// Sums that wait for the next part of the depth: 112 KB of stack.
inline constexpr std::size_t waiting_floats = std::size_t{28} << 10;

/// The tile reads rows of A in place: `stride` floats from one to the next. Three rows share a pointer, which x86 addresses
/// as p, p + s, p + 2s; a pointer a row would leave no register for anything else. Five names: an array would stay in memory.
struct by_rows {
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

/// The tile reads a copy in which its elements of one depth and pass lie side by side, a cache line of them on AVX-512.
template <std::size_t Passes>
struct by_depth {
  static constexpr std::size_t width = round_up(tile_rows, lanes), step = Passes * width;
  const float* at;

  by_depth(const float* a, std::size_t) noexcept : at(a) {}
  template <std::size_t Pass, std::size_t I>
  [[nodiscard]] float get() const noexcept {
    return at[Pass * width + I];
  }
  void next() noexcept { at += step; }
};

/// How many of the tiles that a panel serves share in fetching the next one, a power of two; `lines` of it are read a step.
/// Where one or two do it, a cache line a step, their own loads wait behind the requests: 1 x 128 tokens took 77 ms so, and 72
/// with eight, a line every fourth step. One tile or two, without others to share with, wait for memory in any case.
[[nodiscard]] constexpr std::size_t fetching_tiles(std::size_t tiles, std::size_t lines) noexcept {
  return tiles <= 2 ? std::min(tiles, lines) : std::bit_floor(std::min<std::size_t>(tiles, 8));
}

/// What a tile asks for while it runs: its share of the next panel, `apart` floats further on every step of depth. The same
/// line again costs nothing.
struct one_after_another {
  const float* at;
  std::size_t apart;

  one_after_another(const float* share, std::size_t, std::size_t distance) noexcept : at(share), apart(distance) {}
  [[gnu::always_inline]] void next(std::size_t) noexcept {
    prefetch(at);
    at += apart;
  }
};

/// A line a step in four strands: each reads a page of its own, where the processor itself reads on. For blocks of one tile or
/// two, which wait for weights: 14 GB/s instead of 12 (16 tokens, a core of Emerald Rapids); others would wait for the address.
/// A tile that is alone, with two lines a step to ask for, asks for the share of another, too; for one of two that is the same
/// line again.
struct four_strands {
  const float* at;
  std::size_t other;
  std::ptrdiff_t across, back;

  four_strands(const float* share, std::size_t depth, std::size_t distance) noexcept
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

using tile_function = void (*)(const float* a, std::size_t stride, const float* b, std::size_t depth, float* sums, bool resume,
                               const float* share, std::size_t apart) noexcept;

template <class Dot, class Walk, class Ahead, class Rows>
struct tile;

/// sums[R, tile_cols] (+)= a[R, depth] b[depth, tile_cols], one Dot::add an element, step and pass, in order of depth. Walk
/// gives the part of an element of `a` that a pass takes.
template <class Dot, class Walk, class Ahead, std::size_t... I>
struct tile<Dot, Walk, Ahead, std::index_sequence<I...>> {
  static_assert(Dot::passes <= 2);
  using sums_type = simd[sizeof...(I)][2];

  template <std::size_t Pass>
  [[gnu::always_inline]] static void pass(const Walk& walk, const float* b, sums_type& acc) noexcept {
    const simd b0 = Dot::template part<Pass>(load(b)), b1 = Dot::template part<Pass>(load(b + lanes));
    const auto row = [b0, b1](float element, simd(&s)[2]) {
      const simd x(element);
      s[0] = Dot::add(x, b0, s[0]);
      s[1] = Dot::add(x, b1, s[1]);
    };
    (row(walk.template get<Pass, I>(), acc[I]), ...);
  }

  static void run(const float* a, std::size_t stride, const float* b, std::size_t depth, float* sums, bool resume,
                  const float* share, std::size_t apart) noexcept {
    sums_type acc;
    if (resume) ((acc[I][0] = load(sums + I * tile_cols), acc[I][1] = load(sums + I * tile_cols + lanes)), ...);
    else ((acc[I][0] = zero(), acc[I][1] = zero()), ...);
    Walk walk(a, stride);
    Ahead ahead(share, depth, apart);
    for (std::size_t k = 0; k < depth; ++k, b += tile_cols) {
      ahead.next(k);
      pass<0>(walk, b, acc);
      if constexpr (Dot::passes == 2) pass<1>(walk, b, acc);
      walk.next();
    }
    ((store(sums + I * tile_cols, acc[I][0]), store(sums + I * tile_cols + lanes, acc[I][1])), ...);
  }
};

/// The tile of each height, that of `height` at `height - 1`, so that none computes rows that are not there; none below Least.
template <class Dot, class Walk, class Ahead, std::size_t Least>
inline constexpr auto tiles = []<std::size_t... I>(std::index_sequence<I...>) {
  std::array<tile_function, tile_rows> all{};
  ((all[Least - 1 + I] = &tile<Dot, Walk, Ahead, std::make_index_sequence<Least + I>>::run), ...);
  return all;
}
(std::make_index_sequence<tile_rows - Least + 1>{});

/// A block's rows cut into tiles of equal height, give or take a row: the first ones are the taller.
struct tile_cut {
  std::size_t count, least, taller;

  constexpr explicit tile_cut(std::size_t rows, std::size_t tallest = tile_rows) noexcept
      : count((rows + tallest - 1) / tallest), least(rows / count), taller(rows % count) {}
  [[nodiscard]] constexpr std::size_t height(std::size_t t) const noexcept { return least + (t < taller ? 1 : 0); }
};

/// The least height of a tile that has two or more beside it.
inline constexpr std::size_t height_among_many = [] {
  std::size_t least = tile_rows;
  for (std::size_t rows = 2 * tile_rows + 1; rows <= 64 * tile_rows; ++rows) least = std::min(least, tile_cut(rows).least);
  return least;
}();

/// Writes a register of A's elements, or the part of them that each pass takes, `distance` floats apart.
template <class Dot>
inline void store_parts(float* to, std::size_t distance, simd x, auto extent) noexcept {
  unrolled<Dot::passes>([&](auto pass) { store(to + pass * distance, Dot::template part<pass>(x), extent); });
}

/// Copies a[k0 + k, row0 + r] for the rows r of tile t to out[t, k, pass, r]. Reads and writes whole registers, further than
/// the tile's last row, wherever A goes that far.
template <class Dot>
inline void copy_transposed(matrix<const float> a, std::size_t row0, std::size_t rows, tile_cut tiling, std::size_t k0,
                            std::size_t depth, float* out) noexcept {
  using walk = by_depth<Dot::passes>;
  for (std::size_t k = 0; k < depth; ++k, out += walk::step) {
    const float* from = a.row(k0 + k) + row0;
    for (std::size_t j = 0; j < rows; j += 16) prefetch(from + 16 * a.stride + j);
    for (std::size_t t = 0, r0 = 0; t < tiling.count; r0 += tiling.height(t++)) {
      const std::size_t left = a.cols - row0 - r0;
      float* to = out + t * depth * walk::step;
      for (std::size_t r = 0; r < walk::width; r += lanes) {
        if (r + lanes <= left) store_parts<Dot>(to + r, walk::width, load(from + r0 + r), whole{});
        else if (r < left) store_parts<Dot>(to + r, walk::width, load_partial(from + r0 + r, left - r), whole{});
      }
    }
  }
}

/// Copies `count` elements of a row and asks for those that the copies to come will read, `ahead` floats further on.
template <class Dot>
inline void copy_ahead(const float* from, std::size_t count, std::size_t ahead, float* to) noexcept {
  for (std::size_t j = 0; j < count; j += 16) prefetch(from + ahead + j);
  for_each_register(
      count, [&](std::size_t j, auto extent) { store_parts<Dot>(to + j, copied_row / 2, load(from + j, extent), extent); });
}

/// Hands the sums of one tile to the epilogue.
template <class Epilogue>
void finish(const Epilogue& epilogue, const float* sums, std::size_t row0, std::size_t rows, std::size_t col0,
            std::size_t n) noexcept {
  const std::size_t cols = std::min(tile_cols, n - col0);
  if (cols == tile_cols) {
    for (std::size_t i = 0; i < rows; ++i, sums += tile_cols) {
      epilogue(row0 + i, col0, load(sums), whole{});
      epilogue(row0 + i, col0 + lanes, load(sums + lanes), whole{});
    }
  } else {
    for (std::size_t i = 0; i < rows; ++i, sums += tile_cols)
      for_each_register(cols, [&](std::size_t j, auto extent) { epilogue(row0 + i, col0 + j, load(sums + j), extent); });
  }
}

/// Where the product's A is: in place as [M, K], or to be copied from [M, K] or [K, M].
enum class operand { in_place, copied, transposed };

/// Depth of a part of a product [M, n].
[[nodiscard]] constexpr std::size_t depth_limit(operand kind, std::size_t n, std::size_t passes) noexcept {
  return kind == operand::in_place ? part_depth
                                   : (kind == operand::copied || n <= 16 * tile_cols ? copied_row : transposed_depth) / passes;
}

/// Room for a copy: none, rows of `copied_stride`, or tiles in whole registers a depth.
[[nodiscard]] constexpr std::size_t copied_floats(operand kind) noexcept {
  return kind == operand::in_place ? 1
         : kind == operand::copied ? copied_rows * copied_stride
                                   : copied_rows / tile_rows * by_depth<1>::step * transposed_depth;
}

/// Rows [row0, row0 + rows) and panels [panel0, panel1) of the product, after which panel `then` is likely to be read, if there
/// is one.
template <class Dot, operand Kind, class Epilogue>
void block(matrix<const float> a, packed b, const Epilogue& epilogue, std::size_t row0, std::size_t rows, std::size_t panel0,
           std::size_t panel1, std::size_t then) noexcept {
  static_assert(Dot::passes == 1 || Kind != operand::in_place, "a copy holds the part of each pass");
  using walk = std::conditional_t<Kind == operand::transposed, by_depth<Dot::passes>, by_rows>;
  const std::size_t limit = depth_limit(Kind, b.n, Dot::passes);
  alignas(alignment) float copy[copied_floats(Kind)];
  alignas(alignment) float waiting[waiting_floats];
  const std::size_t parts = (b.k + limit - 1) / limit;
  const tile_cut tiling(rows);
  const std::size_t fetching = fetching_tiles(tiling.count, std::max<std::size_t>(1, tile_cols / 16)),
                    apart = tile_cols / fetching;
  const auto& by_height = [&]() -> const std::array<tile_function, tile_rows>& {
    if constexpr (Kind == operand::transposed) return tiles<Dot, walk, one_after_another, 1>;
    else if (tiling.count <= 2) return tiles<Dot, walk, four_strands, 1>;
    else return tiles<Dot, walk, one_after_another, height_among_many>;
  }();
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t k0 = b.k * part / parts, depth = b.k * (part + 1) / parts - k0;
    const float* source = copy;
    std::size_t stride = copied_stride;
    if constexpr (Kind == operand::in_place) {
      source = a.row(row0) + k0;
      stride = a.stride;
    } else if constexpr (Kind == operand::copied) {
      for (std::size_t i = 0; i < rows; ++i)
        copy_ahead<Dot>(a.row(row0 + i) + k0, depth, 2 * a.stride, copy + i * copied_stride);
    } else {
      copy_transposed<Dot>(a, row0, rows, tiling, k0, depth, copy);
    }
    for (std::size_t p = panel0; p < panel1; ++p) {
      const float* panel = b.panel(p) + k0 * tile_cols;
      const float* later = p + 1 < panel1      ? b.panel(p + 1) + k0 * tile_cols
                           : part + 1 < parts  ? b.panel(panel0) + (k0 + depth) * tile_cols
                           : then < b.panels() ? b.panel(then)
                                               : nullptr;
      for (std::size_t t = 0, r0 = 0; t < tiling.count; r0 += tiling.height(t++)) {
        const std::size_t height = tiling.height(t);
        float* sums = parts == 1 ? waiting : waiting + ((p - panel0) * rows + r0) * tile_cols;
        // The first tiles fetch what is read next into the second-level cache; the others ask for what is there.
        const bool fetches = later != nullptr && t < fetching;
        const float* share = fetches ? later + t * depth * apart : panel;
        if (part + 1 == parts)
          for (std::size_t i = 0; i < height; ++i) epilogue.fetch(row0 + r0 + i, p * tile_cols);
        const float* from =
            Kind == operand::transposed ? source + t * depth * by_depth<Dot::passes>::step : source + r0 * stride;
        by_height[height - 1](from, stride, panel, depth, sums, part != 0, share, apart);
        if (part + 1 == parts) finish(epilogue, sums, row0 + r0, height, p * tile_cols, b.n);
      }
    }
  }
}

/// How the product's rows and panels are cut into blocks.
struct grid {
  std::size_t down, across;
};

/// Blocks for `width` threads: four to eight a thread, for cores of unequal speed, but none under 2 million multiplications
/// (some 40 µs). Of the cuts near that, the one that ends first if all cores are alike, and then the one that reads least
/// again, A once for each column of blocks and B once for each row of them.
[[nodiscard]] inline grid cut(std::size_t m, packed b, std::size_t width, std::size_t most_rows, bool sums_wait) noexcept {
  const std::size_t panels = b.panels(), fewest = (m + most_rows - 1) / most_rows;
  const std::size_t wanted = width == 1 ? 1 : std::clamp<std::size_t>(m * b.n * b.k / 2'000'000, 1, 8 * width);
  grid best{};
  double least = 0;
  for (std::size_t down = fewest; down <= std::min(m, std::max(fewest, wanted)); ++down) {
    const std::size_t rows = (m + down - 1) / down;
    const std::size_t most_panels = sums_wait ? waiting_floats / (rows * tile_cols) : panels;
    const std::size_t first = std::max((wanted + 2 * down - 1) / (2 * down), (panels + most_panels - 1) / most_panels);
    for (std::size_t across = std::min(first, panels); across <= std::min(first + 8, panels); ++across) {
      const std::size_t turns = (down * across + width - 1) / width;
      const std::size_t longest = width == 1 ? m * panels : turns * rows * ((panels + across - 1) / across);
      // A register of two elements takes a cycle or two of the tile, an element read again a small part of one.
      const double cost =
          2.0 * static_cast<double>(longest) + 0.05 * static_cast<double>(down * b.n + across * m) / static_cast<double>(width);
      if (best.down == 0 || cost < least) best = {down, across}, least = cost;
    }
  }
  return best;
}

/// The first panel of the block that a thread is likely to claim after block i of `down` x `across`, or `panels`: threads claim
/// them in turn.
[[nodiscard]] constexpr std::size_t next_panel(std::size_t i, std::size_t width, std::size_t down, std::size_t across,
                                               std::size_t panels) noexcept {
  return i + width < down * across ? panels * ((i + width) % across) / across : panels;
}

/// Cuts [M, N] into blocks of equal work and runs them.
template <class Dot, operand Kind, executor E, class Epilogue>
void product(const E& run, matrix<const float> a, std::size_t m, packed b, const Epilogue& epilogue) noexcept {
  if (m == 0 || b.n == 0) return;
  const std::size_t limit = depth_limit(Kind, b.n, Dot::passes);
  const std::size_t panels = b.panels(), width = std::max<std::size_t>(1, run.width());
  std::size_t most_rows = Kind == operand::in_place ? std::max(tile_rows, block_floats / std::min(b.k, limit)) : copied_rows;
  if (b.k > limit) most_rows = std::min(most_rows, waiting_floats / (4 * tile_cols));
  const auto [down, across] = cut(m, b, width, most_rows, b.k > limit);
  const auto piece = [&, width, d = down, c = across](std::size_t i) {
    const std::size_t r = i / c, j = i % c;
    const std::size_t row0 = m * r / d, row1 = m * (r + 1) / d;
    block<Dot, Kind>(a, b, epilogue, row0, row1 - row0, panels * j / c, panels * (j + 1) / c,
                     next_panel(i, width, d, c, panels));
  };
  run.parallel_for(down * across, piece);
}

/// Whether the rows of a tile would all fall into one set of the first-level cache: measured 0.78 of the peak in place, 0.99
/// copied.
[[nodiscard]] constexpr bool rows_collide(std::size_t stride) noexcept { return stride % 1024 == 0; }

/// The product of rows in place, or copied where they collide or each pass takes a part of them.
template <class Dot, executor E, class Epilogue>
void row_product(const E& run, matrix<const float> a, packed b, const Epilogue& epilogue) noexcept {
  if constexpr (Dot::passes > 1) product<Dot, operand::copied>(run, a, a.rows, b, epilogue);
  else if (rows_collide(a.stride) && a.rows > 8) product<Dot, operand::copied>(run, a, a.rows, b, epilogue);
  else product<Dot, operand::in_place>(run, a, a.rows, b, epilogue);
}

}  // namespace detail

/// C[m,n] = epilogue(sum over k of A[m,k] B[k,n])
///
/// a [M, K], b packed [K, N]. Each sum runs over k = 0, 1, … K-1 in order: the bits of row m depend on that row of `a` and
/// on `b` only, neither on M nor on the executor. Fastest if the stride of `a` is no multiple of 1,024. Each thread needs 250
/// KB of stack, 400 KB for `gemm_transposed`.
template <executor E, class Epilogue>
void gemm(const E& run, matrix<const float> a, packed b, const Epilogue& epilogue) noexcept {
  detail::row_product<numbers>(run, a, b, epilogue);
}

/// C[m,n] = epilogue(sum over k of A[k,m] B[k,n])
///
/// a [K, M], b packed [K, N]: gradients of weights, k over tokens. Bits as in `gemm`.
template <executor E, class Epilogue>
void gemm_transposed(const E& run, matrix<const float> a, packed b, const Epilogue& epilogue) noexcept {
  detail::product<numbers, detail::operand::transposed>(run, a, a.cols, b, epilogue);
}

}  // namespace bert::kernels
