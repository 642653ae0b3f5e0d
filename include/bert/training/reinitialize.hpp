// New random weights for the top layers, before a fine-tuning.
// Layer: training. Test: tests/unit/training/weights_test.cpp. Paper: Zhang et al. 2021, "Revisiting few-sample BERT
// fine-tuning".
#ifndef BERT_TRAINING_REINITIALIZE_HPP
#define BERT_TRAINING_REINITIALIZE_HPP

#include <algorithm>
#include <string>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/model/model.hpp"

namespace bert::inline BERT_ISA::training {

/// Initializes the pooler and the `layers` topmost layers of `m` anew; the rest and the heads stay. Their general features are
/// in the lower layers, and the top ones are the most fitted to what the model was trained for before.
///
/// Throws bert::error for a negative number of layers, or more than the model has.
template <class Model>
void reinitialize(Model& m, int layers, const random_options& options = {}) {
  constexpr int all = Model::architecture::layers;
  if (layers < 0 || layers > all) throw_error({"bert::training::reinitialize", cat("0 to ", all, " layers"), cat(layers), {}});
  if (layers == 0) return;
  random_options sizes = options;
  sizes.vocab = m.sizes().vocab;
  if (sizes.labels.empty()) sizes.labels = m.label_names();
  const Model fresh = Model::random(sizes);
  for (const parameter& p : m.table())
    if (p.module == module_kind::pooler || (p.module == module_kind::layer && p.layer >= all - layers))
      std::copy_n(fresh.values(p).data(), p.count(), m.values(p).data());
}

}  // namespace bert::training

#endif  // BERT_TRAINING_REINITIALIZE_HPP
