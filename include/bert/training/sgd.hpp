// SGD with momentum, classical or Nesterov's.
// Layer: training. Test: tests/unit/training/optimizers_test.cpp. Paper: Sutskever et al. 2013.
#ifndef BERT_TRAINING_SGD_HPP
#define BERT_TRAINING_SGD_HPP

#include <array>
#include <cstddef>
#include <string>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/optimizer/sgd.hpp"
#include "bert/training/optimizer.hpp"

namespace bert::inline BERT_ISA::optim {

using kernels::momentum_kind;

/// g <- g * min(1, clip_norm / |g|) + weight_decay p;  v <- momentum v + g
/// p <- p - rate v, or with `momentum_kind::nesterov` p - rate (g + momentum v)
///
/// PyTorch's SGD: weight decay is part of the gradient. Biases and norms do not decay. Needs rates some hundred times AdamW's.
struct sgd {
  float momentum = 0.9f;
  float weight_decay = 0;
  float clip_norm = 1.0f;
  momentum_kind kind = momentum_kind::classical;

  /// The velocities of all trained parameters.
  struct state {
    explicit state(std::size_t block) : v(block) {}
    [[nodiscard]] std::array<state_block, 1> blocks() noexcept { return {{{"velocity", v.span()}}}; }
    buffer<float> v;
  };

  template <executor E>
  void apply(const E& e, const update& u, state& s) const noexcept {
    kernels::sgd_step each{.momentum = momentum, .kind = kind, .gradient_scale = clip_scale(u.gradient_norm, clip_norm)};
    for (const trained_tensor& t : u.tensors) {
      each.rate = t.rate;
      each.decay = weight_decay * t.decay;
      kernels::sgd(e, each, t.gradient, s.v.span().subspan(t.offset, t.values.size()), t.values);
    }
  }

  /// The hyper-parameters that a resumed run must share.
  [[nodiscard]] std::string describe() const {
    return cat("sgd momentum=", momentum, kind == momentum_kind::nesterov ? " nesterov" : "", " weight_decay=", weight_decay,
               " clip_norm=", clip_norm);
  }
};

}  // namespace bert::optim

#endif  // BERT_TRAINING_SGD_HPP
