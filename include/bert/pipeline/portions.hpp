// Any number of sequences through an encoder, in portions of a size at which it is fast.
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

/// Tokens that a session has room for: enough to keep products large, little enough for activations to stay in the cache.
inline constexpr std::size_t tokens_at_once = 1024;

/// Calls visit(s, x) for every sequence s of `all` in order, x [T, H] its hidden states, which last for the call.
template <class Frozen, executor E, class Visit>
void encode_portions(const Frozen& frozen, const token_batch& all, const E& e, const Visit& visit) {
  if (all.empty()) return;
  const std::size_t room = std::min(all.tokens(), std::max(tokens_at_once, all.longest()));
  auto encode = frozen.session({.sequences = std::min(all.sequences(), room), .tokens = room, .scored = 0}, e);
  token_batch part;
  for (std::size_t first = 0, next = 0; next < all.sequences(); first = next) {
    part.clear();
    for (; next < all.sequences() && part.tokens() + all.length(next) <= room; ++next) part.add(all[next], all.segments(next));
    const matrix<const float> hidden = encode(part);
    for (std::size_t s = 0; s < part.sequences(); ++s) visit(first + s, hidden.block(part.starts()[s], part.length(s)));
  }
}

}  // namespace bert::pipelines
