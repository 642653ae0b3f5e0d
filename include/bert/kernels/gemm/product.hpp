// The driver of all matrix products: blocks of C for threads, parts of the depth, tiles, epilogues.
// Layer: kernels. Test: tests/unit/kernels/gemm/product_test.cpp
// Paper: Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
#ifndef BERT_KERNELS_GEMM_PRODUCT_HPP
#define BERT_KERNELS_GEMM_PRODUCT_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/gemm/depth.hpp"
#include "bert/kernels/gemm/tile.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {
namespace detail {

/// The number of blocks along the product's rows and along its panels.
struct grid {
  std::size_t down, across;
};

/// The size of a product: `depth` in words. A block has at most `most_rows` rows and, if sums wait, at most `waiting` rows
/// times panels.
struct product_size {
  std::size_t m, n, panels, depth, most_rows, row_step;
  std::size_t waiting = 0;  ///< 0: no limit, as no sums wait
};

/// Chooses blocks for `width` threads: four to eight per thread, for cores of unequal speed, each of at least 2 million
/// multiplications (some 40 µs). Among grids near that it minimizes the time on equal cores, then the memory read again: A once
/// per column of blocks, B once per row of them.
[[nodiscard]] inline grid cut(const product_size& s, std::size_t width) noexcept {
  const std::size_t steps = (s.m + s.row_step - 1) / s.row_step, fewest = (s.m + s.most_rows - 1) / s.most_rows;
  const std::size_t wanted = width == 1 ? 1 : std::clamp<std::size_t>(s.m * s.n * s.depth / 2'000'000, 1, 8 * width);
  grid best{};
  double least = 0;
  for (std::size_t down = fewest; down <= std::min(steps, std::max(fewest, wanted)); ++down) {
    const std::size_t rows = (s.m + down - 1) / down;
    const std::size_t most_panels = s.waiting == 0 ? s.panels : s.waiting / round_up(rows, s.row_step);
    const std::size_t first = std::max((wanted + 2 * down - 1) / (2 * down), (s.panels + most_panels - 1) / most_panels);
    for (std::size_t across = std::min(first, s.panels); across <= std::min(first + 8, s.panels); ++across) {
      const std::size_t turns = (down * across + width - 1) / width;
      const std::size_t longest = width == 1 ? s.m * s.panels : turns * rows * ((s.panels + across - 1) / across);
      // Cycles per K-step: a row of a panel takes one or two, an element read again a fraction of one.
      const double cost = 2.0 * static_cast<double>(longest) +
                          0.05 * static_cast<double>(down * s.n + across * s.m) / static_cast<double>(width);
      if (best.down == 0 || cost < least) best = {down, across}, least = cost;
    }
  }
  return best;
}

/// The first panel of the block that a thread is likely to claim after block i of `down` x `across`, as threads claim blocks in
/// turn; `panels` if there is none.
[[nodiscard]] constexpr std::size_t next_panel(std::size_t i, std::size_t width, std::size_t down, std::size_t across,
                                               std::size_t panels) noexcept {
  return i + width < down * across ? panels * ((i + width) % across) / across : panels;
}

/// The first row of block r of `parts`, if m rows are split into blocks of whole steps.
[[nodiscard]] constexpr std::size_t border(std::size_t m, std::size_t r, std::size_t parts, std::size_t step) noexcept {
  return std::min(m, (m + step - 1) / step * r / parts * step);
}

/// Panels of a packed right operand.
template <class Tile, class Packed>
[[nodiscard]] constexpr std::size_t panels_of(const Packed& b) noexcept {
  return (b.n + Tile::cols - 1) / Tile::cols;
}

/// Passes the sums of one tile to the epilogue.
template <class Tile, class Epilogue>
void finish(const Epilogue& epilogue, const typename Tile::sum* sums, std::size_t row0, std::size_t rows, std::size_t col0,
            std::size_t n) noexcept {
  const std::size_t cols = std::min(Tile::cols, n - col0);
  if (cols == Tile::cols) {
    for (std::size_t i = 0; i < rows; ++i, sums += Tile::cols)
      unrolled<Tile::cols / lanes>(
          [&](auto j) { epilogue(row0 + i, col0 + j * lanes, Tile::load(sums + j * lanes), whole{}); });
  } else {
    for (std::size_t i = 0; i < rows; ++i, sums += Tile::cols)
      for_each_register(cols, [&](std::size_t j, auto extent) { epilogue(row0 + i, col0 + j, Tile::load(sums + j), extent); });
  }
}

/// The object that lives while a thread works on a block: tile.enter() if the tile has it.
template <class Tile>
[[nodiscard]] auto enter(const Tile& tile) noexcept {
  if constexpr (requires { tile.enter(); }) return tile.enter();
  else return 0;
}

/// Greatest number of sums that wait in a block: twice as many with groups, where several levels wait.
template <class Tile, std::size_t Groups>
inline constexpr std::size_t most_waiting = Groups == 1 ? Tile::waiting_sums : 2 * Tile::waiting_sums;

/// Runs the tile and adds the sums of subtrees, by the tile itself if it can, otherwise in memory. sums_of(slot) points at a
/// slot.
template <class Layout, class Tile, class Task, class Slots>
void run_slice(const Tile& tile, std::size_t height, Task& task, const depth_slice& slice, const Slots& sums_of) noexcept {
  using sum = typename Tile::sum;
  if (slice.merges == 0) return tile.template run<Layout>(height, task);
  const sum* merged[row_groups::most_levels];
  for (std::size_t i = 0, slot = slice.top; i < slice.merges; ++i) merged[i] = slice.pops(i) ? sums_of(--slot) : nullptr;
  sum* const to = sums_of(slice.slot());
  if constexpr (requires { requires Tile::merges_sums; }) {
    task.sums = to;
    task.merges = slice.merges;
    task.merged = merged;
    tile.template run<Layout>(height, task);
  } else {
    tile.template run<Layout>(height, task);
    for (std::size_t i = 0; i < height * Tile::cols; ++i) {
      sum total = task.sums[i];
      for (std::size_t j = 0; j < slice.merges; ++j) total += merged[j] == nullptr ? sum{} : merged[j][i];
      to[i] = total;
    }
  }
}

/// A block of the product: rows [row0, row0 + rows) and panels [panel0, panel1). Panel `then`, if there is one, is likely read
/// next.
struct block_range {
  std::size_t row0, rows, panel0, panel1, then;
};

template <class Layout, std::size_t Groups, class Tile, class Packed, class Epilogue>
requires product_tile<Tile, Layout>
void block(const Tile& tile, matrix<const typename Tile::word> a, const Packed& b, const depth_tree& tree,
           const Epilogue& epilogue, const block_range& range) noexcept {
  using word = typename Tile::word;
  using sum = typename Tile::sum;
  constexpr std::size_t cols = Tile::cols, tile_sums = Tile::rows * cols;
  alignas(alignment) word copy[std::max<std::size_t>(1, Layout::size)];
  alignas(alignment) sum waiting[std::max<std::size_t>(1, most_waiting<Tile, Groups>)];
  alignas(alignment)
      sum near[(Groups == 1 ? 1 : depth_tree::most_slots) * tile_sums];  // slots that do not wait for another part
  std::array<depth_slice, Groups> slices;
  [[maybe_unused]] const auto entered = enter(tile);
  const tile_cut tiling(range.rows, Tile::rows, Tile::row_step);
  const std::size_t fetching = fetching_tiles(tiling.count, std::max<std::size_t>(1, cols * sizeof(word) / alignment)),
                    apart = cols / fetching, panels = panels_of<Tile>(b), span = round_up(range.rows, Tile::row_step);
  depth_walk walk(tree);
  while (const std::size_t count = walk.next(slices.data())) {
    const std::size_t k0 = slices[0].first, depth = walk.end() - k0;
    const bool last = walk.done();
    Layout::fill(a, range.row0, tiling, k0, depth, copy);
    for (std::size_t p = range.panel0; p < range.panel1; ++p) {
      const word* panel = b.panel(p) + k0 * cols;
      const word* later = p + 1 < range.panel1  ? b.panel(p + 1) + k0 * cols
                          : !last               ? b.panel(range.panel0) + (k0 + depth) * cols
                          : range.then < panels ? b.panel(range.then)
                                                : nullptr;
      for (std::size_t t = 0, r0 = 0; t < tiling.count; r0 += tiling.height(t++)) {
        const std::size_t height = std::min(tiling.height(t), range.rows - r0), row = range.row0 + r0;
        sum* const far = waiting + ((p - range.panel0) * span + r0) * cols * tree.waiting;
        const auto sums_of = [&](std::size_t slot) {
          return slot < tree.waiting ? far + slot * tiling.height(t) * cols : near + (slot - tree.waiting) * tile_sums;
        };
        // The first tiles prefetch what is read next into the second-level cache; the others prefetch what is already there.
        const word* share = later != nullptr && t < fetching ? later + t * depth * apart : panel;
        if (last)
          for (std::size_t i = 0; i < height; ++i) epilogue.fetch(row + i, p * cols);
        const auto [first, stride] = Layout::at(a, copy, row, r0, t, k0, depth);
        for (std::size_t s = 0; s < count; ++s) {
          const std::size_t k = slices[s].first - k0;
          tile_task<word, sum> task{.a = first + Layout::offset(k),
                                    .stride = stride,
                                    .b = panel + k * cols,
                                    .depth = slices[s].depth,
                                    .sums = sums_of(slices[s].top),
                                    .from = slices[s].resume ? sums_of(slices[s].top) : nullptr,
                                    .column = p * cols,
                                    .ahead = share + k * apart,
                                    .apart = apart,
                                    .tiles = tiling.count};
          run_slice<Layout>(tile, height, task, slices[s], sums_of);
        }
        if (last) finish<Tile>(epilogue, sums_of(0), row, height, p * cols, b.n);
      }
    }
  }
}

/// Splits C into blocks of equal work and runs them; `groups` are offsets in words of depth.
template <class Layout, std::size_t Groups, executor E, class Tile, class Packed, class Epilogue>
void product(const E& run, const Tile& tile, matrix<const typename Tile::word> a, std::size_t m, const Packed& b,
             std::span<const std::size_t> groups, const Epilogue& epilogue) noexcept {
  if (m == 0 || b.n == 0) return;
  static_assert(Layout::part_depth(1) % Tile::depth_step == 0, "a part is a whole number of steps");
  const std::size_t limit = Layout::part_depth(b.n), panels = panels_of<Tile>(b), width = std::max<std::size_t>(1, run.width());
  const depth_tree tree(groups, limit, Tile::depth_step);
  product_size size{m, b.n, panels, b.k, Layout::block_rows(std::min(b.k, limit), a.stride), Tile::row_step};
  if (tree.waiting > 0) {
    size.waiting = most_waiting<Tile, Groups> / (Tile::cols * tree.waiting);
    size.most_rows = std::max(Tile::row_step, std::min(size.most_rows, size.waiting / 4) / Tile::row_step * Tile::row_step);
  }
  const auto [down, across] = cut(size, width);
  run.parallel_for(down * across, [&, width, d = down, c = across](std::size_t i) {
    const std::size_t r = i / c, j = i % c, row0 = border(m, r, d, Tile::row_step), row1 = border(m, r + 1, d, Tile::row_step);
    block<Layout, Groups>(tile, a, b, tree, epilogue,
                          {row0, row1 - row0, panels * j / c, panels * (j + 1) / c, next_panel(i, width, d, c, panels)});
  });
}

}  // namespace detail

/// C[m,n] = epilogue(sum over k of A[m,k] B[k,n]) for m < rows, with any tile
///
/// `a` as `Layout` reads it, in words; b packed by panels: `k` words, `n` columns, `panel(p)` [k, Tile::cols]. Each sum runs
/// over parts of K in order, within a part in the tile's order; the parts depend on K, N and the layout alone.
template <class Layout, executor E, class Tile, class Packed, class Epilogue>
void multiply(const E& run, const Tile& tile, matrix<const typename Tile::word> a, std::size_t rows, const Packed& b,
              const Epilogue& epilogue) noexcept {
  const std::array<std::size_t, 2> all{0, b.k};
  detail::product<Layout, 1>(run, tile, a, rows, b, all, epilogue);
}

/// The same with the sums of `groups` added by the tree of `row_groups`.
template <class Layout, executor E, class Tile, class Packed, class Epilogue>
void multiply(const E& run, const Tile& tile, matrix<const typename Tile::word> a, std::size_t rows, const Packed& b,
              const Epilogue& epilogue, const word_groups& groups) noexcept {
  detail::product<Layout, row_groups::most>(run, tile, a, rows, b, groups.offsets(), epilogue);
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_PRODUCT_HPP
