// Packing the right operand of a product into panels of columns, the layout that the register tile reads.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_test.cpp
// Paper: Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
#ifndef BERT_KERNELS_GEMM_PACK_HPP
#define BERT_KERNELS_GEMM_PACK_HPP

#include <algorithm>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/transpose.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// Columns of a panel and of the register tile: two registers, so that each broadcast element of A feeds two FMAs.
inline constexpr std::size_t tile_cols = 2 * lanes;

/// A packed [K, N] operand: ceil(N / tile_cols) panels, each [K, tile_cols] without gaps, columns past N zero.
struct packed {
  const float* data = nullptr;
  std::size_t k = 0;
  std::size_t n = 0;

  [[nodiscard]] constexpr std::size_t panels() const noexcept { return (n + tile_cols - 1) / tile_cols; }
  [[nodiscard]] constexpr const float* panel(std::size_t p) const noexcept { return data + p * k * tile_cols; }
};

/// Size of a packed [k, n] operand in floats; its memory must be aligned to 64 bytes.
[[nodiscard]] constexpr std::size_t packed_size(std::size_t k, std::size_t n) noexcept { return k * round_up(n, tile_cols); }

/// Packs b [K, N] into `out` [packed_size(K, N)].
template <executor E>
packed pack(const E& run, matrix<const float> b, float* out) noexcept {
  const std::size_t k = b.rows, n = b.cols, panels = (n + tile_cols - 1) / tile_cols;
  // 64 rows of 768 columns are 192 KB: some 20 µs. Strips of eight rows write runs of 1 KB into each panel.
  constexpr std::size_t chunk = 64, strip = 8;
  run.parallel_for((k + chunk - 1) / chunk, [&](std::size_t c) {
    const std::size_t end = std::min(k, (c + 1) * chunk);
    for (std::size_t i0 = c * chunk; i0 < end; i0 += strip)
      for (std::size_t p = 0; p < panels; ++p) {
        const std::size_t left = n - p * tile_cols;
        for (std::size_t i = i0; i < std::min(end, i0 + strip); ++i) {
          float* to = out + (p * k + i) * tile_cols;
          const float* from = b.row(i) + p * tile_cols;
          if (left >= tile_cols) {
            for (std::size_t j = 0; j < tile_cols; j += alignment / sizeof(float)) prefetch(from + strip * b.stride + j);
            store(to, load(from));
            store(to + lanes, load(from + lanes));
          } else {
            store(to, load_partial(from, std::min(left, lanes)));
            store(to + lanes, left > lanes ? load_partial(from + lanes, left - lanes) : zero());
          }
        }
      }
  });
  return {out, k, n};
}

/// Packs the transpose of w [N, K] into `out` [packed_size(K, N)]: a linear layer's weight as checkpoints store it.
template <executor E>
packed pack_transposed(const E& run, matrix<const float> w, float* out) noexcept {
  const std::size_t k = w.cols, n = w.rows, panels = (n + tile_cols - 1) / tile_cols;
  // Two panels of 32 rows and 768 columns are 192 KB: some 20 µs.
  const std::size_t group = std::max<std::size_t>(1, 49152 / (k * tile_cols)), groups = (panels + group - 1) / group;
  run.parallel_for(groups, [&](std::size_t g) {
    for (std::size_t p = g * group; p < std::min(panels, (g + 1) * group); ++p) {
      float* panel = out + p * k * tile_cols;
      const std::size_t count = std::min(tile_cols, n - p * tile_cols);
      std::size_t i = 0;
      if (count == tile_cols) {
        for (; i + lanes <= k; i += lanes)
          for (std::size_t half = 0; half < tile_cols; half += lanes) {
            for (std::size_t r = 0; r < lanes; ++r) prefetch(w.row(p * tile_cols + half + r) + i + 128);
            transpose(w.row(p * tile_cols + half) + i, w.stride, panel + i * tile_cols + half, tile_cols);
          }
      }
      for (; i < k; ++i)
        for (std::size_t j = 0; j < tile_cols; ++j) panel[i * tile_cols + j] = j < count ? w(p * tile_cols + j, i) : 0.0f;
    }
  });
  return {out, k, n};
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_PACK_HPP
