// The f32 tile on every instruction set: registers of floats, one FMA per element and step.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_test.cpp
#ifndef BERT_KERNELS_GEMM_TILE_F32_HPP
#define BERT_KERNELS_GEMM_TILE_F32_HPP

#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/pack.hpp"
#include "bert/kernels/gemm/register_tile.hpp"
#include "bert/kernels/rows/for_each.hpp"

namespace bert::inline BERT_ISA::kernels {

/// A word is a float. B is packed by `pack` or `pack_transposed` (pack.hpp), rows of A are read in place, columns are copied.
struct f32_tile : register_tile<f32_elements> {};

}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_TILE_F32_HPP
