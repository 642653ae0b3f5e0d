// AdamW: decoupled weight decay, none on biases and norms; clipping by the global gradient norm.
// Layer: training. Test: tests/unit/training/adamw_test.cpp. Papers: Kingma and Ba 2015; Loshchilov and Hutter 2019.
#ifndef BERT_TRAINING_ADAMW_HPP
#define BERT_TRAINING_ADAMW_HPP

#include <array>
#include <cmath>
#include <cstdint>
#include <string>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/optimizer/adamw.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/training/optimizer.hpp"

namespace bert::inline BERT_ISA::optim {

/// Whether Adam's moments are corrected for starting at zero; google-research/bert does not.
enum class bias_correction : std::uint8_t { on, off };

/// g <- g * min(1, clip_norm / |g|);  m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
/// p <- p - rate * (m' / (sqrt(v') + epsilon) + weight_decay * p)
///
/// m' = m / (1 - beta1^t) and v' = v / (1 - beta2^t) with `bias_correction::on`. Biases and norms do not decay
/// (`optim::decay_of`). `clip_norm` = 0 does not clip.
struct adamw {
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 0.01f;
  float clip_norm = 1.0f;
  bias_correction correction = bias_correction::on;

  /// The first and second moments of all trained parameters.
  struct state {
    explicit state(std::size_t block) : m(block), v(block) {}
    [[nodiscard]] std::array<state_block, 2> blocks() noexcept { return {{{"m", m.span()}, {"v", v.span()}}}; }
    buffer<float> m, v;
  };

  template <executor E>
  void apply(const E& e, const update& u, state& s) const noexcept {
    const double steps = static_cast<double>(u.step + 1);
    const bool corrected = correction == bias_correction::on;
    kernels::adamw_step each{
        .rate = 0,
        .beta1 = beta1,
        .beta2 = beta2,
        .epsilon = epsilon,
        .decay = 0,
        .correction1 = corrected ? static_cast<float>(1.0 - std::pow(static_cast<double>(beta1), steps)) : 1.0f,
        .correction2 = corrected ? static_cast<float>(1.0 - std::pow(static_cast<double>(beta2), steps)) : 1.0f,
        .gradient_scale = clip_scale(u.gradient_norm, clip_norm)};
    for (const trained_tensor& t : u.tensors) {
      each.rate = t.rate;
      each.decay = weight_decay * t.decay;
      const auto moments = [&](buffer<float>& block) { return block.span().subspan(t.offset, t.values.size()); };
      kernels::adamw(e, each, t.gradient, moments(s.m), moments(s.v), t.values);
    }
  }

  /// The hyper-parameters that a resumed run must share.
  [[nodiscard]] std::string describe() const {
    return cat("adamw beta1=", beta1, " beta2=", beta2, " epsilon=", epsilon, " weight_decay=", weight_decay,
               " clip_norm=", clip_norm, " bias_correction=", correction == bias_correction::on ? "on" : "off");
  }
};

}  // namespace bert::optim

#endif  // BERT_TRAINING_ADAMW_HPP
