// The tile of bf16: registers of pairs, by AVX512_BF16's instruction or, without it, by fused multiply-adds of f32.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_bf16_test.cpp
#pragma once

#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/register_tile.hpp"
#include "bert/kernels/simd/bf16.hpp"

namespace bert::inline BERT_ISA::kernels {

/// A word is a pair of bf16 along K. B is packed by `pack_bf16` or `pack_transposed_bf16`; rows of A are read in place where
/// the instruction is, and copied in two halves where there is none.
struct bf16_tile : register_tile<bf16_pairs> {};

}  // namespace bert::kernels
