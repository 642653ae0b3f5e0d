// Fine-tuning in one call: AdamW, linear warm-up over the first tenth of the steps, linear decay to zero.
// Layer: training. Test: tests/unit/training/trainer_test.cpp. Paper: Devlin et al. 2019, A.3.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/training/trainer.hpp"

namespace bert::inline BERT_ISA {

namespace detail {
/// Calls make(policies...) without the policies that are functions of a step_report.
template <class Make>
auto trainer_of(const Make& make) {
  return make();
}
template <class Make, class Policy, class... Policies>
auto trainer_of(const Make& make, const Policy& policy, const Policies&... policies) {
  if constexpr (std::invocable<const Policy&, const step_report&>) return trainer_of(make, policies...);
  else return trainer_of([&](const auto&... rest) { return make(policy, rest...); }, policies...);
}
}  // namespace detail

/// How `fit` trains. `Model` is deduced: write `{.epochs = 3, .learning_rate = 2e-5f}`.
template <class Model>
struct fit_options {
  unsigned epochs = 3;
  float learning_rate = 2e-5f;
  float head_learning_rate = 0;  ///< of pooler and heads; 0 = the same
  float warmup = 0.1f;           ///< share of all steps
  float weight_decay = 0.01f;
  float clip_norm = 1.0f;
  float dropout = 0.1f;
  float attention_dropout = 0.1f;
  unsigned accumulate = 1;
  std::uint64_t seed = 0;
  std::function<double(const Model&)> keep_best = {};  ///< called after each epoch; the weights of the largest value are kept
};

/// Trains `model` in place for `options.epochs` over `source`, with AdamW, a linear warm-up and a linear decay. Returns the
/// last step's report.
///
/// `policies` are the trainer's, in any order, and optionally a function that is called with each step's report:
///
///     bert::fit(triage, bert::objectives::cross_entropy{}, train.batches(32), {.epochs = 3}, bert::execution::threads{2},
///               bert::activations::recompute{}, bert::precision::bf16{}, bert::optim::layer_decay{.factor = 0.9f});
///
/// With `keep_best`, the model ends with the weights of the epoch of the largest value, the first of equal ones. Throws
/// bert::error for options out of range, for a `keep_best` that is not finite, and as the trainer does.
template <class Model, class Objective, batch_source Source, class... Policies>
step_report fit(Model& model, const Objective& objective, const Source& source,
                const fit_options<std::type_identity_t<Model>>& options = {}, const Policies&... policies) {
  if (options.epochs == 0 || options.accumulate == 0 || !(options.learning_rate > 0) ||
      !(options.warmup >= 0 && options.warmup <= 1))
    throw error({"bert::fit_options",
                 "one epoch or more, a positive learning rate, a warm-up from 0 to 1, accumulate of 1 or more",
                 cat(options.epochs, " epochs, learning rate ", options.learning_rate, ", warm-up ", options.warmup,
                     ", accumulate ", options.accumulate),
                 {}});
  const std::uint64_t batches = source.batches_per_epoch();
  const std::uint64_t total = (batches * options.epochs + options.accumulate - 1) / options.accumulate;
  const auto on_step = [&](const step_report& report) {
    [[maybe_unused]] const auto call = [&](const auto& policy) {
      if constexpr (std::invocable<decltype(policy), const step_report&>) policy(report);
    };
    (call(policies), ...);
  };
  auto t = detail::trainer_of(
      [&](const auto&... known) {
        return std::make_unique<
            trainer<Model, Objective, optim::adamw, schedules::warmup_linear, std::remove_cvref_t<decltype(known)>...>>(
            model, objective, optim::adamw{.weight_decay = options.weight_decay, .clip_norm = options.clip_norm},
            schedules::warmup_linear{
                .peak = options.learning_rate,
                .warmup = static_cast<std::uint64_t>(static_cast<double>(options.warmup) * static_cast<double>(total)),
                .total = total},
            training_options{
                .seed = options.seed,
                .dropout = options.dropout,
                .attention_dropout = options.attention_dropout,
                .accumulate = options.accumulate,
                .head_rate = options.head_learning_rate > 0 ? options.head_learning_rate / options.learning_rate : 1.0f},
            known...);
      },
      policies...);
  std::vector<float> best;
  double largest = 0;
  step_report last;
  for (const auto& step : t->over(source)) {
    on_step(step);
    last = step;
    // The first step that ends in a later epoch than it began in, or the last of all.
    const bool epoch_ends =
        step.index * options.accumulate / batches > (step.index - 1) * options.accumulate / batches || step.index == total;
    if (!options.keep_best || !epoch_ends) continue;
    const double value = options.keep_best(std::as_const(model));
    if (!std::isfinite(value)) throw error({"bert::fit, keep_best", "a finite number", cat(value), {}});
    if (best.empty() || value > largest) {
      largest = value;
      best.assign(model.block().begin(), model.block().end());
    }
  }
  if (!best.empty()) std::copy(best.begin(), best.end(), model.block().begin());
  return last;
}

}  // namespace bert
