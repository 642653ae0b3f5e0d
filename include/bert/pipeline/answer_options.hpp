// How answers are read from the first and last tokens that a head scores.
// Layer: pipeline. Test: tests/unit/pipeline/answering_test.cpp
#ifndef BERT_PIPELINE_ANSWER_OPTIONS_HPP
#define BERT_PIPELINE_ANSWER_OPTIONS_HPP

#include <cstddef>
#include <cstdint>
#include <optional>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// `squad` is run_squad.py's: sums of logits, comparable over windows, each start in the window where it has the most context.
/// `transformers` is the pipeline's: probabilities within each window, multiplied, the answer widened to whole words.
enum class answer_decoding : std::uint8_t { squad, transformers };

struct answer_options {
  answer_decoding decoding = answer_decoding::squad;
  std::size_t n_best = 20;                  ///< starts and ends looked at in each window, and answers that are kept
  std::size_t max_length = 0;               ///< tokens of an answer; 0: 30, or 15 with `transformers`
  bool may_be_empty = false;                ///< "" where the model prefers no answer: for models trained on SQuAD 2.0
  std::optional<double> threshold = {};     ///< "" if no_answer exceeds it; absent: what the folder keeps, else 0
  std::size_t max_question = 64;            ///< tokens; longer questions are cut
  std::optional<std::size_t> step = {};     ///< tokens between the starts of two windows, by default 128 with `squad`
  std::optional<std::size_t> overlap = {};  ///< tokens that two windows share, by default min(max_tokens / 2, 128) with
                                            ///< `transformers`
};

}  // namespace bert

#endif  // BERT_PIPELINE_ANSWER_OPTIONS_HPP
