// What a head's numbers mean: pieces for a blank, a class of a text, a number.
// Layer: pipeline. Test: tests/unit/pipeline/pipeline_test.cpp
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/heads/next_sentence.hpp"
#include "bert/heads/regress.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/pipeline/similarity.hpp"
#include "bert/text/tokenizer.hpp"

namespace bert::inline BERT_ISA {

/// p[i] = exp(x[i] - max x) / sum_j exp(x[j] - max x), the sum in f64
[[nodiscard]] inline std::vector<float> probabilities(std::span<const float> logits) {
  std::vector<float> p(logits.size());
  if (p.empty()) return p;
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    p[i] = std::exp(logits[i] - most);
    sum += static_cast<double>(p[i]);
  }
  const auto scale = static_cast<float>(1.0 / sum);
  for (float& x : p) x *= scale;
  return p;
}

/// A piece that may stand in a blank.
struct candidate {
  std::string piece;
  token_id id = 0;
  float probability = 0;
};

/// The class of a text.
struct classified {
  std::string label;
  int number = 0;                    ///< of the label in its set
  float score = 0;                   ///< its probability
  std::vector<float> probabilities;  ///< of every label
};

/// The `k` likeliest pieces for one row of masked-LM logits, likeliest first.
[[nodiscard]] inline std::vector<candidate> candidates(std::span<const float> logits, const text::vocabulary& pieces,
                                                       std::size_t k) {
  std::vector<candidate> best;
  for (const auto& [id, probability] : top_k(probabilities(logits), k))
    best.push_back({id < pieces.size() ? std::string(pieces.piece(static_cast<token_id>(id))) : cat("[", id, "]"),
                    static_cast<token_id>(id), probability});
  return best;
}

/// What a pipeline knows when it decodes: whose output it is.
struct decoding_facts {
  const text::tokenizer& tokenizer;
  const std::vector<std::string>& labels;  ///< names of the classes, where the head has any
  std::size_t top;                         ///< candidates wanted for a blank
};

/// How bert::pipeline decodes a head. Specialise it for a head of your own: `result decode(output, sequence, batch, facts)`.
template <class Head>
struct decoding;

/// For every [MASK] of the text, in order, the likeliest pieces.
template <>
struct decoding<heads::masked_lm> {
  using result = std::vector<std::vector<candidate>>;

  template <class Output>
  static result decode(const Output& logits, std::size_t sequence, const token_batch& batch, const decoding_facts& f) {
    result blanks;
    for (std::size_t i = 0; i < batch.scored().size(); ++i)
      if (batch.scored()[i] >= batch.starts()[sequence] && batch.scored()[i] < batch.starts()[sequence + 1])
        blanks.push_back(candidates(logits[i], f.tokenizer.vocabulary(), f.top));
    if (blanks.empty())
      throw error(
          {"bert::pipeline", "a text with a " + f.tokenizer.options().mask, "none in it", "write one where a word is missing"});
    return blanks;
  }
};

template <class Labels>
struct decoding<heads::classify<Labels>> {
  using result = classified;

  template <class Output>
  static result decode(const Output& logits, std::size_t sequence, const token_batch&, const decoding_facts& f) {
    result r;
    r.probabilities = probabilities(logits[sequence]);
    r.number = static_cast<int>(std::max_element(r.probabilities.begin(), r.probabilities.end()) - r.probabilities.begin());
    r.score = r.probabilities[static_cast<std::size_t>(r.number)];
    r.label = f.labels[static_cast<std::size_t>(r.number)];
    return r;
  }
};

template <>
struct decoding<heads::regress> {
  using result = float;

  template <class Output>
  static result decode(const Output& y, std::size_t sequence, const token_batch&, const decoding_facts&) {
    return y(sequence, 0);
  }
};

/// The probability that B follows A.
template <>
struct decoding<heads::next_sentence> {
  using result = float;

  template <class Output>
  static result decode(const Output& logits, std::size_t sequence, const token_batch&, const decoding_facts&) {
    return probabilities(logits[sequence])[0];
  }
};

}  // namespace bert
