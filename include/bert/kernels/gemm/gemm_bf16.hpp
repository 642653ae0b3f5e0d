// Matrix products of bf16 with sums in f32, of rows of A.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_bf16_test.cpp
#pragma once

#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/pack_bf16.hpp"
#include "bert/kernels/gemm/register_tile.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

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
