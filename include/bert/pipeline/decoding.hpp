// Decodes a head's output: pieces for a [MASK], a class of a text, a number.
// Layer: pipeline. Test: tests/unit/pipeline/pipeline_test.cpp
#ifndef BERT_PIPELINE_DECODING_HPP
#define BERT_PIPELINE_DECODING_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
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
#include "bert/heads/predicts.hpp"
#include "bert/heads/regress.hpp"
#include "bert/pipeline/example.hpp"
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

/// A candidate piece for a [MASK].
struct candidate {
  std::string piece;
  token_id id = 0;
  float probability = 0;
};

/// The predicted class of a text.
struct classified {
  std::string label;
  int number = 0;                    ///< index of the label in its set
  float score = 0;                   ///< its probability
  std::vector<float> probabilities;  ///< of all labels
};

/// The `k` likeliest pieces of one row of masked-LM logits, likeliest first.
[[nodiscard]] inline std::vector<candidate> candidates(std::span<const float> logits, const text::vocabulary& pieces,
                                                       std::size_t k) {
  std::vector<candidate> best;
  for (const auto& [id, probability] : top_k(probabilities(logits), k))
    best.push_back({id < pieces.size() ? std::string(pieces.piece(static_cast<token_id>(id))) : cat("[", id, "]"),
                    static_cast<token_id>(id), probability});
  return best;
}

/// How bert::pipeline decodes a head: `result` and `static result decode(const pipeline_example&)`. Specialize it for a head of
/// your own:
///
///     template <>
///     struct bert::decoding<my_head> {
///       using result = float;
///       static result decode(const bert::pipeline_example& in) { return in.rows[0](0, 0); }
///     };
///
/// `decode` may have a second argument, `const auto& packed`: the head's packed weights (the CRF's transitions, for example).
/// An optional `static std::vector<text_encoding> windows(tokenizer, text, second, options)` splits a text into sequences, as
/// that of pipelines::word_windows. Without it, a text is one sequence, cut to the positions.
template <class Head>
struct decoding;

/// The likeliest pieces for every [MASK] of the text, in order.
template <std::derived_from<heads::masked_lm> Head>
struct decoding<Head> {
  using result = std::vector<std::vector<candidate>>;

  static result decode(const pipeline_example& in) {
    const matrix<const float> logits = in.rows.front();
    result masks;
    for (std::size_t i = 0; i < logits.rows; ++i)
      masks.push_back(candidates(logits[i], in.tokenizer.vocabulary(), in.options.top));
    if (masks.empty())
      throw_error({"bert::pipeline", "a text with a " + in.tokenizer.options().mask, "none in it",
                   "write one where a word is missing"});
    return masks;
  }
};

template <heads::classifier Head>
struct decoding<Head> {
  using result = classified;

  static result decode(const pipeline_example& in) {
    result r;
    r.probabilities = probabilities(in.rows.front()[0]);
    r.number = static_cast<int>(std::max_element(r.probabilities.begin(), r.probabilities.end()) - r.probabilities.begin());
    r.score = r.probabilities[static_cast<std::size_t>(r.number)];
    r.label = in.labels[static_cast<std::size_t>(r.number)];
    return r;
  }
};

template <heads::regressor Head>
struct decoding<Head> {
  using result = float;

  static result decode(const pipeline_example& in) { return in.rows.front()(0, 0); }
};

/// The probability that B follows A.
template <std::derived_from<heads::next_sentence> Head>
struct decoding<Head> {
  using result = float;

  static result decode(const pipeline_example& in) { return probabilities(in.rows.front()[0])[0]; }
};

}  // namespace bert

#endif  // BERT_PIPELINE_DECODING_HPP
