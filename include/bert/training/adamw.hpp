// AdamW with decoupled weight decay that spares biases and norms, and clipping by the global norm.
// Layer: training. Test: tests/unit/training/adamw_test.cpp. Papers: Kingma and Ba 2015; Loshchilov and Hutter 2019.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>

#include "bert/core/isa.hpp"
#include "bert/kernels/optimizer/adamw.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/model/model.hpp"

namespace bert::inline BERT_ISA::optim {

/// Whether Adam's running means are corrected for starting at zero; google-research/bert does not.
enum class bias_correction : std::uint8_t { on, off };

/// Learning rates of the two groups of parameters.
struct rates {
  float encoder = 0;
  float head = 0;
};

/// g <- g * min(1, clip_norm / |g|);  m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
/// p <- p - rate * (m' / (sqrt(v') + epsilon) + weight_decay * p)
///
/// m' = m / (1 - beta1^t) and v' = v / (1 - beta2^t) with `bias_correction::on`. Biases and norms do not decay.
/// `clip_norm` = 0 does not clip.
struct adamw {
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 0.01f;
  float clip_norm = 1.0f;
  bias_correction correction = bias_correction::on;

  /// The running means, one block each, laid out as the model's.
  struct state {
    explicit state(std::size_t block) : m(block), v(block) {}
    buffer<float> m, v;
  };

  /// One update of all parameters that take part, given |g| as `norm`; `gradients` is left as it is. Step counts from 0.
  template <executor E, class Model>
  void apply(const E& e, Model& model, std::span<const float> gradients, double norm, state& s, const rates& rate,
             std::uint64_t step) const noexcept {
    const double t = static_cast<double>(step + 1);
    const bool corrected = correction == bias_correction::on;
    kernels::adamw_step update{
        .rate = 0,
        .beta1 = beta1,
        .beta2 = beta2,
        .epsilon = epsilon,
        .decay = 0,
        .correction1 = corrected ? static_cast<float>(1.0 - std::pow(static_cast<double>(beta1), t)) : 1.0f,
        .correction2 = corrected ? static_cast<float>(1.0 - std::pow(static_cast<double>(beta2), t)) : 1.0f,
        .gradient_scale = clip_norm > 0 && norm > static_cast<double>(clip_norm)
                              ? static_cast<float>(static_cast<double>(clip_norm) / norm)
                              : 1.0f};
    using A = typename Model::architecture;
    for (std::size_t i = 0; i < model.table().size(); ++i) {
      const parameter& p = model.table()[i];
      // A pooler that no head reads has no gradient, so it must not decay either.
      if (!Model::reads_pooler && i >= place::pooler<A> && i < place::heads<A>) continue;
      update.rate = i < place::pooler<A> ? rate.encoder : rate.head;
      update.decay = p.role == role::weight || p.role == role::embedding ? weight_decay : 0.0f;
      const auto part = [&](std::span<float> block) { return block.subspan(p.offset, p.count()); };
      kernels::adamw(e, update, gradients.subspan(p.offset, p.count()), part(s.m.span()), part(s.v.span()),
                     part(model.block()));
    }
  }

  /// The numbers that a resumed run must share.
  [[nodiscard]] std::string describe() const {
    return cat("adamw beta1=", beta1, " beta2=", beta2, " epsilon=", epsilon, " weight_decay=", weight_decay,
               " clip_norm=", clip_norm, " bias_correction=", correction == bias_correction::on ? "on" : "off");
  }
};

}  // namespace bert::optim
