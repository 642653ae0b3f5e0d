// What a head predicts (a label, a value or a tag), and what the rows of its output are.
// Layer: heads. Test: tests/unit/heads/token_linear_test.cpp
#ifndef BERT_HEADS_PREDICTS_HPP
#define BERT_HEADS_PREDICTS_HPP

#include <concepts>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::heads {

/// A head declares what it predicts by `using predicts = bert::target::tag;` and, for names, their label set by `using labels =
/// entities;`. Objectives, bert::evaluate and bert::pipeline find heads by these, so they find derived heads too.
template <class Head, class Target>
concept predicts = std::same_as<typename Head::predicts, Target>;

/// One label of `Head::labels` per sequence: logits [S, L].
template <class Head>
concept classifier = predicts<Head, target::label> && labels::label_set<typename Head::labels>;

/// One value per sequence: y [S, 1].
template <class Head>
concept regressor = predicts<Head, target::value>;

/// Any labels of `Head::labels` per sequence: logits [S, L].
template <class Head>
concept many_classifier = predicts<Head, target::many> && labels::label_set<typename Head::labels>;

/// One of the sequences of each example: y [S, 1].
template <class Head>
concept chooser = predicts<Head, target::choice>;

/// One label of `Head::labels` per token: logits [N, L].
template <class Head>
concept tagger = predicts<Head, target::tag> && labels::label_set<typename Head::labels>;

/// What a row of a head's output belongs to.
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

/// `Head::rows` if the head has it. Else the scored positions for a head that reads them; sequences for one that predicts a
/// label or a value, or reads the pooler; tokens for all others.
template <class Head>
inline constexpr output_rows rows_of = detail::rows_of<Head>();

}  // namespace bert::heads

#endif  // BERT_HEADS_PREDICTS_HPP
