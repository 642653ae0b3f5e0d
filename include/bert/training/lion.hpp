// Lion: steps of one length, along the sign of a momentum.
// Layer: training. Test: tests/unit/training/optimizers_test.cpp. Paper: Chen et al. 2023, "Symbolic discovery of optimization
// algorithms".
#ifndef BERT_TRAINING_LION_HPP
#define BERT_TRAINING_LION_HPP

#include <array>
#include <cstddef>
#include <string>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/optimizer/lion.hpp"
#include "bert/training/optimizer.hpp"

namespace bert::inline BERT_ISA::optim {

/// g <- g * min(1, clip_norm / |g|);  p <- p - rate (sign(beta1 m + (1 - beta1) g) + weight_decay p)
/// m <- beta2 m + (1 - beta2) g
///
/// One float of state a parameter. Every step is as long as the rate: the paper takes a third to a tenth of AdamW's rate, and a
/// weight decay that is larger by the same factor.
struct lion {
  float beta1 = 0.9f;
  float beta2 = 0.99f;
  float weight_decay = 0.1f;
  float clip_norm = 1.0f;

  /// The momentum of all trained parameters.
  struct state {
    explicit state(std::size_t block) : m(block) {}
    [[nodiscard]] std::array<state_block, 1> blocks() noexcept { return {{{"m", m.span()}}}; }
    buffer<float> m;
  };

  template <executor E>
  void apply(const E& e, const update& u, state& s) const noexcept {
    kernels::lion_step each{.beta1 = beta1, .beta2 = beta2, .gradient_scale = clip_scale(u.gradient_norm, clip_norm)};
    for (const trained_tensor& t : u.tensors) {
      each.rate = t.rate;
      each.decay = weight_decay * t.decay;
      kernels::lion(e, each, t.gradient, s.m.span().subspan(t.offset, t.values.size()), t.values);
    }
  }

  /// The hyper-parameters that a resumed run must share.
  [[nodiscard]] std::string describe() const {
    return cat("lion beta1=", beta1, " beta2=", beta2, " weight_decay=", weight_decay, " clip_norm=", clip_norm);
  }
};

}  // namespace bert::optim

#endif  // BERT_TRAINING_LION_HPP
