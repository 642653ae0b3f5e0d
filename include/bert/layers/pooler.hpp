// The pooler: the first token of each sequence through a dense layer and tanh.
// Layer: layers. Test: tests/unit/layers/pooler_test.cpp. Paper: Devlin et al. 2019.
//
//   pooled[s,:] = tanh(hidden[start_s,:] W^T + b)
#pragma once

#include <algorithm>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/layers/linear.hpp"
#include "bert/tensor/arena.hpp"

namespace bert::inline BERT_ISA::layers {

template <class A, class T>
struct pooler_parameters {
  matrix<T> weight;
  T* bias;
};

template <class A>
struct packed_pooler {
  static constexpr std::size_t h = A::hidden;
  kernels::packed weight;
  const float* bias;

  static constexpr void carve(carver& c) noexcept {
    c.take(kernels::packed_size(h, h));
    c.take(h);
  }
  template <executor E>
  packed_pooler(const E& e, carver& c, const pooler_parameters<A, const float>& p) noexcept
      : weight(kernels::pack_transposed(e, p.weight, c.take(kernels::packed_size(h, h)))),
        bias(std::copy_n(p.bias, h, c.take(h)) - h) {}
};

/// Buffers for S sequences, in inference and in training.
template <class A>
struct pooler_workspace {
  float *first, *pooled;
  constexpr pooler_workspace(carver& c, std::size_t s) noexcept : first(c.take(s * A::hidden)), pooled(c.take(s * A::hidden)) {}
};

/// Copies the first row of each sequence into `first` [S, H].
inline void gather_first(std::span<const std::size_t> starts, matrix<const float> hidden, matrix<float> first) noexcept {
  for (std::size_t s = 0; s + 1 < starts.size(); ++s) std::copy_n(hidden.row(starts[s]), hidden.cols, first.row(s));
}

/// Writes `w.pooled` [S, H].
template <class A, executor E>
void pooler_forward(const E& e, const packed_pooler<A>& p, std::span<const std::size_t> starts, matrix<const float> hidden,
                    const pooler_workspace<A>& w) noexcept {
  const std::size_t s = starts.size() - 1;
  const matrix<float> first{w.first, s, A::hidden}, pooled{w.pooled, s, A::hidden};
  gather_first(starts, hidden, first);
  kernels::gemm(e, first, p.weight, kernels::epilogue::bias{pooled, p.bias});
  kernels::tanh_forward(e, pooled);
}

/// The same from weights as they lie in the parameter block; `packed` is scratch of `linear_scratch(S, H, H)`.
template <class A, executor E>
void pooler_forward(const E& e, const pooler_parameters<A, const float>& p, std::span<const std::size_t> starts,
                    matrix<const float> hidden, const pooler_workspace<A>& w, float* packed) noexcept {
  const std::size_t s = starts.size() - 1;
  const matrix<float> first{w.first, s, A::hidden}, pooled{w.pooled, s, A::hidden};
  gather_first(starts, hidden, first);
  linear_forward(e, first, p.weight, kernels::epilogue::bias{pooled, p.bias}, packed);
  kernels::tanh_forward(e, pooled);
}

/// Adds to the gradients in `g` and to the first rows of `d_hidden`; overwrites `d_pooled` [S, H] and `w.first`.
template <class A, executor E>
void pooler_backward(const E& e, const pooler_parameters<A, const float>& p, const pooler_parameters<A, float>& g,
                     std::span<const std::size_t> starts, const pooler_workspace<A>& w, matrix<float> d_pooled,
                     matrix<float> d_hidden, float* packed) noexcept {
  const std::size_t s = starts.size() - 1;
  const matrix<float> first{w.first, s, A::hidden};
  kernels::tanh_backward(e, matrix<const float>{w.pooled, s, A::hidden}, d_pooled);
  linear_backward(e, first, p.weight, d_pooled, g.weight, g.bias, kernels::epilogue::store{first}, packed);
  for (std::size_t i = 0; i < s; ++i)
    for (std::size_t j = 0; j < d_hidden.cols; ++j) d_hidden(starts[i], j) += first(i, j);
}

}  // namespace bert::layers
