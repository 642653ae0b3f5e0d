// Packing bf16 operands: pairs along K, each one word, in panels for the register tile.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_bf16_test.cpp
#ifndef BERT_KERNELS_GEMM_PACK_BF16_HPP
#define BERT_KERNELS_GEMM_PACK_BF16_HPP

#include <algorithm>
#include <array>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/gemm/depth.hpp"
#include "bert/kernels/gemm/pack.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/rows/row_groups.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/transpose.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// A packed bf16 operand [K, N]: panels of [ceil(K / 2), tile_cols] pairs along K; columns past N and rows past K are zero.
struct packed_bf16 {
  packed pairs;
};

/// Pairs (four bytes each) of k elements; with groups, an upper bound, as each group of odd size is padded.
[[nodiscard]] constexpr std::size_t bf16_pairs_of(std::size_t k, std::size_t groups = 1) noexcept { return (k + groups) / 2; }

/// Size of a packed bf16 operand [k, n] in floats; with groups of k, an upper bound.
[[nodiscard]] constexpr std::size_t packed_bf16_size(std::size_t k, std::size_t n, std::size_t groups = 1) noexcept {
  return packed_size(bf16_pairs_of(k, groups), n);
}

/// Packs the transpose of w [N, K], rounded to bf16, into `out` [packed_bf16_size(K, N)].
template <executor E>
packed_bf16 pack_transposed_bf16(const E& run, matrix<const float> w, float* out) noexcept {
  const std::size_t n = w.rows, pairs = bf16_pairs_of(w.cols), panels = (n + tile_cols - 1) / tile_cols;
  run.parallel_for(panels, [&](std::size_t p) {
    float* panel = out + p * pairs * tile_cols;
    for (std::size_t half = 0; half < tile_cols; half += lanes)
      for (std::size_t i = 0; i < pairs; i += lanes) {
        // A square of lanes rows and lanes pairs, rounded, then transposed.
        alignas(alignment) bf16 rounded[lanes][2 * lanes] = {};
        simd square[lanes];
        for (std::size_t r = 0; r < lanes; ++r) {
          const std::size_t row = p * tile_cols + half + r;
          const float* later =
              w.data + row * w.stride + 2 * i + 128;  // rows are far apart, where no hardware prefetcher follows
          for (std::size_t j = 0; j < 2 * lanes; j += alignment / sizeof(float)) prefetch(later + j);
          if (row < n)
            for_each_register(std::min(2 * lanes, w.cols - 2 * i), [&](std::size_t j, auto extent) {
              store(rounded[r] + j, load(w.row(row) + 2 * i + j, extent), extent);
            });
          square[r] = load(reinterpret_cast<const bf16_pair*>(rounded[r]));
        }
        transpose(square);
        for (std::size_t k = 0; k < std::min(lanes, pairs - i); ++k) store(panel + (i + k) * tile_cols + half, square[k]);
      }
  });
  return {{out, pairs, n}};
}

namespace detail {

/// The rows of a pair along K: the first, and whether its group has a second.
struct paired_rows {
  std::size_t first;
  bool both;
};

/// Calls body(i, rows) for the pairs i of [first, last).
template <class Body>
inline void for_each_pair(const row_groups& groups, const word_groups& words, std::size_t rows, std::size_t first,
                          std::size_t last, Body&& body) noexcept {
  const auto offsets = words.offsets();
  auto g = static_cast<std::size_t>(std::upper_bound(offsets.begin(), offsets.end(), first) - offsets.begin()) - 1;
  for (std::size_t i = first; i < last; ++i) {
    while (i >= offsets[g + 1]) ++g;
    const std::size_t begin = groups.offsets.empty() ? 0 : groups.offsets[g],
                      end = groups.offsets.empty() ? rows : groups.offsets[g + 1];
    const std::size_t row = begin + 2 * (i - offsets[g]);
    body(i, paired_rows{row, row + 1 < end});
  }
}

/// Calls out(c, pairs, extent) for registers of pairs (x[i, j], x[i + 1, j]) of `count` columns from j on; a missing second row
/// is zero.
template <class Out>
inline void pair_up_rows(matrix<const float> x, paired_rows rows, std::size_t j, std::size_t count, Out&& out) noexcept {
  const float *low = x.row(rows.first) + j, *high = low + x.stride;
  for_each_register(count, [&](std::size_t c, auto extent) {
    out(c, pair(load(low + c, extent), rows.both ? load(high + c, extent) : zero()), extent);
  });
}

}  // namespace detail

