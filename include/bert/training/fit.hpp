// Fine-tuning in one call: AdamW, linear warm-up over the first tenth of the steps, linear decay to zero.
// Layer: training. Test: tests/unit/training/trainer_test.cpp. Paper: Devlin et al. 2019, A.3.
#ifndef BERT_TRAINING_FIT_HPP
#define BERT_TRAINING_FIT_HPP

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/training/best_epoch.hpp"
#include "bert/training/trainer.hpp"

namespace bert::inline BERT_ISA {

namespace detail {
/// Whether `fit` itself uses a policy: an optimizer, a schedule, or a function of a step_report.
template <class Policy>
inline constexpr bool of_fit = training::is_optimizer<Policy>::value || training::is_schedule<Policy>::value ||
                               std::invocable<const Policy&, const step_report&>;

/// Calls make(policies...) without the policies that `fit` uses.
template <class Make>
auto trainer_of(const Make& make) {
  return make();
}
template <class Make, class Policy, class... Policies>
auto trainer_of(const Make& make, const Policy& policy, const Policies&... policies) {
  if constexpr (of_fit<Policy>) return trainer_of(make, policies...);
  else return trainer_of([&](const auto&... rest) { return make(policy, rest...); }, policies...);
}

/// Puts a trainer's result(), if there is one, in the place of the model's weights while it lives.
template <class Model>
class result_in_place {
 public:
  result_in_place(Model& m, const Model* result) : model_(result == nullptr ? nullptr : &m) {
    if (model_ == nullptr) return;
    own_.assign(m.block().begin(), m.block().end());
    std::copy(result->block().begin(), result->block().end(), m.block().begin());
  }
  ~result_in_place() {
    if (model_ != nullptr) std::copy(own_.begin(), own_.end(), model_->block().begin());
  }
  result_in_place(const result_in_place&) = delete;
  result_in_place& operator=(const result_in_place&) = delete;

