// Mixout: in each step random weights are those that the training began with.
// Layer: training. Test: tests/unit/training/weights_test.cpp
// Paper: Lee et al. 2020, "Mixout: effective regularization to finetune large-scale pretrained language models".
#ifndef BERT_TRAINING_MIXOUT_HPP
#define BERT_TRAINING_MIXOUT_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/kernels/optimizer/averages.hpp"
#include "bert/training/weights.hpp"

namespace bert::inline BERT_ISA::training {

/// w' = u + b (w - u) / (1 - rate),  b of each element and step 0 with probability `rate`, else 1;  dL/dw = b dL/dw' / (1 -
/// rate)
///
///     bert::fit(model, objective, batches, {.epochs = 3}, bert::training::mixout{.rate = 0.7f});
///
/// u are the weights at the start of the training. Of the matrices of the encoder's layers and of the pooler; biases, norms,
/// embeddings and heads are not mixed. The paper takes a rate of 0.7 to 0.9 in place of dropout. Two more copies of the weights
/// in memory, one of them in the state file.
struct mixout {
  static constexpr bool acts_on_weights = true;

  float rate = 0;
  std::uint64_t seed = 0;

  [[nodiscard]] std::string describe() const { return rate == 0 ? std::string() : cat("mixout=", rate, " mixout_seed=", seed); }

  template <class Model>
  class kept;
};

/// The state of mixout in a training.
template <class Model>
class mixout::kept : public unchanged_weights<Model> {
 public:
  kept(const mixout& policy, const Model& m) : policy_(policy) {
    if (!(policy.rate >= 0 && policy.rate < 1))
      throw_error({"bert::training::mixout", "a rate from 0 to below 1", cat(policy.rate), {}});
    if (policy.rate > 0) models_.assign(2, m);
  }
  [[nodiscard]] std::vector<optim::state_block> blocks() {
    if (models_.empty()) return {};
    return {{"mixout.start", models_[0].block()}};
  }
  template <executor E>
  [[nodiscard]] const Model& before(const E& e, const Model& m, std::uint64_t step) {
    if (models_.empty()) return m;
    Model& mixed = models_[1];
    kernels::copy(e, m.block(), mixed.block());
    for (std::size_t i = 0; i < m.table().size(); ++i)
      if (const parameter& p = m.table()[i]; mixes(p))
        kernels::mix(e, mask(i, step), m.values(p), models_[0].values(p), mixed.values(p));
    return mixed;
  }
  template <executor E>
  void gradients(const E& e, const typename unchanged_weights<Model>::gradient_view& g, std::uint64_t step) {
    for (std::size_t i = 0; !models_.empty() && i < g.table().size(); ++i)
      if (mixes(g.table()[i])) kernels::mix_backward(e, mask(i, step), g.values(i));
  }

 private:
  [[nodiscard]] static bool mixes(const parameter& p) noexcept {
    return p.role == role::weight && (p.module == module_kind::layer || p.module == module_kind::pooler);
  }
  [[nodiscard]] kernels::dropout mask(std::size_t tensor, std::uint64_t step) const noexcept {
    random_stream keys(policy_.seed, draw::mixing, step, static_cast<std::uint32_t>(tensor));
    const std::uint64_t low = keys(), high = keys();
    return {policy_.rate, high << 32 | low};
  }

  mixout policy_;
  std::vector<Model> models_;  ///< the start and the mixture, or none if the policy is off
};

}  // namespace bert::training

#endif  // BERT_TRAINING_MIXOUT_HPP