/// Packs b [K, N], rounded to bf16, into `out` [packed_bf16_size(K, N, L)]. No pair holds rows of two of the L `groups`.
template <executor E>
packed_bf16 pack_bf16(const E& run, matrix<const float> b, float* out, const row_groups& groups = {}) noexcept {
  const word_groups words(groups, b.rows, 2);
  const std::size_t pairs = words.words(), n = b.cols, panels = (n + tile_cols - 1) / tile_cols;
  // 64 rows of 768 columns: some 15 µs. Strips of eight pairs of rows write runs of 1 KB into each panel and prefetch the next
  // eight.
  constexpr std::size_t strip = 8;
  for_each_range(run, pairs, 32, [&](std::size_t first, std::size_t last) {
    for (std::size_t i0 = first; i0 < last; i0 += strip) {
      const std::size_t i1 = std::min(last, i0 + strip);
      std::array<detail::paired_rows, strip> rows;
      detail::for_each_pair(groups, words, b.rows, i0, i1, [&](std::size_t i, detail::paired_rows r) { rows[i - i0] = r; });
      for (std::size_t p = 0; p < panels; ++p) {
        const std::size_t count = std::min(tile_cols, n - p * tile_cols);
        for (std::size_t i = i0; i < i1; ++i) {
          float* to = out + (p * pairs + i) * tile_cols;
          const float* later = b.row(rows[i - i0].first) + 2 * strip * b.stride + p * tile_cols;
          for (std::size_t j = 0; j < tile_cols; j += alignment / sizeof(float))
            prefetch(later + j), prefetch(later + b.stride + j);
          if (count < tile_cols) store(to, zero()), store(to + lanes, zero());
          detail::pair_up_rows(b, rows[i - i0], p * tile_cols, count,
                               [&](std::size_t c, simd x, auto extent) { store(to + c, x, extent); });
        }
      }
    }
  });
  return {{out, pairs, n}};
}

/// a [K, M], rounded to bf16, as pairs along K [<= bf16_pairs_of(K, L), M]: the left operand of `gemm_transposed`, with the
/// same L `groups`.
template <executor E>
matrix<const bf16_pair> pair_rows(const E& run, matrix<const float> a, float* out, const row_groups& groups = {}) noexcept {
  const word_groups words(groups, a.rows, 2);
  const std::size_t pairs = words.words(), m = a.cols,
                    step = std::max<std::size_t>(1, floats_a_task / std::max<std::size_t>(1, 2 * m));
  for_each_range(run, pairs, step, [&](std::size_t first, std::size_t last) {
    detail::for_each_pair(groups, words, a.rows, first, last, [&](std::size_t i, detail::paired_rows rows) {
      detail::pair_up_rows(a, rows, 0, m, [to = out + i * m](std::size_t c, simd x, auto extent) { store(to + c, x, extent); });
    });
  });
  return {out, pairs, m};
}

/// The transpose of a [K, M], rounded to bf16, as pairs along K: [M, <= bf16_pairs_of(K, L)]. The left operand of
/// `gemm_transposed` by tiles, with the same L `groups`.
template <executor E>
matrix<const bf16_pair> transposed_pair_rows(const E& run, matrix<const float> a, float* out,
                                             const row_groups& groups = {}) noexcept {
  const word_groups words(groups, a.rows, 2);
  const std::size_t pairs = words.words(), m = a.cols;
  // Strips of `lanes` pairs of rows: each square of pairs is turned in registers, each row of `out` gets a whole cache line.
  for_each_range(run, (pairs + lanes - 1) / lanes, 2, [&](std::size_t first, std::size_t last) {
    std::array<detail::paired_rows, lanes> rows;
    for (std::size_t strip = first; strip < last; ++strip) {
      const std::size_t i0 = strip * lanes, count = std::min(lanes, pairs - i0);
      detail::for_each_pair(groups, words, a.rows, i0, i0 + count,
                            [&](std::size_t i, detail::paired_rows r) { rows[i - i0] = r; });
      for (std::size_t j = 0; j < m; j += lanes) {
        const std::size_t width = std::min(lanes, m - j);
        simd square[lanes];
        for (std::size_t i = 0; i < lanes; ++i) {
          square[i] = zero();
          if (i < count) detail::pair_up_rows(a, rows[i], j, width, [&](std::size_t, simd x, auto) { square[i] = x; });
        }
        transpose(square);
        for (std::size_t c = 0; c < width; ++c) {
          float* to = out + (j + c) * pairs + i0;
          for_each_register(count, [&](std::size_t, auto extent) { store(to, square[c], extent); });
        }
      }
    }
  });
  return {out, m, pairs};
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_PACK_BF16_HPP
