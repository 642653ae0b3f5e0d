// y = x W^T + b in training, forward and backward, in f32, with products in bf16 or with f32 products by parts of bf16.
// Layer: layers. Test: tests/unit/layers/linear_test.cpp
#ifndef BERT_LAYERS_LINEAR_HPP
#define BERT_LAYERS_LINEAR_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <utility>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/gemm/gemm.hpp"
#include "bert/kernels/gemm/gradient_bf16.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/layers/precision_bf16.hpp"
#include "bert/layers/precision_split.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA {

/// The precision of the linear layers' products in training, forward and backward: precision::f32, bf16, bf16x3 or bf16x6.
/// Weights, gradients, moments, sums and everything else are f32 in all.
template <class P>
concept training_precision = std::same_as<P, precision::f32> || std::same_as<P, precision::bf16> || precision::adds_parts<P>;

}  // namespace bert

namespace bert::inline BERT_ISA::layers {

/// An executor that carries the precision of the linear layers' products, so that heads need not know it.
template <training_precision P, executor E>
struct in_precision {
  using products = P;
  E run;

  template <class Body>
  void parallel_for(std::size_t count, Body&& body) const {
    run.parallel_for(count, std::forward<Body>(body));
  }
  [[nodiscard]] std::size_t width() const noexcept { return run.width(); }
};

/// How a description of a training names the precision of its products; f32 is not named.
template <training_precision P>
inline constexpr const char* products_of = std::same_as<P, precision::f32>    ? ""
                                           : std::same_as<P, precision::bf16> ? " products=bf16"
                                           : precision::parts_in<P> == 2      ? " products=bf16x3"
                                                                              : " products=bf16x6";

template <class E>
inline constexpr bool products_in_bf16 = requires {
  requires std::same_as<typename E::products, precision::bf16>;
};

template <class E>
inline constexpr bool products_in_parts = requires {
  requires precision::adds_parts<typename E::products>;
};

/// Floats of scratch that `linear_forward` and `linear_backward` need for N rows, `in` inputs and `out` outputs: one packed
/// operand in f32, both at half the size in bf16, and for numbers in several `parts` both at up to 1.5 times the size.
/// `groups`: of rows over which gradients are summed. Without `parts`, for any precision.
[[nodiscard]] constexpr std::size_t linear_scratch(std::size_t n, std::size_t in, std::size_t out, std::size_t groups = 1,
                                                   std::size_t parts = 3) noexcept {
  using kernels::bf16_pairs_of, kernels::packed_bf16_size;
  const std::size_t whole =
      std::max({kernels::packed_size(in, out), kernels::packed_size(out, in), kernels::packed_size(n, in),
                packed_bf16_size(in, out) + n * bf16_pairs_of(in), packed_bf16_size(out, in) + n * bf16_pairs_of(out),
                packed_bf16_size(n, in, groups) + bf16_pairs_of(n, groups) * out});
  if (parts == 1) return whole;
  return std::max(whole, parts == 2 ? precision::bf16x3::training_scratch(n, in, out, groups)
                                    : precision::bf16x6::training_scratch(n, in, out, groups));
}
/// The same for the groups and parts of a tape's capacity.
[[nodiscard]] constexpr std::size_t linear_scratch(std::size_t n, std::size_t in, std::size_t out,
                                                   const batch_shape& s) noexcept {
  return linear_scratch(n, in, out, s.leaves, s.parts);
}

/// epilogue(x W^T)
///
/// `x` [N, in], `w` [out, in]; packs `w` into `scratch` first, as weights change every step.
template <executor E, class Epilogue>
void linear_forward(const E& e, matrix<const float> x, matrix<const float> w, const Epilogue& epilogue,
                    float* scratch) noexcept {
  if constexpr (products_in_bf16<E> || products_in_parts<E>) {
    using P = typename E::products;
    const auto packed = P::pack(e, w, scratch);
    P::multiply(e, P::convert(e, x, scratch + P::weight_size(w.cols, w.rows)), packed, epilogue);
  } else {
    kernels::gemm(e, x, kernels::pack_transposed(e, w, scratch), epilogue);
  }
}

/// d_b += sum_n d_y[n,:],  d_W += d_y^T x
///
/// `d_y` [N, out], `x` [N, in]; adds to `d_b` [out], adds to or writes `d_w` [out, in]. Either may be nullptr, if it is not
/// trained.
template <executor E>
void linear_weight_gradient(const E& e, matrix<const float> x, matrix<const float> d_y, matrix<float> d_w, float* d_b,
                            float* scratch, kernels::gradients how = kernels::gradients::added,
                            const kernels::row_groups& groups = {}) noexcept {
  kernels::column_sums(e, d_y, d_b, groups);
  if (d_w.data == nullptr) return;
  const kernels::epilogue::add out{d_w, how};
  if constexpr (products_in_bf16<E>) {
    kernels::weight_gradient_bf16(e, d_y, x, scratch, out, groups);
  } else if constexpr (products_in_parts<E>) {
    E::products::weight_gradient(e, d_y, x, scratch, out, groups);
  } else {
    kernels::gemm_transposed(e, d_y, kernels::pack(e, x, scratch), out, groups);
  }
}

/// epilogue(d_y W), the gradient with respect to x
template <executor E, class Epilogue>
void linear_input_gradient(const E& e, matrix<const float> w, matrix<const float> d_y, const Epilogue& epilogue,
                           float* scratch) noexcept {
  if constexpr (products_in_bf16<E>) {
    const auto packed = kernels::pack_bf16(e, w, scratch);
    kernels::gemm(e, precision::bf16::convert(e, d_y, scratch + kernels::packed_bf16_size(w.rows, w.cols)).rows, packed,
                  epilogue);
  } else if constexpr (products_in_parts<E>) {
    E::products::input_gradient(e, w, d_y, epilogue, scratch);
  } else {
    kernels::gemm(e, d_y, kernels::pack(e, w, scratch), epilogue);
  }
}

/// Both, the weight's gradient first. The epilogue receives d_x and may overwrite `x`.
template <executor E, class Epilogue>
void linear_backward(const E& e, matrix<const float> x, matrix<const float> w, matrix<const float> d_y, matrix<float> d_w,
                     float* d_b, const Epilogue& epilogue, float* scratch, kernels::gradients how = kernels::gradients::added,
                     const kernels::row_groups& groups = {}) noexcept {
  linear_weight_gradient(e, x, d_y, d_w, d_b, scratch, how, groups);
  linear_input_gradient(e, w, d_y, epilogue, scratch);
}

}  // namespace bert::layers

#endif  // BERT_LAYERS_LINEAR_HPP
