// Masks over the words and phrases of a list: entities, set phrases, the words of a language without spaces.
// Layer: objectives. Test: tests/unit/objectives/masking_lexicon_test.cpp
// Papers: Sun et al. 2019, "ERNIE" (phrases, entities); Cui et al. 2021, "Whole word masking for Chinese BERT".
#ifndef BERT_OBJECTIVES_MASKING_LEXICON_HPP
#define BERT_OBJECTIVES_MASKING_LEXICON_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/objectives/masking.hpp"
#include "bert/tensor/token_lexicon.hpp"

namespace bert::inline BERT_ISA::masking {

/// Units of the entries of a lexicon, found from left to right, the longest at each word; words outside of them are units of
/// their own.
struct join_entries {
  const token_lexicon* words;

  void operator()(std::span<const token_id> ids, std::span<const word_part> parts,
                  std::span<std::uint8_t> joined) const noexcept {
    join_words{}(ids, parts, joined);
    if (words->size() == 0) return;
    constexpr std::size_t ahead = 8;  // tokens, of some 50 ns each: a read from memory
    std::size_t asked = 0;
    for (std::size_t i = 0; i < ids.size();) {
      for (; asked < std::min(ids.size(), i + ahead); ++asked) words->prefetch(ids, asked);
      const std::size_t length = parts[i] == word_part::begins ? words->longest(ids, parts, i).length : 0;
      for (std::size_t k = i + 1; k < i + length; ++k) joined[k] = 1;
      i += length == 0 ? 1 : length;
    }
  }
};

/// All pieces of an entry of `words` or none, and of whole words elsewhere; with `longest` > 1 runs of one to `longest` such
/// units, P(n) proportional to 1/n. An entry is found where its tokens are whole words of the sequence, leftmost and longest
/// first; so the pieces of a Chinese text, single characters, are masked by the words of a dictionary. Without entries it is
/// `whole_word`.
///
///     const auto words = bert::data::lexicon("words.txt", tokenizer);
///     const bert::objectives::masked_lm<bert::masking::lexicon> objective{.masking = {.words = words}};
struct lexicon {
  static constexpr std::string_view name = "lexicon";
  float rate = 0.15f;
  float mask = 0.8f;
  float random = 0.1f;
  int longest = 1;
  draws drawn = draws::each_piece;
  token_lexicon words = {};

  void operator()(const training_batch& in, std::uint64_t seed, masked_batch& out) const { (*this)(in, seed, in.epoch, out); }
  void operator()(const training_batch& in, std::uint64_t seed, std::uint64_t epoch, masked_batch& out) const {
    const auto share = [](int n) { return 1.0f / static_cast<float>(n); };
    const join_entries join{&words};
    if (longest <= 1) return choose(in, seed, epoch, {rate, mask, random}, drawn, join, single{}, out);
    choose(
        in, seed, epoch, {rate, mask, random}, drawn, join, [&](random_stream& r) { return run_length(longest, share, r); },
        out);
  }
  [[nodiscard]] std::size_t max_scored(const batch_shape& shape) const noexcept { return most_wanted(rate, shape); }
};

}  // namespace bert::masking

#endif  // BERT_OBJECTIVES_MASKING_LEXICON_HPP
