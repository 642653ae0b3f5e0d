// Parameter groups in which tensors of some names, a CRF's by default, learn faster than the rest.
// Layer: training. Test: tests/unit/training/crf_rate_test.cpp
#ifndef BERT_TRAINING_CRF_RATE_HPP
#define BERT_TRAINING_CRF_RATE_HPP

#include <string>
#include <string_view>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/training/groups.hpp"

namespace bert::inline BERT_ISA::optim {

/// The tensors whose names begin with `tensors` learn at `multiple` times the rate that they would have; all are grouped as
/// `others` says.
///
///     bert::fit(tagger, objective, batches, {.learning_rate = 3e-5f}, bert::optim::crf_rate{.multiple = 100});
///
/// A CRF's transitions start from zeros and have a gradient a word, not a weight: at an encoder's rate of 2e-5 they hardly
/// move. The multiple is applied to the rate of heads (`head_learning_rate`).
struct crf_rate {
  float multiple = 100;
  std::string_view tensors = "crf.";
  layer_decay others = {};

  [[nodiscard]] constexpr group operator()(const parameter& p, int layers) const noexcept {
    group g = others(p, layers);
    if (p.stem.starts_with(tensors)) g.rate *= multiple;
    return g;
  }
  [[nodiscard]] std::string describe() const {
    return cat("crf_rate multiple=", multiple, " tensors=", tensors, ' ', others.describe());
  }
};

}  // namespace bert::optim

#endif  // BERT_TRAINING_CRF_RATE_HPP
