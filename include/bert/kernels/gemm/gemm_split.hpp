// f32 products by bf16 tiles: each operand is the sum of two or three bf16, of whose products the largest are added.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_split_test.cpp
// Paper: Henry, Tang and Heinecke 2019, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision
// computations".
#ifndef BERT_KERNELS_GEMM_GEMM_SPLIT_HPP
#define BERT_KERNELS_GEMM_GEMM_SPLIT_HPP

#include <algorithm>
#include <array>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/gemm/tile_amx.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/amx.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/transpose.hpp"
#include "bert/tensor/storage.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// The elements of K that a tile multiplies at once. An operand's depth is padded with zeros to a multiple of it.
inline constexpr std::size_t split_step = 2 * amx::tile_words;

/// Words (pairs of bf16) of a row of K elements, each the sum of `parts`; with groups of k, an upper bound, as each is padded.
[[nodiscard]] constexpr std::size_t split_words(std::size_t k, std::size_t parts, std::size_t groups = 1) noexcept {
  return parts * amx::tile_words * ((k + groups * (split_step - 1)) / split_step);
}

/// x as a sum of bf16:  x0 = bf16(x), x1 = bf16(x - x0), x2 = bf16(x - x0 - x1), the differences exact
///
/// A row holds, for every 32 elements, the 32 of each part. |x - x0 - x1| <= 2^-17 |x|, with three parts 2^-25 |x|, above
/// 2^-100.
template <std::size_t Parts>
struct split_rows {
  matrix<const bf16_pair> words;  ///< [M, split_words(K, Parts)]
};

/// Words between rows of a split operand: one cache line more where rows would fall into the same sets of the first-level
/// cache.
[[nodiscard]] constexpr std::size_t split_stride(std::size_t k, std::size_t parts, std::size_t groups = 1) noexcept {
  const std::size_t words = split_words(k, parts, groups);
  return words % 512 == 0 ? words + amx::tile_words : words;
}

/// A packed operand [K, N] in parts: panels of [split_words(K), 32] pairs.
template <std::size_t Parts>
struct packed_split {
  const bf16_pair* data = nullptr;
  std::size_t k = 0;  ///< in words
  std::size_t n = 0;

  static constexpr std::size_t cols = 2 * amx::tile_words;
  [[nodiscard]] constexpr std::size_t panels() const noexcept { return (n + cols - 1) / cols; }
  [[nodiscard]] constexpr const bf16_pair* panel(std::size_t p) const noexcept { return data + p * k * cols; }
};

/// Size of a packed operand [k, n] in floats; with groups of k, an upper bound.
[[nodiscard]] constexpr std::size_t packed_split_size(std::size_t k, std::size_t n, std::size_t parts,
                                                      std::size_t groups = 1) noexcept {
  return split_words(k, parts, groups) * round_up(n, 2 * amx::tile_words);
}

/// Writes the parts of `row` [K] into `out` [split_words(K, Parts)].
template <std::size_t Parts>
void split_row(const float* row, std::size_t k, bf16_pair* out) noexcept {
  auto* const to = reinterpret_cast<bf16*>(out);
  if (k % split_step != 0) std::fill_n(out + k / split_step * Parts * amx::tile_words, Parts * amx::tile_words, 0.0f);
  for_each_register(k, [&](std::size_t j, auto extent) {
    bf16* at = to + j / split_step * Parts * split_step + j % split_step;
    simd rest = load(row + j, extent);
    unrolled<Parts>([&](auto part) {
      store(at, rest, extent);
      if constexpr (part + 1 < Parts) rest = rest - load(at, extent);
      at += split_step;
    });
  });
}

/// Packs the transpose of w [N, K] into `out` [packed_split_size(K, N, Parts)].
template <std::size_t Parts, executor E>
packed_split<Parts> pack_split(const E& run, matrix<const float> w, float* out) noexcept {
  constexpr std::size_t cols = packed_split<Parts>::cols;
  const std::size_t n = w.rows, words = split_words(w.cols, Parts), panels = (n + cols - 1) / cols;
  run.parallel_for(panels, [&](std::size_t p) {
    float* panel = out + p * words * cols;
    for (std::size_t first = 0; first < cols; first += lanes)
      for (std::size_t k = 0; k < w.cols; k += split_step) {
        // `lanes` rows of one step, turned a square at a time.
        constexpr std::size_t step = Parts * amx::tile_words;
        alignas(alignment) bf16_pair rows[lanes][step] = {};
        for (std::size_t r = 0; r < lanes && p * cols + first + r < n; ++r)
          split_row<Parts>(w.row(p * cols + first + r) + k, std::min(split_step, w.cols - k), rows[r]);
        float* to = panel + k / split_step * step * cols + first;
        for (std::size_t i = 0; i < step; i += lanes) {
          simd square[lanes];
          for (std::size_t r = 0; r < lanes; ++r) square[r] = load(rows[r] + i);
          transpose(square);
          for (std::size_t r = 0; r < lanes; ++r) store(to + (i + r) * cols, square[r]);
        }
      }
  });
  return {out, words, n};
}

namespace detail {

/// Pairs of bf16 in two or three parts: the products of parts i and j with i + j < Parts, in an order that loads few tiles.
template <std::size_t Parts>
struct amx_split : amx_pairs {
  static_assert(Parts == 2 || Parts == 3, "two parts or three");
  static constexpr std::size_t parts = Parts;
  static constexpr auto terms = [] {
    if constexpr (Parts == 2) return std::array<amx_term, 3>{{{1, 0}, {0, 0}, {0, 1}}};
    else return std::array<amx_term, 6>{{{0, 2}, {0, 1}, {1, 1}, {1, 0}, {2, 0}, {0, 0}}};
  }();
};

}  // namespace detail

/// C[m,n] = epilogue(sum over k of A[m,k] B[k,n]), close to f32: errors of some 2^-16 |A[m,k] B[k,n]| with two parts, of f32
/// with three
///
/// Sums in f32, in the order of tiles: for every 32 elements of K the products of parts (0, 2), (0, 1), (1, 1), (1, 0), (2, 0),
/// (0, 0), or (1, 0), (0, 0), (0, 1), each as TDPBF16PS adds. The bits of row m depend on that row of `a` and on `b` alone.
template <class Tiles, std::size_t Parts, executor E, class Epilogue>
void gemm_split(const E& run, const split_rows<Parts>& a, const packed_split<Parts>& b, const Epilogue& epilogue) noexcept {
  detail::amx_product(run, amx_tile<detail::amx_split<Parts>, Tiles>{}, a.words, b, epilogue);
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_GEMM_SPLIT_HPP