 private:
  Model* model_;
  std::vector<float> own_;
};
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
  unsigned patience = 0;            ///< with keep_best: stops after so many epochs in a row without a larger value; 0 = never
  std::filesystem::path keep = {};  ///< state file, as trainer::keep; the best epoch is kept in a second one, with ".best"
  std::uint64_t keep_every = 1000;  ///< steps between two writings of the state
};

/// Trains `model` in place for `options.epochs` over `source`, with AdamW, a linear warm-up and a linear decay, unless an
/// optimizer or a schedule is among the policies. Returns the last step's report.
///
/// `policies` are the trainer's, in any order, and optionally
///  - an optimizer, in place of AdamW of `weight_decay` and `clip_norm`;
///  - a schedule, whose `peak`, `warmup` and `total` are set from the options;
///  - a function that is called with each step's report. If it returns a bool, false ends the training after that step; with
///    `keep`, the state is then written.
///
/// With `training::averaged` the model holds the average wherever an epoch ends, for the function and for `keep_best`, and at
/// the end.
///
///     bert::fit(triage, bert::objectives::cross_entropy{}, train.batches(32), {.epochs = 3}, bert::execution::threads{2},
///               bert::activations::recompute{}, bert::precision::bf16{}, bert::optim::layer_decay{.factor = 0.9f});
///
/// With `keep_best`, the model ends with the weights of the epoch of the largest value, the first of equal ones; a training
/// that was ended between two epochs ends with the weights of its last step. With `keep`, the same call goes on from the state
/// file, if there is one, and ends with the same bits as a training that was not interrupted.
///
/// Throws bert::error for options out of range, for a `keep_best` that is not finite, and as the trainer does.
template <class Model, class Objective, batch_source Source, class... Policies>
step_report fit(Model& model, const Objective& objective, const Source& source,
                const fit_options<std::type_identity_t<Model>>& options = {}, const Policies&... policies) {
  if (options.epochs == 0 || options.accumulate == 0 || !(options.learning_rate > 0) ||
      !(options.warmup >= 0 && options.warmup <= 1))
    throw_error({"bert::fit_options",
                 "one epoch or more, a positive learning rate, a warm-up from 0 to 1, accumulate of 1 or more",
                 cat(options.epochs, " epochs, learning rate ", options.learning_rate, ", warm-up ", options.warmup,
                     ", accumulate ", options.accumulate),
                 {}});
  if (options.patience != 0 && !options.keep_best)
    throw_error({"bert::fit_options", "keep_best, as patience counts epochs without a larger value of it", "none", {}});
  const std::uint64_t batches = source.batches_per_epoch();
  const std::uint64_t total = (batches * options.epochs + options.accumulate - 1) / options.accumulate;
  bool wanted = true;
  const auto on_step = [&](const step_report& report) {
    [[maybe_unused]] const auto call = [&](const auto& policy) {
      if constexpr (std::invocable<decltype(policy), const step_report&>) {
        if constexpr (std::same_as<std::invoke_result_t<decltype(policy), const step_report&>, bool>)
          wanted = policy(report) && wanted;
        else policy(report);
      }
    };
    (call(policies), ...);
  };
  using optimizer_type = training::policy_of<training::is_optimizer, optim::adamw, Policies...>;
  using schedule_type = training::policy_of<training::is_schedule, schedules::warmup_linear, Policies...>;
  auto optimizer = training::pick_policy<training::is_optimizer, optim::adamw>(policies...);
  if constexpr (training::policies_of<training::is_optimizer, Policies...> == 0)
    optimizer = {.weight_decay = options.weight_decay, .clip_norm = options.clip_norm};
  auto schedule = training::pick_policy<training::is_schedule, schedules::warmup_linear>(policies...);
  schedule.peak = options.learning_rate;
  schedule.warmup = static_cast<std::uint64_t>(static_cast<double>(options.warmup) * static_cast<double>(total));
  schedule.total = total;
  auto t = detail::trainer_of(
      [&](const auto&... known) {
        return std::make_unique<
            trainer<Model, Objective, optimizer_type, schedule_type, std::remove_cvref_t<decltype(known)>...>>(
            model, objective, optimizer, schedule,
            training_options{
                .seed = options.seed,
                .dropout = options.dropout,
                .attention_dropout = options.attention_dropout,
                .accumulate = options.accumulate,
                .head_rate = options.head_learning_rate > 0 ? options.head_learning_rate / options.learning_rate : 1.0f},
            known...);
      },
      policies...);
  // Whether an epoch ends with step `step`: it is the first that ends in a later epoch than it began in, or the last of all.
  const auto ends_epoch = [&](std::uint64_t step) {
    return step == total || step * options.accumulate / batches > (step - 1) * options.accumulate / batches;
  };
  training::best_epoch best;
  const std::filesystem::path best_file = options.keep.empty() ? std::filesystem::path() : path_with(options.keep, ".best");
  if (!options.keep.empty()) t->keep(options.keep, {.every = options.keep_every});
  if (!options.keep.empty() && options.keep_best) {
    if (t->done() == 0) std::filesystem::remove(best_file);  // it is of another training
    else if (std::filesystem::exists(best_file)) best.read(best_file, model.block().size(), options.epochs);
  }
  const auto score = [&] {
    const detail::result_in_place<Model> averaged(model, t->result());
    best.add(options.keep_best(std::as_const(model)), model.block());
    if (!best_file.empty()) best.write(best_file);
  };
  const auto stops_early = [&] { return options.patience != 0 && best.epochs_without_gain() >= options.patience; };

  step_report last;
  auto run = t->over(source);
  std::size_t scored = 0;  // epochs whose score is due
  for (std::uint64_t step = 1; step <= t->done(); ++step) scored += ends_epoch(step) ? 1 : 0;
  bool between = t->done() != 0 && !ends_epoch(t->done());  // the last step did not end an epoch
  // Of the last epoch, where the training was killed after the state was written and before the score was.
  if (options.keep_best && !between && scored > best.scores().size()) score();
  if (!stops_early())
    for (const auto& step : run) {
      last = step;
      between = !ends_epoch(step.index);
      {
        const detail::result_in_place<Model> averaged(model, between ? nullptr : t->result());
        on_step(step);
      }
      // A state from before the best epoch was written repeats steps whose score is known.
      if (options.keep_best && !between && ++scored > best.scores().size()) score();
      if (!wanted || (!between && stops_early())) t->request_stop();
    }
  if (!between && !best.weights().empty()) std::copy(best.weights().begin(), best.weights().end(), model.block().begin());
  else if (const Model* averaged = t->result(); averaged != nullptr)
    std::copy(averaged->block().begin(), averaged->block().end(), model.block().begin());
  return last;
}

}  // namespace bert

#endif  // BERT_TRAINING_FIT_HPP
