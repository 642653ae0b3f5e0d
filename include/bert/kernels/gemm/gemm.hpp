// f32 products C = epilogue(A B) and C = epilogue(A^T B).
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_test.cpp
#ifndef BERT_KERNELS_GEMM_GEMM_HPP
#define BERT_KERNELS_GEMM_GEMM_HPP

#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/gemm/pack.hpp"
#include "bert/kernels/gemm/product.hpp"
#include "bert/kernels/gemm/tile_f32.hpp"
#include "bert/kernels/rows/row_groups.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// C[m,n] = epilogue(sum over k of A[m,k] B[k,n])
///
/// a [M, K], b packed [K, N]. Each sum runs over k = 0, 1, … K-1 in order: the bits of row m depend only on that row of `a` and
/// on `b`, not on M or the executor. Fastest if the stride of `a` is not a multiple of 1,024. Each thread needs 250 KB of
/// stack, 520 KB for `gemm_transposed`.
template <executor E, class Epilogue>
void gemm(const E& run, matrix<const float> a, packed b, const Epilogue& epilogue) noexcept {
  detail::row_product<f32_elements>(run, a, b, epilogue);
}

/// C[m,n] = epilogue(sum over k of A[k,m] B[k,n])
///
/// a [K, M], b packed [K, N]: gradients of weights, k over tokens. Bits as in `gemm`; with `groups` of k, their sums are added
/// as a tree.
template <executor E, class Epilogue>
void gemm_transposed(const E& run, matrix<const float> a, packed b, const Epilogue& epilogue,
                     const row_groups& groups = {}) noexcept {
  multiply<detail::transposed<f32_elements>>(run, f32_tile{}, a, a.cols, b, epilogue, word_groups(groups, b.k, 1));
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_GEMM_HPP
