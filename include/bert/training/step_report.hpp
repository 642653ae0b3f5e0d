// The options of a training run, and the report of a step.
// Layer: training. Test: tests/unit/training/trainer_test.cpp
#ifndef BERT_TRAINING_STEP_REPORT_HPP
#define BERT_TRAINING_STEP_REPORT_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <ostream>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/row_groups.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA {

/// The report of a training step.
struct step_report {
  std::uint64_t index = 0;  ///< steps done, this one included: 1, 2, …, total
  std::uint64_t epoch = 0;  ///< of the step's last batch, from 0
  double loss = 0;          ///< the sum of the terms' means
  objectives::loss_terms terms;
  float rate = 0;            ///< learning rate of the encoder
  double gradient_norm = 0;  ///< before clipping
  double tokens_per_second = 0;

  /// "step 100 loss 7.1043 mlm 6.4112 nsp 0.6931 lr 0.0001 tokens/s 20312"
  friend std::ostream& operator<<(std::ostream& out, const step_report& s) {
    out << "step " << s.index << " loss " << s.loss;
    for (const auto& term : s.terms)
      if (term.name != "loss") out << ' ' << term.name << ' ' << term.mean();
    return out << " lr " << s.rate << " tokens/s " << static_cast<std::uint64_t>(s.tokens_per_second);
  }
};

struct training_options {
  std::uint64_t seed = 0;          ///< of masks and dropout
  float dropout = 0.1f;            ///< of hidden states
  float attention_dropout = 0.1f;  ///< of attention probabilities
  unsigned accumulate = 1;         ///< batches whose gradients make one step
  float head_rate = 1;             ///< learning rate of pooler and heads, as a multiple of the encoder's
  /// Groups of a batch's examples, a power of two up to 256. Gradients are summed within each group, then over groups in a
  /// fixed binary tree, so that up to this many replicas have the bits of one. With 1, rows are summed in order.
  unsigned leaves = 1;
};

struct keep_options {
  std::uint64_t every = 1'000;  ///< steps between two writes; the last step is written too
};

namespace training {

/// Throws bert::error for options that are out of range, or leaves that do not suit the number of replicas.
inline void check_options(const training_options& o, std::size_t replicas) {
  if (o.accumulate == 0 || !(o.dropout >= 0 && o.dropout < 1) || !(o.attention_dropout >= 0 && o.attention_dropout < 1))
    throw_error({"bert::training_options",
                 "accumulate of 1 or more, dropout from 0 to below 1",
                 cat("accumulate ", o.accumulate, ", dropout ", o.dropout, " and ", o.attention_dropout),
                 {}});
  if (!std::has_single_bit(o.leaves) || o.leaves > kernels::row_groups::most || !std::has_single_bit(replicas) ||
      o.leaves < replicas)
    throw_error(
        {"bert::training_options",
         cat("leaves of a power of two, from the number of replicas, a power of two too, to ", kernels::row_groups::most),
         cat("leaves ", o.leaves, ", replicas ", replicas),
         {}});
}

}  // namespace training

}  // namespace bert

#endif  // BERT_TRAINING_STEP_REPORT_HPP
