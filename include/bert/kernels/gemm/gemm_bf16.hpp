// Matrix products of bf16 with sums in f32: the tile of gemm.hpp over pairs of bf16.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_bf16_test.cpp
#pragma once

#include <algorithm>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/gemm.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/transpose.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// A packed [K, N] operand of bf16: panels of [ceil(K / 2), tile_cols] pairs along K; columns past N and rows past K are zero.
struct packed_bf16 {
  packed pairs;
};

/// Pairs, four bytes each, of a row of k numbers.
[[nodiscard]] constexpr std::size_t bf16_pairs_of(std::size_t k) noexcept { return (k + 1) / 2; }

/// Floats that a packed [k, n] operand of bf16 takes.
[[nodiscard]] constexpr std::size_t packed_bf16_size(std::size_t k, std::size_t n) noexcept {
  return packed_size(bf16_pairs_of(k), n);
}

/// Packs the transpose of w [N, K], rounded to bf16, into `out` [packed_bf16_size(K, N)].
template <executor E>
packed_bf16 pack_transposed_bf16(const E& run, matrix<const float> w, float* out) noexcept {
  const std::size_t n = w.rows, pairs = bf16_pairs_of(w.cols), panels = (n + tile_cols - 1) / tile_cols;
  run.parallel_for(panels, [&](std::size_t p) {
    float* panel = out + p * pairs * tile_cols;
    for (std::size_t half = 0; half < tile_cols; half += lanes)
      for (std::size_t i = 0; i < pairs; i += lanes) {
        // A square of lanes rows and lanes pairs, rounded, then turned.
        alignas(alignment) bf16 rounded[lanes][2 * lanes] = {};
        simd square[lanes];
        for (std::size_t r = 0; r < lanes; ++r) {
          const std::size_t row = p * tile_cols + half + r;
          const float* later = w.data + row * w.stride + 2 * i + 128;  // rows far apart, which no hardware foresees
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

/// C[m,n] = epilogue(sum over k of A[m,k] B[k,n]), sums in f32
///
/// a [M, K], b packed [K, N]. Each sum takes k = 1, 0, 3, 2, 5, 4, … in order, rounding once for each: the bits of row m depend
/// on that row of `a` and on `b` only, and are the same on every ISA with fused multiply-add, or without. Rows of `a` are an
/// even number of elements apart and, where K is odd, followed by a zero.
template <executor E, class Epilogue>
void gemm(const E& run, matrix<const bf16> a, packed_bf16 b, const Epilogue& epilogue) noexcept {
  const matrix<const float> pairs{reinterpret_cast<const bf16_pair*>(a.data), a.rows, b.pairs.k, a.stride / 2};
  detail::row_product<bf16_pairs>(run, pairs, b.pairs, epilogue);
}

}  // namespace bert::kernels
