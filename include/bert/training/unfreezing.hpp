// Gradual unfreezing: first the heads are trained, then the layers too, from the top down.
// Layer: training. Test: tests/unit/training/weights_test.cpp. Paper: Howard and Ruder 2018, "Universal language model
// fine-tuning for text classification".
#ifndef BERT_TRAINING_UNFREEZING_HPP
#define BERT_TRAINING_UNFREEZING_HPP

#include <algorithm>
#include <cstdint>
#include <string>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/training/weights.hpp"

namespace bert::inline BERT_ISA::training {

/// After every `every` steps one more layer is trained, from the top down, and at the end the embeddings; 0: all at once.
///
///     bert::fit(model, objective, batches, {.epochs = 3}, bert::training::unfreezing{.every = batches.batches_per_epoch() /
///     4});
///
/// Pooler and heads are trained from the first step. The backward pass ends at the lowest layer that is trained, so the first
/// steps are faster.
struct unfreezing {
  static constexpr bool acts_on_weights = true;

  std::uint64_t every = 0;

  [[nodiscard]] std::string describe() const { return every == 0 ? std::string() : cat("unfreezing=", every); }

  template <class Model>
  class kept;
};

/// The state of unfreezing in a training.
template <class Model>
class unfreezing::kept : public unchanged_weights<Model> {
 public:
  kept(const unfreezing& policy, const Model&) noexcept : every_(policy.every) {}

  [[nodiscard]] int lowest(std::uint64_t step) const noexcept {
    constexpr std::uint64_t layers = Model::architecture::layers;
    if (every_ == 0) return lowest_is_embeddings;
    return static_cast<int>(layers) - static_cast<int>(std::min(step / every_, layers + 1));
  }
  [[nodiscard]] bool frozen(const parameter& p, std::uint64_t step) const noexcept {
    const int at = lowest(step);
    return p.module == module_kind::embeddings ? at >= 0 : p.module == module_kind::layer && p.layer < at;
  }

 private:
  std::uint64_t every_;
};

}  // namespace bert::training

#endif  // BERT_TRAINING_UNFREEZING_HPP
