// What one training step sees: sequences, their labels, and what masking needs to know of the text.
// Layer: tensor. Test: tests/unit/tensor/training_batch_test.cpp
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/tensor/token_batch.hpp"

namespace bert::inline BERT_ISA {

/// The facts of a vocabulary that masking needs.
struct mask_vocabulary {
  token_id mask = 0;  ///< id of [MASK]
  token_id size = 0;  ///< pieces; a random replacement is drawn from [0, size)
};

/// A batch of examples as it comes from a source, before any masking. Fields that an objective does not read stay empty.
struct training_batch {
  token_batch tokens;
  std::vector<std::int32_t> labels;  ///< one a sequence (classes, next sentence: 0 follows, 1 random) or one a token (tags)
  std::vector<float> values;         ///< one a sequence (regression)
  std::vector<word_part> parts;      ///< one a token
  std::vector<std::uint64_t> keys;   ///< one a sequence: the number of the example in its epoch; keys the random masks
  std::uint64_t epoch = 0;
  mask_vocabulary vocabulary;

  void clear() noexcept {
    tokens.clear();
    labels.clear();
    values.clear();
    parts.clear();
    keys.clear();
  }
};

/// Where batches come from: random access by step number, so that resuming needs no state but that number.
///
/// `load(step, out)` writes batch `step` of an endless run over the epochs (epoch = step / batches_per_epoch()) into `out`,
/// reusing its memory; `capacity()` bounds every batch. Loading allocates nothing once `out` has seen `capacity()`.
template <class S>
concept batch_source = requires(const S& source, std::uint64_t step, training_batch& out) {
  { source.capacity() } -> std::convertible_to<batch_shape>;
  { source.batches_per_epoch() } -> std::convertible_to<std::uint64_t>;
  source.load(step, out);
};

}  // namespace bert
