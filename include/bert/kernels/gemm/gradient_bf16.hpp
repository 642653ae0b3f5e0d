// bf16 products C = epilogue(A^T B) for gradients of weights: A and B are pairs along K.
// Layer: kernels. Test: tests/unit/kernels/gemm/gradient_bf16_test.cpp
#ifndef BERT_KERNELS_GEMM_GRADIENT_BF16_HPP
#define BERT_KERNELS_GEMM_GRADIENT_BF16_HPP

#include <concepts>
#include <cstddef>

#include "bert/core/amx_permission.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/depth.hpp"
#include "bert/kernels/gemm/gemm_bf16.hpp"
#include "bert/kernels/gemm/pack_bf16.hpp"
#include "bert/kernels/gemm/product.hpp"
#include "bert/kernels/gemm/tile_amx.hpp"
#include "bert/kernels/gemm/tile_bf16.hpp"
#include "bert/kernels/rows/row_groups.hpp"
#include "bert/kernels/simd/amx.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// C[m,n] = epilogue(sum over k of A[k,m] B[k,n]), sums in f32
///
/// a [ceil(K / 2), M] of pairs (`pair_rows`), b packed [K, N] (`pack_bf16`), both with these `groups`: gradients of weights, k
/// over tokens. Order and bits as in bf16 `gemm`; with `groups` of k, their sums are added as a tree.
template <executor E, class Epilogue>
void gemm_transposed(const E& run, matrix<const bf16_pair> a, packed_bf16 b, const Epilogue& epilogue,
                     const row_groups& groups = {}) noexcept {
  const std::size_t rows = groups.offsets.empty() ? 2 * b.pairs.k : groups.offsets.back();
  multiply<detail::transposed<bf16_pairs>>(run, bf16_tile{}, a, a.cols, b.pairs, epilogue, word_groups(groups, rows, 2));
}

/// C[m,n] = epilogue(sum over k of A[k,m] B[k,n]), sums in f32, in the order `Order`
///
/// a [K, M] and b [K, N] in f32; `scratch` has bf16_pairs_of(K, L) M + packed_bf16_size(K, N, L) floats for L `groups` of k,
/// whose sums are added as a tree. Each input is rounded to bf16 once.
template <class Order = bf16_order::fastest, executor E, class Epilogue>
void weight_gradient_bf16(const E& run, matrix<const float> a, matrix<const float> b, float* scratch, const Epilogue& epilogue,
                          const row_groups& groups = {}) noexcept {
  const packed_bf16 packed = pack_bf16(run, b, scratch, groups);
  float* const left = scratch + packed_bf16_size(b.rows, b.cols, groups.count());
  const auto by_tiles = [&]<class Tiles>(Tiles) {
    using tile = amx_tile<detail::amx_pairs, Tiles>;
    static_assert(tile_cols == tile::cols || !std::same_as<Order, bf16_order::tiles>, "panels of 32 columns");
    if constexpr (tile_cols == tile::cols)
      multiply<typename tile::layout>(run, tile{}, transposed_pair_rows(run, a, left, groups), a.cols, packed.pairs, epilogue,
                                      word_groups(groups, a.rows, 2));
  };
#if BERT_AMX
  if (!std::same_as<Order, bf16_order::pairs> && amx_permitted()) return by_tiles(amx::processor_tiles{});
#endif
  if constexpr (std::same_as<Order, bf16_order::tiles>) by_tiles(amx::plain_tiles{});
  else gemm_transposed(run, pair_rows(run, a, left, groups), packed, epilogue, groups);
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_GRADIENT_BF16_HPP
