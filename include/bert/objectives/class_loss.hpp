// Cross-entropies over classes with label smoothing, weights of the classes and the focal factor: what their objectives share.
// Layer: objectives. Test: tests/unit/objectives/class_loss_test.cpp
// Papers: Szegedy et al. 2016, "Rethinking the Inception architecture"; Lin et al. 2017, "Focal loss for dense object
// detection".
#ifndef BERT_OBJECTIVES_CLASS_LOSS_HPP
#define BERT_OBJECTIVES_CLASS_LOSS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/loss/class_cross_entropy.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives {

/// The fields `label_smoothing`, `class_weights` and `gamma` of an objective.
template <class Objective>
[[nodiscard]] kernels::class_loss class_loss_of(const Objective& o) noexcept {
  return {.smoothing = o.label_smoothing, .weights = o.class_weights, .gamma = o.gamma};
}

/// Throws bert::error unless the smoothing is from 0 to below 1, gamma not negative, and every weight finite and not negative.
inline void check_class_loss(const kernels::class_loss& how, const char* where) {
  const auto right = [](float x) { return std::isfinite(x) && x >= 0; };
  if (!right(how.smoothing) || how.smoothing >= 1 || !right(how.gamma))
    throw_error({where, ".label_smoothing from 0 to below 1, .gamma of 0 or more", cat(how.smoothing, " and ", how.gamma), {}});
  if (const auto wrong = std::find_if_not(how.weights.begin(), how.weights.end(), right); wrong != how.weights.end())
    throw_error({where, ".class_weights that are finite and not negative", cat(*wrong), {}});
}

/// What the options are for the fingerprint of an objective; nothing where they are the defaults.
[[nodiscard]] inline named_facts class_loss_facts(const kernels::class_loss& how) {
  if (how.plain()) return {};
  hash64 weights;
  for (const float w : how.weights) weights.add(cat(w));
  return {{"label smoothing", cat(how.smoothing)},
          {"class weights", how.weights.empty() ? "none" : weights.text()},
          {"gamma", cat(how.gamma)}};
}

/// The count of the targets that are not negative and, where classes have weights, the sum of those of the targets.
[[nodiscard]] inline loss_term count_classes(std::string_view name, std::span<const std::int32_t> targets,
                                             std::span<const float> weights) noexcept {
  loss_term term{.name = name, .count = counted(targets)};
  if (weights.empty()) return term;
  term.weight = 0;
  for (const auto t : targets)  // a target beyond the classes is an error when it is scored
    if (t >= 0 && static_cast<std::size_t>(t) < weights.size())
      term.weight += static_cast<double>(weights[static_cast<std::size_t>(t)]);
  return term;
}

/// The cross-entropy of `kernels::class_cross_entropy`, its sum over the sum of the targets' weights. Arguments as of
/// `mean_cross_entropy`, which this is, bit for bit, where all options are the defaults. Throws bert::error unless there are no
/// weights or one a class.
template <executor E>
[[nodiscard]] loss_term class_cross_entropy(const E& e, std::string_view name, matrix<float> logits,
                                            std::span<const std::int32_t> targets, const loss_scale& scale,
                                            prediction_buffers& work, const kernels::class_loss& how, const char* where) {
  if (how.plain()) return mean_cross_entropy(e, name, logits, targets, scale, work);
  if (!how.weights.empty() && how.weights.size() != logits.cols)
    throw_error({where, cat(logits.cols, " .class_weights, one a class"), cat(how.weights.size()), {}});
  loss_term term = count_classes(name, targets, how.weights);
  kernels::class_cross_entropy(e, matrix<const float>{logits.data, targets.size(), logits.cols, logits.stride}, targets,
                               work.losses.data(), work.predicted.data(), logits, scale.of(term), how);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] < 0) continue;
    term.sum += static_cast<double>(work.losses[i]);
    term.correct += work.predicted[i] == targets[i] ? 1 : 0;
  }
  return term;
}

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_CLASS_LOSS_HPP
