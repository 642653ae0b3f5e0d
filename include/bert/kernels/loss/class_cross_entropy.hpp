// Cross-entropy with label smoothing, weights of classes and the focal factor, its gradient, and the argmax of each row.
// Layer: kernels. Test: tests/unit/kernels/loss/class_cross_entropy_test.cpp
// Papers: Szegedy et al. 2016, "Rethinking the Inception architecture" (smoothing); Lin et al. 2017, "Focal loss for dense
// object detection".
#ifndef BERT_KERNELS_LOSS_CLASS_CROSS_ENTROPY_HPP
#define BERT_KERNELS_LOSS_CLASS_CROSS_ENTROPY_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/loss/cross_entropy.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

struct class_loss {
  float smoothing = 0;                  ///< share of a target that is spread evenly over all classes, below 1
  std::span<const float> weights = {};  ///< one a class; empty: all 1
  float gamma = 0;                      ///< exponent of the focal factor; 0: none

  /// Whether this is the plain cross-entropy.
  [[nodiscard]] bool plain() const noexcept { return smoothing == 0 && weights.empty() && gamma == 0; }
};

/// losses[m] = -(1 - p[m,y])^gamma sum_v a[v] log p[m,v],  p = softmax(logits),  y = targets[m],
///             a[v] = weights[v] ((1 - smoothing) [v = y] + smoothing / V)
///
/// For gamma = 0 that is PyTorch's CrossEntropyLoss(weight, label_smoothing, reduction="none"). With s the sum and f the
/// factor, d_logits[m,v] = scale (f (p[v] sum_w a[w] - a[v]) + s gamma (1 - p[y])^(gamma - 1) p[y] (p[v] - [v = y])).
///
/// Arguments as of `cross_entropy`: a target below 0 marks an ignored row. `d_logits` may be `logits`.
template <executor E>
void class_cross_entropy(const E& e, matrix<const float> logits, std::span<const std::int32_t> targets, float* losses,
                         std::int32_t* predicted, matrix<float> d_logits, float scale, const class_loss& how) noexcept {
  const std::size_t cols = logits.cols;
  const float hard = 1.0f - how.smoothing, spread = how.smoothing / static_cast<float>(cols);
  double sum_of_weights = how.weights.empty() ? static_cast<double>(cols) : 0;
  for (const float w : how.weights) sum_of_weights += static_cast<double>(w);
  const auto all = static_cast<float>(sum_of_weights);
  const auto weights = [&](std::size_t j, auto extent) {
    return how.weights.empty() ? simd(1.0f) : load(how.weights.data() + j, extent);
  };
  for_each_row(e, logits.rows, cols, [&](std::size_t m) {
    const float* row = logits.row(m);
    const float top = detail::greatest_of(row, cols);
    if (predicted != nullptr) predicted[m] = detail::index_of(row, cols, top);
    float* d_row = d_logits.data == nullptr ? nullptr : d_logits.row(m);
    if (targets[m] < 0) {
      losses[m] = 0.0f;
      if (d_row != nullptr) for_each_register(cols, [&](std::size_t j, auto extent) { store(d_row + j, zero(), extent); });
      return;
    }
    const auto target = static_cast<std::size_t>(targets[m]);
    const float below = top - row[target];  // read before d_logits overwrites it
    const simd tops(top);
    simd totals = zero(), distances = zero();
    for_each_register(cols, [&](std::size_t j, auto extent) {
      const simd distance = tops - load(row + j, extent), p = exp(zero() - distance);
      if (d_row != nullptr) store(d_row + j, p, extent);
      totals += detail::within(p, extent);
      distances += detail::within(weights(j, extent) * distance, extent);
    });
    const float total = sum(totals), log_total = std::log(total);
    const float own = hard * (how.weights.empty() ? 1.0f : how.weights[target]);
    const float surprise = log_total + below;  // -log p[y]
    // Without smoothing, a class of probability 0 must not make 0 times infinity.
    const float smooth = spread > 0 ? spread * (all * log_total + sum(distances)) : 0.0f;
    const float loss = own * surprise + smooth;
    float factor = 1, slope = 0;
    if (how.gamma != 0) {
      const float rest = -std::expm1(-surprise);  // 1 - p[y], exact where p[y] is nearly 1
      factor = rest > 0 ? std::pow(rest, how.gamma) : 0.0f;
      slope = rest > 0 ? loss * how.gamma * std::pow(rest, how.gamma - 1) * std::exp(-surprise) : 0.0f;
    }
    losses[m] = factor * loss;
    if (d_row != nullptr) {
      const simd share(scale * (factor * (own + spread * all) + slope) / total), evenly(scale * factor * spread);
      for_each_register(cols, [&](std::size_t j, auto extent) {
        store(d_row + j, load(d_row + j, extent) * share - evenly * weights(j, extent), extent);
      });
      d_row[target] -= scale * (factor * own + slope);
    }
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_LOSS_CLASS_CROSS_ENTROPY_HPP
