// LAMB: AdamW whose steps are as long, tensor by tensor, as the tensor's norm; for large batches.
// Layer: training. Test: tests/unit/training/optimizers_test.cpp. Paper: You et al. 2020, "Large batch optimization for deep
// learning: training BERT in 76 minutes".
#ifndef BERT_TRAINING_LAMB_HPP
#define BERT_TRAINING_LAMB_HPP

#include <cmath>
#include <cstdint>
#include <string>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/optimizer/lamb.hpp"
#include "bert/training/adamw.hpp"
#include "bert/training/optimizer.hpp"

namespace bert::inline BERT_ISA::optim {

/// g, m, v, m' and v' as adamw;  r = m' / (sqrt(v') + epsilon) + weight_decay p;  p <- p - rate |p| / |r| r
///
/// Biases and norms neither decay nor have a ratio, as in the authors' program. Rates are those of relative changes: 1e-3 to
/// 1e-2.
struct lamb {
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-6f;
  float weight_decay = 0.01f;
  float clip_norm = 1.0f;
  bias_correction correction = bias_correction::on;

  using state = adamw::state;

  template <executor E>
  void apply(const E& e, const update& u, state& s) const noexcept {
    const double steps = static_cast<double>(u.step + 1);
    const auto corrected = [&](float beta) {
      return correction == bias_correction::on ? static_cast<float>(1.0 - std::pow(static_cast<double>(beta), steps)) : 1.0f;
    };
    kernels::adamw_step each{.beta1 = beta1,
                             .beta2 = beta2,
                             .epsilon = epsilon,
                             .correction1 = corrected(beta1),
                             .correction2 = corrected(beta2),
                             .gradient_scale = clip_scale(u.gradient_norm, clip_norm)};
    for (const trained_tensor& t : u.tensors) {
      each.rate = t.rate;
      each.decay = weight_decay * t.decay;
      const auto moments = [&](buffer<float>& block) { return block.span().subspan(t.offset, t.values.size()); };
      const auto trust = decay_of(t.parameter->role) > 0 ? kernels::trust_ratio::norms : kernels::trust_ratio::one;
      kernels::lamb(e, each, trust, t.gradient, moments(s.m), moments(s.v), t.values);
    }
  }

  /// The hyper-parameters that a resumed run must share.
  [[nodiscard]] std::string describe() const {
    return cat("lamb beta1=", beta1, " beta2=", beta2, " epsilon=", epsilon, " weight_decay=", weight_decay,
               " clip_norm=", clip_norm, " bias_correction=", correction == bias_correction::on ? "on" : "off");
  }
};

}  // namespace bert::optim

#endif  // BERT_TRAINING_LAMB_HPP
