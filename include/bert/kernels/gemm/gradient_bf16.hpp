// bf16 products C = epilogue(A^T B) for gradients of weights: A and B are pairs along K.
// Layer: kernels. Test: tests/unit/kernels/gemm/gradient_bf16_test.cpp
#pragma once

#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/depth.hpp"
#include "bert/kernels/gemm/gemm_bf16.hpp"
#include "bert/kernels/gemm/pack_bf16.hpp"
#include "bert/kernels/gemm/product.hpp"
#include "bert/kernels/gemm/tile_bf16.hpp"
#include "bert/kernels/rows/row_groups.hpp"
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

}  // namespace bert::kernels
