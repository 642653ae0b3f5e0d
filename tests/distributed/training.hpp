// A short training that the tests of replicas share: a pocket model, batches of seven sequences, and a gradient to spoil.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bert/objectives/masked_lm.hpp"
#include "bert/training/trainer.hpp"
#include "support/small_models.hpp"

namespace distributed {

/// Masked LM; adds `poison` to a gradient whenever it is not 0 and the batch is that of step `at` (one batch a step).
struct spoiled : bert::objectives::masked_lm<> {
  float poison = 0;
  std::uint64_t at = 0;
  std::uint64_t* scored = nullptr;  ///< batches scored so far, of this replica

  template <class Model, bert::executor E>
  bert::objectives::loss_terms score(const E& e, const bert::training_batch& in, work& w, bert::tape<Model>& t,
                                     const bert::objectives::loss_scale& scale) const {
    auto terms = masked_lm::score(e, in, w, t, scale);
    if (++*scored == at && poison != 0) t.template head<bert::heads::masked_lm>().logits().row(0)[0] = poison;
    return terms;
  }
};

using model_type = bert::model<support::pocket, bert::heads::masked_lm>;

struct setup {
  float poison = 0;
  std::uint64_t at = 0, stop_after = 0;
  std::filesystem::path keep = {};
  std::size_t threads = 1;
};

struct outcome {
  std::vector<float> weights;
  std::string error;
  std::uint64_t first_step = 0;
};

/// Five steps, or up to `stop_after`, as one of `replicas`.
template <class Reduction>
outcome train(const Reduction& replicas, const setup& s) {
  auto model = model_type::random({.stddev = 0.1f, .seed = 1});
  const support::made_up_source source{.sequences = 7};
  std::uint64_t scored = 0;
  spoiled objective;
  objective.poison = s.poison;
  objective.at = s.at;
  objective.scored = &scored;
  outcome out;
  try {
    bert::trainer trainer{model,
                          objective,
                          bert::optim::adamw{},
                          bert::schedules::warmup_linear{.peak = 3e-3f, .warmup = 2, .total = 5},
                          bert::training_options{.seed = 11, .leaves = 8},
                          bert::execution::threads{s.threads},
                          replicas};
    if (!s.keep.empty()) trainer.keep(s.keep, {.every = 100});
    for (const auto& step : trainer.over(source)) {
      if (out.first_step == 0) out.first_step = step.index;
      if (step.index == s.stop_after) trainer.request_stop();
    }
  } catch (const bert::error& e) {
    out.error = e.what();
  }
  out.weights.assign(model.block().begin(), model.block().end());
  return out;
}

}  // namespace distributed
