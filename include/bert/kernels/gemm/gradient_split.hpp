// f32 products of the backward pass by bf16 tiles: operands that are not transposed, in two or three parts.
// Layer: kernels. Test: tests/unit/kernels/gemm/gradient_split_test.cpp
// Paper: Henry, Tang and Heinecke 2019, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision
// computations".
#ifndef BERT_KERNELS_GEMM_GRADIENT_SPLIT_HPP
#define BERT_KERNELS_GEMM_GRADIENT_SPLIT_HPP

#include <algorithm>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/gemm/depth.hpp"
#include "bert/kernels/gemm/gemm_split.hpp"
#include "bert/kernels/gemm/product.hpp"
#include "bert/kernels/gemm/tile_amx.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/rows/row_groups.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/transpose.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// Floats of scratch for `weight_gradient_split` with K rows in L groups, M and N columns.
[[nodiscard]] constexpr std::size_t weight_gradient_split_size(std::size_t k, std::size_t m, std::size_t n, std::size_t parts,
                                                               std::size_t groups = 1) noexcept {
  return packed_split_size(k, n, parts, groups) + m * split_stride(k, parts, groups);
}

namespace detail {

/// The words of operands in parts whose depth is K rows in groups: each group is padded with zeros to whole steps.
[[nodiscard]] inline word_groups split_groups(const row_groups& groups, std::size_t rows, std::size_t parts) noexcept {
  return {groups, rows, 2, amx::tile_words, parts};
}

/// Up to `split_step` rows of one group.
struct step_rows {
  std::size_t first, count;
};

/// The rows of step `s` of depth.
[[nodiscard]] inline step_rows rows_of_step(const row_groups& groups, const word_groups& words, std::size_t rows,
                                            std::size_t parts, std::size_t s) noexcept {
  const auto offsets = words.offsets();
  const std::size_t word = s * parts * amx::tile_words;
  const auto g = static_cast<std::size_t>(std::upper_bound(offsets.begin(), offsets.end(), word) - offsets.begin()) - 1;
  const std::size_t begin = groups.offsets.empty() ? 0 : groups.offsets[g],
                    end = groups.offsets.empty() ? rows : groups.offsets[g + 1],
                    first = begin + (word - offsets[g]) / (parts * amx::tile_words) * split_step;
  return {first, std::min(split_step, end - first)};
}

/// Calls out(part, words) with the parts of the pairs of rows 2i and 2i + 1 of a step, one register of columns from `column`
/// on; rows past the step's end are zeros.
template <std::size_t Parts, class Extent, class Out>
inline void split_pair(matrix<const float> x, step_rows rows, std::size_t i, std::size_t column, Extent extent,
                       Out&& out) noexcept {
  const auto row = [&](std::size_t r) { return r < rows.count ? load(x.row(rows.first + r) + column, extent) : zero(); };
  simd low = row(2 * i), high = row(2 * i + 1);
  unrolled<Parts>([&](auto part) {
    const simd both = pair(low, high);
    out(part, both);
    if constexpr (part + 1 < Parts) {
      low = low - as_float(as_int(both) << 16);
      high = high - as_float(as_int(both) & simd_int(static_cast<std::int32_t>(0xFFFF0000)));
    }
  });
}

}  // namespace detail

/// Packs b [K, N] in parts into `out` [packed_split_size(K, N, Parts, L)]. No step of depth holds rows of two of the L
/// `groups`.
template <std::size_t Parts, executor E>
packed_split<Parts> pack_split_rows(const E& run, matrix<const float> b, float* out, const row_groups& groups = {}) noexcept {
  constexpr std::size_t cols = packed_split<Parts>::cols, step_words = Parts * amx::tile_words;
  const word_groups depth = detail::split_groups(groups, b.rows, Parts);
  const std::size_t words = depth.words(), panels = (b.cols + cols - 1) / cols;
  run.parallel_for(words / step_words, [&](std::size_t s) {
    const detail::step_rows rows = detail::rows_of_step(groups, depth, b.rows, Parts, s);
    for (std::size_t p = 0; p < panels; ++p) {
      float* const to = out + (p * words + s * step_words) * cols;
      const std::size_t count = std::min(cols, b.cols - p * cols);
      if (count < cols) std::fill_n(to, step_words * cols, 0.0f);
      for (std::size_t i = 0; i < amx::tile_words; ++i)
        for_each_register(count, [&](std::size_t c, auto extent) {
          detail::split_pair<Parts>(b, rows, i, p * cols + c, extent, [&](auto part, simd both) {
            store(to + (part * amx::tile_words + i) * cols + c, both, extent);
          });
        });
    }
  });
  return {out, words, b.cols};
}

/// The transpose of a [K, M] in parts: [M, split_words(K)], rows `split_stride(K, Parts, L)` words apart.
template <std::size_t Parts, executor E>
split_rows<Parts> transposed_split_rows(const E& run, matrix<const float> a, float* out,
                                        const row_groups& groups = {}) noexcept {
  constexpr std::size_t step_words = Parts * amx::tile_words;
  const word_groups depth = detail::split_groups(groups, a.rows, Parts);
  const std::size_t words = depth.words(), stride = split_stride(a.rows, Parts, groups.count());
  run.parallel_for(words / step_words, [&](std::size_t s) {
    const detail::step_rows rows = detail::rows_of_step(groups, depth, a.rows, Parts, s);
    for (std::size_t j = 0; j < a.cols; j += lanes) {
      const std::size_t width = std::min(lanes, a.cols - j);
      for (std::size_t i0 = 0; i0 < amx::tile_words; i0 += lanes) {
        simd square[Parts][lanes];
        for_each_register(width, [&](std::size_t, auto extent) {
          for (std::size_t i = 0; i < lanes; ++i)
            detail::split_pair<Parts>(a, rows, i0 + i, j, extent, [&](auto part, simd both) { square[part][i] = both; });
        });
        for (std::size_t part = 0; part < Parts; ++part) {
          transpose(square[part]);
          for (std::size_t c = 0; c < width; ++c)
            store(out + (j + c) * stride + s * step_words + part * amx::tile_words + i0, square[part][c]);
        }
      }
    }
  });
  return {{out, a.cols, words, stride}};
}

/// C[m,n] = epilogue(sum over k of A[k,m] B[k,n]), as close to f32 as `gemm_split`
///
/// a [K, M] and b [K, N] in f32; `scratch` [weight_gradient_split_size(K, M, N, Parts, L)] for L `groups` of k, whose sums are
/// added as a tree. The order of sums is that of `gemm_split` over the rows of each group.
template <class Tiles, std::size_t Parts, executor E, class Epilogue>
void weight_gradient_split(const E& run, matrix<const float> a, matrix<const float> b, float* scratch, const Epilogue& epilogue,
                           const row_groups& groups = {}) noexcept {
  using tile = amx_tile<detail::amx_split<Parts>, Tiles>;
  const auto packed = pack_split_rows<Parts>(run, b, scratch, groups);
  const auto left =
      transposed_split_rows<Parts>(run, a, scratch + packed_split_size(b.rows, b.cols, Parts, groups.count()), groups);
  multiply<typename tile::layout>(run, tile{}, left.words, a.cols, packed, epilogue,
                                  detail::split_groups(groups, a.rows, Parts));
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_GRADIENT_SPLIT_HPP
