// Masks that put a similar word in place of [MASK], so that pretraining sees no token that tasks do not have.
// Layer: objectives. Test: tests/unit/objectives/masking_lexicon_test.cpp
// Paper: Cui et al. 2020, "Revisiting pre-trained models for Chinese NLP" (MacBERT).
#ifndef BERT_OBJECTIVES_MASKING_SIMILAR_HPP
#define BERT_OBJECTIVES_MASKING_SIMILAR_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/objectives/masking.hpp"
#include "bert/objectives/masking_lexicon.hpp"
#include "bert/tensor/token_lexicon.hpp"
#include "bert/tensor/token_synonyms.hpp"

namespace bert::inline BERT_ISA::masking {

/// Of the chosen words, a share `mask` becomes a synonym of as many pieces, or a random word where there is none; a share
/// `random` becomes a random word; the rest is unchanged. A random word is one of the list with as many pieces, or random
/// pieces where the list has none of that length.
struct similar_replacement {
  rates how;
  const token_synonyms* synonyms;

  void operator()(const training_batch& in, std::span<const std::uint32_t> positions, random_stream& random,
                  token_batch& out) const {
    const float u = random.uniform();
    if (u >= how.mask + how.random) return;
    const token_lexicon& words = synonyms->words();
    const auto word = in.tokens.ids().subspan(positions.front(), positions.size());
    if (u < how.mask)
      if (const std::uint32_t entry = words.find(word); entry != token_lexicon::none)
        if (const auto similar = synonyms->of(entry); !similar.empty()) return put(words, similar, positions, random, out);
    if (const auto any = synonyms->of_length(positions.size()); !any.empty()) return put(words, any, positions, random, out);
    for (const std::uint32_t position : positions)
      out.ids()[position] = static_cast<token_id>(random.below(static_cast<std::uint32_t>(in.vocabulary.size)));
  }

 private:
  static void put(const token_lexicon& words, std::span<const std::uint32_t> from, std::span<const std::uint32_t> positions,
                  random_stream& random, token_batch& out) {
    const auto other = words[from[random.below(static_cast<std::uint32_t>(from.size()))]];
    for (std::size_t i = 0; i < positions.size(); ++i) out.ids()[positions[i]] = other[i];
  }
};

/// MacBERT's masks: runs of one to `longest` words, P(n) proportional to longest + 1 - n (40, 30, 20, 10 % of four), each word
/// replaced by a similar one. Words are the entries of `words`, or of the synonyms where `words` has none, and whole words
/// elsewhere. Such a model has seen no [MASK], so it does not fill masks.
///
///     const auto synonyms = bert::data::synonyms("synonyms.tsv", tokenizer);
///     const bert::objectives::masked_lm<bert::masking::similar_word> objective{.masking = {.synonyms = synonyms}};
struct similar_word {
  static constexpr std::string_view name = "similar_word";
  float rate = 0.15f;
  float mask = 0.8f;  ///< share replaced by a similar word
  float random = 0.1f;
  int longest = 4;
  token_synonyms synonyms = {};
  token_lexicon words = {};

  void operator()(const training_batch& in, std::uint64_t seed, masked_batch& out) const { (*this)(in, seed, in.epoch, out); }
  void operator()(const training_batch& in, std::uint64_t seed, std::uint64_t epoch, masked_batch& out) const {
    const auto share = [this](int n) { return static_cast<float>(longest + 1 - n); };
    choose(
        in, seed, epoch, rate, join_entries{words.size() == 0 ? &synonyms.words() : &words},
        [&](random_stream& r) { return run_length(longest, share, r); }, covers::unit,
        similar_replacement{{rate, mask, random}, &synonyms}, out);
  }
  [[nodiscard]] std::size_t max_scored(const batch_shape& shape) const noexcept { return most_wanted(rate, shape); }
};

}  // namespace bert::masking

#endif  // BERT_OBJECTIVES_MASKING_SIMILAR_HPP
