// Any number of sequences through a model, in portions of a size at which it is fast.
// Layer: pipeline. Test: tests/unit/pipeline/embedder_test.cpp
#pragma once

#include <algorithm>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/model/session.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::pipelines {

/// Tokens that a session takes at once: enough to keep products large, little enough for activations to stay in the cache.
inline constexpr std::size_t tokens_at_once = 1024;

/// Runs `all.sequences` sequences. `length(i)` says how many tokens sequence i has, add(i, batch) appends it to a batch, and
/// visit(i, batch, s, output) is called for each in order: sequence s of `batch`, of which `output` is the session's, for the
/// call. `all` is the shape of all together.
template <class Frozen, executor E, class Length, class Add, class Visit>
void run_portions(const Frozen& frozen, const batch_shape& all, const E& e, const Length& length, const Add& add,
                  const Visit& visit) {
  if (all.sequences == 0) return;
  const std::size_t capacity = std::min(all.tokens, std::max(tokens_at_once, all.longest));
  auto session = frozen.session({.sequences = std::min(all.sequences, capacity),
                                 .tokens = capacity,
                                 .scored = std::min(all.scored, capacity),
                                 .longest = all.longest},
                                e);
  token_batch part;
  for (std::size_t first = 0, next = 0; next < all.sequences; first = next) {
    part.clear();
    for (; next < all.sequences && part.tokens() + length(next) <= capacity; ++next) add(next, part);
    const auto output = session(part);
    for (std::size_t s = 0; s < part.sequences(); ++s) visit(first + s, part, s, output);
  }
}

/// Calls visit(s, x) for every sequence s of `all` in order, x [T, H] its hidden states, which last for the call.
template <class Frozen, executor E, class Visit>
void encode_portions(const Frozen& frozen, const token_batch& all, const E& e, const Visit& visit) {
  auto shape = all.shape();
  shape.scored = 0;
  run_portions(
      frozen, shape, e, [&](std::size_t i) { return all.length(i); },
      [&](std::size_t i, token_batch& part) { part.add(all[i], all.segments(i)); },
      [&](std::size_t i, const token_batch& part, std::size_t s, matrix<const float> hidden) {
        visit(i, hidden.block(part.starts()[s], part.length(s)));
      });
}

}  // namespace bert::pipelines
