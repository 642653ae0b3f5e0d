// y = x W^T + b: a weight packed for inference, and the backward pass.
// Layer: layers. Test: tests/unit/layers/linear_test.cpp
#pragma once

#include <algorithm>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/kernels/elementwise.hpp"
#include "bert/kernels/epilogue.hpp"
#include "bert/kernels/gemm.hpp"
#include "bert/tensor/view.hpp"

namespace bert::layers {

/// Floats of scratch that `linear_forward` and `linear_backward` need for N rows, `in` inputs and `out` outputs.
[[nodiscard]] constexpr std::size_t linear_scratch(std::size_t n, std::size_t in, std::size_t out) noexcept {
  return std::max({kernels::packed_size(in, out), kernels::packed_size(out, in), kernels::packed_size(n, in)});
}

/// epilogue(x W^T)
///
/// `x` [N, in], `w` [out, in]; packs `w` into `scratch` on the way, as training must: weights change every step.
template <executor E, class Epilogue>
void linear_forward(const E& e, matrix<const float> x, matrix<const float> w, const Epilogue& epilogue, float* scratch) noexcept {
  kernels::gemm(e, x, kernels::pack_transposed(e, w, scratch), epilogue);
}

/// d_b += sum_n d_y[n,:],  d_W += d_y^T x,  d_x = epilogue(d_y W)
///
/// `d_y` [N, out]; adds to `d_w` [out, in] and `d_b` [out]; what becomes of d_x is the epilogue's.
template <executor E, class Epilogue>
void linear_backward(const E& e, matrix<const float> x, matrix<const float> w, matrix<const float> d_y, matrix<float> d_w, float* d_b,
                     const Epilogue& epilogue, float* scratch) noexcept {
  kernels::column_sums(e, d_y, d_b);
  kernels::gemm_transposed(e, d_y, kernels::pack(e, x, scratch), kernels::epilogue::add{d_w});
  kernels::gemm(e, d_y, kernels::pack(e, w, scratch), epilogue);
}

}  // namespace bert::layers
