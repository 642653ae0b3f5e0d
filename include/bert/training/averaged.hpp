// Averages of the weights of a training, kept beside them, evaluated and saved in their place.
// Layer: training. Test: tests/unit/training/weights_test.cpp. Papers: Polyak and Juditsky 1992; Izmailov et al. 2018,
// "Averaging weights leads to wider optima and better generalization" (SWA).
#ifndef BERT_TRAINING_AVERAGED_HPP
#define BERT_TRAINING_AVERAGED_HPP

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/optimizer/averages.hpp"
#include "bert/training/weights.hpp"

namespace bert::inline BERT_ISA::training {

/// Which average: `none`; `moving`: of all steps, later ones weighing more; `equal`: of all steps from one on.
enum class average_kind : std::uint8_t { none, moving, equal };

/// moving (EMA): a <- d a + (1 - d) p after each step t = 0, 1, …, d = min(decay, (1 + t) / (10 + t)), a from the start
/// equal (SWA):  a = the mean of p after steps from, from + every, …; before, the weights themselves
///
///     bert::fit(model, objective, batches, {.epochs = 3}, bert::training::averaged{.decay = 0.999f});
///
/// `fit` evaluates, keeps and returns the average; of a trainer it is `result()`. One more copy of the weights, in memory and
/// in the state file.
struct averaged {
  static constexpr bool acts_on_weights = true;

  average_kind kind = average_kind::moving;
  float decay = 0.999f;
  std::uint64_t from = 0;
  std::uint64_t every = 1;

  [[nodiscard]] std::string describe() const {
    if (kind == average_kind::none) return {};
    return kind == average_kind::moving ? cat("averaged decay=", decay) : cat("averaged from=", from, " every=", every);
  }

  template <class Model>
  class kept;
};

/// The state of averaged in a training.
template <class Model>
class averaged::kept : public unchanged_weights<Model> {
 public:
  kept(const averaged& policy, const Model& m) : policy_(policy) {
    if (policy.kind == average_kind::none) return;
    if (!(policy.decay >= 0 && policy.decay < 1) || policy.every == 0)
      throw_error({"bert::training::averaged",
                   "a decay from 0 to below 1, every of 1 or more",
                   cat(policy.decay, " and ", policy.every),
                   {}});
    average_.push_back(m);
  }
  [[nodiscard]] std::vector<optim::state_block> blocks() {
    if (average_.empty()) return {};
    return {{"average", average_[0].block()}};
  }
  template <executor E>
  void after(const E& e, const Model& m, std::uint64_t step) {
    if (average_.empty()) return;
    if (policy_.kind == average_kind::moving) {
      const auto t = static_cast<float>(step);
      return kernels::move_towards(e, m.block(), 1.0f - std::min(policy_.decay, (1.0f + t) / (10.0f + t)), average_[0].block());
    }
    if (step < policy_.from || (step - policy_.from) % policy_.every != 0) return;
    const std::uint64_t before = (step - policy_.from) / policy_.every;
    kernels::move_towards(e, m.block(), 1.0f / (static_cast<float>(before) + 1.0f), average_[0].block());
  }
  [[nodiscard]] const Model* result(std::uint64_t done) const noexcept {
    const bool begun = policy_.kind == average_kind::moving ? done > 0 : done > policy_.from;
    return average_.empty() || !begun ? nullptr : &average_[0];
  }

 private:
  averaged policy_;
  std::vector<Model> average_;  ///< one, or none if the policy is off
};

}  // namespace bert::training

#endif  // BERT_TRAINING_AVERAGED_HPP
