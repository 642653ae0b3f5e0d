// Products of bf16 that training adds to those of inference: an operand packed as it lies, and a left operand read by columns.
// Layer: kernels. Test: tests/unit/kernels/gemm/gradient_bf16_test.cpp
#pragma once

#include <algorithm>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/gemm_bf16.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {
namespace detail {

/// Registers of pairs (x[i, j], x[i + 1, j]) for count columns from j on; the row past the last is zero. out(c, pairs, extent).
template <class Out>
inline void pair_up_rows(matrix<const float> x, std::size_t i, std::size_t j, std::size_t count, Out&& out) noexcept {
  const float *low = x.row(i) + j, *high = low + x.stride;
  const bool both = i + 1 < x.rows;
  for_each_register(count, [&](std::size_t c, auto extent) {
    out(c, pair(load(low + c, extent), both ? load(high + c, extent) : zero()), extent);
  });
}

}  // namespace detail

/// Packs b [K, N], rounded to bf16, into `out` [packed_bf16_size(K, N)].
template <executor E>
packed_bf16 pack_bf16(const E& run, matrix<const float> b, float* out) noexcept {
  const std::size_t pairs = bf16_pairs_of(b.rows), n = b.cols, panels = (n + tile_cols - 1) / tile_cols;
  // 64 rows of 768 columns: some 15 µs. Eight pairs of rows at a time write 1 KB runs into each panel and ask for the next
  // eight.
  constexpr std::size_t strip = 8;
  for_each_range(run, pairs, 32, [&](std::size_t first, std::size_t last) {
    for (std::size_t i0 = first; i0 < last; i0 += strip)
      for (std::size_t p = 0; p < panels; ++p) {
        const std::size_t count = std::min(tile_cols, n - p * tile_cols);
        for (std::size_t i = i0; i < std::min(last, i0 + strip); ++i) {
          float* to = out + (p * pairs + i) * tile_cols;
          const float* later = b.row(2 * i) + 2 * strip * b.stride + p * tile_cols;
          for (std::size_t j = 0; j < tile_cols; j += alignment / sizeof(float))
            prefetch(later + j), prefetch(later + b.stride + j);
          if (count < tile_cols) store(to, zero()), store(to + lanes, zero());
          detail::pair_up_rows(b, 2 * i, p * tile_cols, count,
                               [&](std::size_t c, simd x, auto extent) { store(to + c, x, extent); });
        }
      }
  });
  return {{out, pairs, n}};
}

/// a [K, M], rounded to bf16, as pairs along K [ceil(K / 2), M]: the left operand of `gemm_transposed`.
template <executor E>
matrix<const bf16_pair> pair_rows(const E& run, matrix<const float> a, float* out) noexcept {
  const std::size_t pairs = bf16_pairs_of(a.rows), m = a.cols;
  for_each_row(run, pairs, 2 * m, [&](std::size_t i) {
    detail::pair_up_rows(a, 2 * i, 0, m, [to = out + i * m](std::size_t c, simd x, auto extent) { store(to + c, x, extent); });
  });
  return {out, pairs, m};
}

/// C[m,n] = epilogue(sum over k of A[k,m] B[k,n]), sums in f32
///
/// a [ceil(K / 2), M] of pairs, b packed [K, N]: gradients of weights, k over tokens. Order and bits as in `gemm` of bf16.
template <executor E, class Epilogue>
void gemm_transposed(const E& run, matrix<const bf16_pair> a, packed_bf16 b, const Epilogue& epilogue) noexcept {
  detail::product<bf16_pairs, detail::operand::transposed>(run, a, a.cols, b.pairs, epilogue);
}

}  // namespace bert::kernels
