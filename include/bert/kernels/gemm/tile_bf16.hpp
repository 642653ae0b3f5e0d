// The bf16 tile: registers of pairs, multiplied by VDPBF16PS or, without it, by f32 FMAs.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_bf16_test.cpp
#ifndef BERT_KERNELS_GEMM_TILE_BF16_HPP
#define BERT_KERNELS_GEMM_TILE_BF16_HPP

#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/register_tile.hpp"
#include "bert/kernels/simd/bf16.hpp"

namespace bert::inline BERT_ISA::kernels {

/// A word is a pair of bf16 along K. B is packed by `pack_bf16` or `pack_transposed_bf16`; rows of A are read in place with
/// VDPBF16PS, and copied as two halves without it.
struct bf16_tile : register_tile<bf16_pairs> {};

}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_TILE_BF16_HPP
