// An objective's loss on a set, without training: validation loss, perplexity, masked accuracy.
// Layer: training. Test: tests/unit/training/trainer_test.cpp
#ifndef BERT_TRAINING_MEASURE_HPP
#define BERT_TRAINING_MEASURE_HPP

#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA {

struct measure_options {
  std::uint64_t seed = 0;     ///< of the masks
  std::uint64_t batches = 0;  ///< at most this many; 0 = one epoch
};

/// The loss terms of `objective` over the first epoch of `source`, without dropout. An objective whose loss needs more than one
/// forward pass has a member `measure(executor, model, batch, seed, work, tape)`, which is called for each batch.
///
///     const double perplexity = bert::measure(model, objective, validation)["mlm"].perplexity();
template <class Model, class Objective, batch_source Source, executor E = execution::serial>
[[nodiscard]] objectives::loss_terms measure(const Model& model, const Objective& objective, const Source& source,
                                             measure_options options = {}, const E& e = {}) {
  static_assert(ensure<Objective::template fits<Model>, facts<Objective, Model>>,
                "bert::measure: the objective needs a head that the model does not have");
  static_assert(
      ensure<(!Objective::template fits<Model> || objectives::objective_for<Objective, Model>), facts<Objective, Model>>,
      "bert::measure: an objective needs a type work, capacity(const batch_shape&) and prepare(const training_batch&, "
      "std::uint64_t, work&); docs/architecture.md, How to add an objective");
  auto work = objectives::make_work(objective, source.capacity(), e);
  tape<Model> t(objective.capacity(source.capacity()), model.sizes(), objectives::tape_options_of(objective));
  training_batch raw;
  objectives::loss_terms total;
  std::uint64_t count = source.batches_per_epoch();
  if (options.batches != 0 && options.batches < count) count = options.batches;
  for (std::uint64_t i = 0; i < count; ++i) {
    source.load(i, raw);
    if constexpr (requires { objective.measure(e, model, raw, options.seed, work, t); }) {
      total += objective.measure(e, model, raw, options.seed, work, t);
    } else {
      t.forward(e, model, objective.prepare(raw, options.seed, work));
      total += objective.score(e, raw, work, t, 1.0f);
    }
  }
  return total;
}

}  // namespace bert

#endif  // BERT_TRAINING_MEASURE_HPP
