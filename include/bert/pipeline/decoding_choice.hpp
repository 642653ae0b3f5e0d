// Decodes a head that chooses among sequences: the best choice, with the probability of each.
// Layer: pipeline. Test: tests/unit/pipeline/choice_test.cpp
#ifndef BERT_PIPELINE_DECODING_CHOICE_HPP
#define BERT_PIPELINE_DECODING_CHOICE_HPP

#include <algorithm>
#include <cstddef>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/pipeline/decoding.hpp"
#include "bert/pipeline/example.hpp"

namespace bert::inline BERT_ISA {

/// A choice among several.
struct chosen {
  std::size_t index = 0;             ///< of the choice
  float score = 0;                   ///< its probability
  std::vector<float> probabilities;  ///< of all choices
};

/// The likeliest of the choices of a text, the first of equal ones.
///
///     const bert::pipeline choose{model, tokenizer};
///     const auto [index, score, all] = choose("The man turned on the faucet.", {"Water flowed.", "The toilet filled."});
template <heads::chooser Head>
struct decoding<Head> {
  using result = chosen;
  /// A pipeline is called with a text and its choices, each a sequence of its own.
  static constexpr bool reads_choices = true;

  static result decode(const pipeline_example& in) {
    if (in.rows.size() < 2)
      throw_error({"bert::pipeline", "a text and two choices or more", cat(in.rows.size()), "call it with a list of choices"});
    std::vector<float> scores;
    for (const auto& row : in.rows) scores.push_back(row(0, 0));
    result r;
    r.probabilities = probabilities(scores);
    r.index = static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
    r.score = r.probabilities[r.index];
    return r;
  }
};

}  // namespace bert

#endif  // BERT_PIPELINE_DECODING_CHOICE_HPP
