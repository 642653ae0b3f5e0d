// Matrix products of f32: a register tile over packed panels, an epilogue on the way out.
// Layer: kernels. Test: tests/unit/kernels/gemm_test.cpp
// Paper: Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "bert/core/execution.hpp"
#include "bert/kernels/epilogue.hpp"
#include "bert/kernels/pack.hpp"
#include "bert/kernels/simd.hpp"
#include "bert/tensor/view.hpp"

namespace bert::kernels {
namespace detail {

/// Rows of the register tile: each holds two registers of sums; two more hold B, one the broadcast of A, one is spare.
inline constexpr std::size_t tile_rows = (simd_registers - 4) / 2;

/// Rows of a block: a panel of B fetched into the second-level cache serves this many.
inline constexpr std::size_t block_rows = 56 / tile_rows * tile_rows;

/// Depth of a block. Its 56 x 512 elements of A (115 KB) and a panel's 512 x 32 of B (64 KB) stay in a level-2 cache
/// of 256 KB or more; the tile's sums, 28 registers in and out of memory, are 0.4 % of its 14,336 multiplications.
inline constexpr std::size_t block_depth = 512;

/// Columns of a block whose sums wait for the next part of the depth: 56 x 384 floats, 84 KB.
inline constexpr std::size_t block_panels = 384 / tile_cols;

/// Rows of the copied A lie this far apart: 33 cache lines, so that a tile's 14 rows fall into 14 sets of the first-level
/// cache. In place, 1,024 or 3,072 columns put all of them into one set of 8 ways.
inline constexpr std::size_t copied_stride = block_depth + 16;

/// How the register tile walks the copied A: distance between its rows and between its steps in depth.
struct by_rows {
  static constexpr std::size_t row = copied_stride, depth = 1;
};
struct by_depth {
  static constexpr std::size_t row = 1, depth = block_rows;
};

using tile_function = void (*)(const float* a, const float* b, std::size_t depth, float* sums, bool resume) noexcept;

/// sums[Rows, tile_cols] (+)= a[Rows, depth] b[depth, tile_cols], one fused multiply-add an element and step, in order of depth.
template <class Walk, std::size_t Rows>
void tile(const float* a, const float* b, std::size_t depth, float* sums, bool resume) noexcept {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    simd acc[Rows][2];
    if (resume) ((acc[I][0] = load(sums + I * tile_cols), acc[I][1] = load(sums + I * tile_cols + lanes)), ...);
    else ((acc[I][0] = zero(), acc[I][1] = zero()), ...);
    for (std::size_t k = 0; k < depth; ++k, a += Walk::depth, b += tile_cols) {
      const simd b0 = load(b), b1 = load(b + lanes);
      const auto row = [&](std::size_t i, simd(&s)[2]) {
        const simd x(a[i * Walk::row]);
        s[0] = fma(x, b0, s[0]);
        s[1] = fma(x, b1, s[1]);
      };
      (row(I, acc[I]), ...);
    }
    ((store(sums + I * tile_cols, acc[I][0]), store(sums + I * tile_cols + lanes, acc[I][1])), ...);
  }(std::make_index_sequence<Rows>{});
}

/// The tile of each height from 1 to tile_rows, so that no height computes rows that are not there.
template <class Walk>
inline constexpr auto tiles = []<std::size_t... I>(std::index_sequence<I...>) {
  return std::array<tile_function, tile_rows>{&tile<Walk, I + 1>...};
}(std::make_index_sequence<tile_rows>{});

/// Copies rows [0, rows) and depth [k0, k0 + depth) of A into `out` for the walk.
inline void copy_operand(by_rows, matrix<const float> a, std::size_t row0, std::size_t rows, std::size_t k0, std::size_t depth,
                         float* out) noexcept {
  for (std::size_t i = 0; i < rows; ++i)
    std::copy_n(a.row(row0 + i) + k0, depth, out + i * by_rows::row);
}
inline void copy_operand(by_depth, matrix<const float> a, std::size_t row0, std::size_t rows, std::size_t k0, std::size_t depth,
                         float* out) noexcept {
  for (std::size_t k = 0; k < depth; ++k) std::copy_n(a.row(k0 + k) + row0, rows, out + k * by_depth::depth);
}

/// Hands the sums of one tile to the epilogue.
template <class Epilogue>
void finish(const Epilogue& epilogue, const float* sums, std::size_t row0, std::size_t rows, std::size_t col0, std::size_t n) noexcept {
  const std::size_t cols = std::min(tile_cols, n - col0);
  for (std::size_t i = 0; i < rows; ++i)
    for_each_register(cols, [&](std::size_t j, auto extent) { epilogue(row0 + i, col0 + j, load(sums + i * tile_cols + j), extent); });
}

/// Rows [row0, row0 + rows) and panels [panel0, panel1) of the product.
template <class Walk, class Epilogue>
void block(matrix<const float> a, packed b, const Epilogue& epilogue, std::size_t row0, std::size_t rows, std::size_t panel0,
           std::size_t panel1) noexcept {
  alignas(alignment) float copy[block_rows * copied_stride];
  alignas(alignment) float waiting[block_rows * block_panels * tile_cols];
  const std::size_t parts = (b.k + block_depth - 1) / block_depth, count = (rows + tile_rows - 1) / tile_rows;
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t k0 = b.k * part / parts, k1 = b.k * (part + 1) / parts;
    const bool last = part + 1 == parts;
    copy_operand(Walk{}, a, row0, rows, k0, k1 - k0, copy);
    for (std::size_t p = panel0; p < panel1; ++p)
      for (std::size_t t = 0; t < count; ++t) {
        const std::size_t r0 = rows * t / count, r1 = rows * (t + 1) / count;
        float* sums = parts == 1 ? waiting : waiting + ((p - panel0) * block_rows + r0) * tile_cols;
        tiles<Walk>[r1 - r0 - 1](copy + r0 * Walk::row, b.panel(p) + k0 * tile_cols, k1 - k0, sums, part != 0);
        if (last) finish(epilogue, sums, row0 + r0, r1 - r0, p * tile_cols, b.n);
      }
  }
}

