// Runs any number of sequences through a model, in batches of the fastest size.
// Layer: pipeline. Test: tests/unit/pipeline/embedder_test.cpp
#ifndef BERT_PIPELINE_PORTIONS_HPP
#define BERT_PIPELINE_PORTIONS_HPP

#include <algorithm>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/model/session.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::pipelines {

/// Tokens of a batch: enough for large products, few enough for activations to stay in the cache.
inline constexpr std::size_t tokens_at_once = 1024;

/// The capacity of a session that runs sequences of the shape `all`, of all of them together, in batches.
[[nodiscard]] inline batch_shape capacity_for(const batch_shape& all) noexcept {
  const std::size_t tokens = std::min(all.tokens, std::max(tokens_at_once, all.longest));
  return {.sequences = std::min(all.sequences, tokens),
          .tokens = tokens,
          .scored = std::min(all.scored, tokens),
          .longest = all.longest};
}

/// Runs `count` sequences in `session`, by batches made in `batch`. `length(i)` returns the tokens of sequence i, and
/// `add(i, batch)` appends it to a batch. Calls `visit(i, batch, s, output)` for each sequence in order: it is sequence s of
/// `batch`, and `output`, the session's output for `batch`, is valid during the call.
template <class Session, class Length, class Add, class Visit>
void run_portions_in(Session& session, token_batch& batch, std::size_t count, const Length& length, const Add& add,
                     const Visit& visit) {
  const batch_shape& capacity = session.capacity();
  for (std::size_t first = 0, next = 0; next < count; first = next) {
    batch.clear();
    for (; next < count && batch.tokens() + length(next) <= capacity.tokens && batch.sequences() < capacity.sequences; ++next)
      add(next, batch);
    const auto output = session(batch);
    for (std::size_t s = 0; s < batch.sequences(); ++s) visit(first + s, batch, s, output);
  }
}

/// The same of `all.sequences` sequences in a session of its own; `all` is the shape of all of them together.
template <class Frozen, executor E, class Length, class Add, class Visit>
void run_portions(const Frozen& frozen, const batch_shape& all, const E& e, const Length& length, const Add& add,
                  const Visit& visit) {
  if (all.sequences == 0) return;
  auto session = frozen.session(capacity_for(all), e);
  token_batch batch;
  run_portions_in(session, batch, all.sequences, length, add, visit);
}

/// Calls visit(s, x) for every sequence s of `all` in order, with its hidden states x [T, H], which are valid during the call.
template <class Frozen, executor E, class Visit>
void encode_portions(const Frozen& frozen, const token_batch& all, const E& e, const Visit& visit) {
  auto shape = all.shape();
  shape.scored = 0;
  run_portions(
      frozen, shape, e, [&](std::size_t i) { return all.length(i); },
      [&](std::size_t i, token_batch& batch) { batch.add(all[i], all.segments(i)); },
      [&](std::size_t i, const token_batch& batch, std::size_t s, matrix<const float> hidden) {
        visit(i, hidden.block(batch.starts()[s], batch.length(s)));
      });
}

}  // namespace bert::pipelines

#endif  // BERT_PIPELINE_PORTIONS_HPP
