// Attention policies: which tokens a token attends to.
// Layer: layers. Test: tests/unit/kernels/attention/attention_test.cpp, tests/unit/guide. Paper: Vaswani et al. 2017, 3.2.
#ifndef BERT_LAYERS_ATTENTION_HPP
#define BERT_LAYERS_ATTENTION_HPP

#include <concepts>

#include "bert/core/isa.hpp"
#include "bert/kernels/attention/attention.hpp"
#include "bert/kernels/attention/attention_backward.hpp"
#include "bert/tensor/token_batch.hpp"

// A policy has three static functions; D is the size of a head, H = A D:
//
//     run<D>(e, qkv, run, context)
//         inference: reads qkv [N, 3H], writes context [N, H], each of float or bf16
//     forward<D>(e, qkv, run, context, log_sum, drop)
//         training: also writes log_sum [A, N] for backward
//     backward<D>(e, qkv, run, context, log_sum, d_context, d_qkv, drop)
//         writes d_qkv [N, 3H]
//
// The argument `run` has the ids, segments and marks of the sequences, from which a policy may derive its mask.

namespace bert::inline BERT_ISA::attention {

/// Every token attends to every token of its sequence.
struct full {
  template <int HeadDim, executor E, class In, class Out>
  static void run(const E& e, matrix<const In> qkv, const token_run& run, matrix<Out> context) noexcept {
    kernels::attention<HeadDim>(e, qkv, run.starts, context);
  }
  template <int HeadDim, executor E>
  static void forward(const E& e, matrix<const float> qkv, const token_run& run, matrix<float> context, float* log_sum,
                      kernels::dropout drop) noexcept {
    kernels::attention<HeadDim>(e, qkv, run.starts, context, log_sum, drop);
  }
  template <int HeadDim, executor E>
  static void backward(const E& e, matrix<const float> qkv, const token_run& run, matrix<const float> context,
                       const float* log_sum, matrix<const float> d_context, matrix<float> d_qkv,
                       kernels::dropout drop) noexcept {
    kernels::attention_backward<HeadDim>(e, qkv, run.starts, context, log_sum, d_context, d_qkv, drop);
  }
};

}  // namespace bert::attention

#endif  // BERT_LAYERS_ATTENTION_HPP