/// Cuts [M, N] into blocks of equal work and runs them.
template <class Walk, executor E, class Epilogue>
void product(const E& run, matrix<const float> a, std::size_t m, packed b, const Epilogue& epilogue) noexcept {
  if (m == 0 || b.n == 0) return;
  const std::size_t panels = b.panels(), width = std::max<std::size_t>(1, run.width());
  std::size_t down = (m + block_rows - 1) / block_rows;
  std::size_t across = b.k <= block_depth ? 1 : (panels + block_panels - 1) / block_panels;
  if (width > 1) {
    // About four blocks a thread, for cores of unequal speed, but none under 2 million multiplications (some 40 µs).
    const std::size_t most = std::max<std::size_t>(1, m * b.n * b.k / 2'000'000);
    const std::size_t wanted = std::min(most, 4 * width);
    while (down * across < wanted && across < panels) ++across;
    while (down * across % width != 0 && across < panels && down * across < most) ++across;
  }
  run.parallel_for(down * across, [&](std::size_t i) {
    const std::size_t r = i / across, c = i % across;
    const std::size_t row0 = m * r / down, row1 = m * (r + 1) / down;
    block<Walk>(a, b, epilogue, row0, row1 - row0, panels * c / across, panels * (c + 1) / across);
  });
}

}  // namespace detail

/// C[m,n] = epilogue(sum over k of A[m,k] B[k,n])
///
/// a [M, K], b packed [K, N]. Each sum runs over k = 0, 1, … K-1 in order: the bits of row m depend on that row of `a` and
/// on `b` only, neither on M nor on the executor.
template <executor E, class Epilogue>
void gemm(const E& run, matrix<const float> a, packed b, const Epilogue& epilogue) noexcept {
  detail::product<detail::by_rows>(run, a, a.rows, b, epilogue);
}

/// C[m,n] = epilogue(sum over k of A[k,m] B[k,n])
///
/// a [K, M], b packed [K, N]: gradients of weights, k over tokens. Bits as in `gemm`.
template <executor E, class Epilogue>
void gemm_transposed(const E& run, matrix<const float> a, packed b, const Epilogue& epilogue) noexcept {
  detail::product<detail::by_depth>(run, a, a.cols, b, epilogue);
}

}  // namespace bert::kernels
