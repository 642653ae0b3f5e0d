// What a head predicts: a label, a number or a tag, and to what the rows of its output belong.
// Layer: heads. Test: tests/unit/heads/token_linear_test.cpp
#pragma once

#include <concepts>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::heads {

/// A head says what it predicts by `using predicts = bert::target::tag;` and, if these are names, of which set: `using labels =
/// entities;`. Objectives, bert::evaluate and bert::pipeline find it by that, so a head derived from another is found as well.
template <class Head, class Target>
concept predicts = std::same_as<typename Head::predicts, Target>;

/// One label of `Head::labels` a sequence: logits [S, L].
template <class Head>
concept classifier = predicts<Head, target::label> && labels::label_set<typename Head::labels>;

/// One number a sequence: y [S, 1].
template <class Head>
concept regressor = predicts<Head, target::value>;

/// One label of `Head::labels` a token: logits [N, L].
template <class Head>
concept tagger = predicts<Head, target::tag> && labels::label_set<typename Head::labels>;

/// To what the rows of a head's output belong.
enum class output_rows : std::uint8_t { sequences, tokens, scored };

namespace detail {
template <class Head>
constexpr output_rows rows_of() {
  if constexpr (requires { Head::rows; }) return Head::rows;
  else if constexpr (requires { requires Head::reads_scored; }) return output_rows::scored;
  else if constexpr (predicts<Head, target::tag>) return output_rows::tokens;
  else
    return predicts<Head, target::label> || predicts<Head, target::value> || Head::reads_pooler ? output_rows::sequences
                                                                                                : output_rows::tokens;
}
}  // namespace detail

/// `Head::rows` where the head says so. Else the scored positions for a head that reads those; the sequences for one that
/// predicts a label or a number, or reads the pooler; the tokens for all others.
template <class Head>
inline constexpr output_rows rows_of = detail::rows_of<Head>();

}  // namespace bert::heads
