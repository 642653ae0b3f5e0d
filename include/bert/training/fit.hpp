// Fine-tuning in one call: AdamW, warm-up over the first tenth, linear decay to zero.
// Layer: training. Test: tests/unit/training/trainer_test.cpp. Paper: Devlin et al. 2019, A.3.
#pragma once

#include <concepts>
#include <cstdint>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/training/trainer.hpp"

namespace bert::inline BERT_ISA {

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
};

/// Trains `model` in place for `options.epochs` over `source`; calls `on_step` with each report. Returns the last one.
///
/// `kept` and `p` are the trainer's: `activations::recompute{}` for less memory and the same bits, `precision::bf16{}` for
/// products in bf16.
///
///     bert::fit(triage, bert::objectives::cross_entropy{}, train.batches(32), {.epochs = 3}, bert::execution::threads{2},
///               bert::activations::recompute{}, bert::precision::bf16{});
///
/// Throws bert::error for options that cannot work, and as the trainer does.
template <class Model, class Objective, batch_source Source, executor E, activation_policy Activations,
          training_precision Precision = precision::f32,
          std::invocable<const step_report&> OnStep = decltype([](const step_report&) {})>
step_report fit(Model& model, const Objective& objective, const Source& source, const fit_options& options, const E& e,
                Activations kept, Precision p = {}, OnStep&& on_step = {}) {
  if (options.epochs == 0 || !(options.learning_rate > 0) || !(options.warmup >= 0 && options.warmup <= 1))
    throw error({"bert::fit_options",
                 "one epoch or more, a positive learning rate, a warm-up from 0 to 1",
                 cat(options.epochs, " epochs, learning rate ", options.learning_rate, ", warm-up ", options.warmup),
                 {}});
  const std::uint64_t total = (source.batches_per_epoch() * options.epochs + options.accumulate - 1) / options.accumulate;
  trainer t(
      model, objective, optim::adamw{.weight_decay = options.weight_decay, .clip_norm = options.clip_norm},
      schedules::warmup_linear{
          .peak = options.learning_rate,
          .warmup = static_cast<std::uint64_t>(static_cast<double>(options.warmup) * static_cast<double>(total)),
          .total = total},
      training_options{.seed = options.seed,
                       .dropout = options.dropout,
                       .attention_dropout = options.attention_dropout,
                       .accumulate = options.accumulate,
                       .head_rate = options.head_learning_rate > 0 ? options.head_learning_rate / options.learning_rate : 1.0f},
      e, kept, p);
  step_report last;
  for (const auto& step : t.over(source)) {
    on_step(step);
    last = step;
  }
  return last;
}

/// The same with activations kept and products in f32.
template <class Model, class Objective, batch_source Source, executor E = execution::serial,
          std::invocable<const step_report&> OnStep = decltype([](const step_report&) {})>
step_report fit(Model& model, const Objective& objective, const Source& source, const fit_options& options = {},
                const E& e = {}, OnStep&& on_step = {}) {
  return fit(model, objective, source, options, e, activations::keep{}, precision::f32{}, std::forward<OnStep>(on_step));
}

}  // namespace bert
