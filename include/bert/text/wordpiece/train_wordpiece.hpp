// Trains a WordPiece vocabulary on text.
// Layer: text. Test: tests/unit/text/wordpiece/train_wordpiece_test.cpp
// Papers: Schuster and Nakajima 2012, "Japanese and Korean voice search"; Sennrich et al. 2016, "Subword units".
#ifndef BERT_TEXT_WORDPIECE_TRAIN_WORDPIECE_HPP
#define BERT_TEXT_WORDPIECE_TRAIN_WORDPIECE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/wordpiece/piece_merger.hpp"
#include "bert/text/wordpiece/word_counts.hpp"

namespace bert::inline BERT_ISA::text {

struct wordpiece_options {
  std::size_t vocab = 30'522;  ///< number of pieces, special tokens included
  bool lowercase = true;
  std::optional<bool> strip_accents = {};
  bool tokenize_chinese_chars = true;
  std::uint64_t min_frequency = 2;     ///< rarer pairs are not merged
  std::size_t alphabet_limit = 1'000;  ///< keeps the most frequent characters; skips words with others
  float surplus = 0.25f;               ///< learns this share of extra pieces, then drops the least used; 0: none
  std::size_t unused = 0;   ///< [unused0]…; from 99 on, the special tokens have ids 100 to 103, as in Google's files
  std::size_t threads = 0;  ///< 0: one per core
};

/// Statistics of a training.
struct wordpiece_report {
  std::uint64_t words = 0;  ///< words of the text, repeats included
  std::size_t distinct_words = 0;
  std::size_t characters = 0;        ///< distinct characters of the text
  std::size_t alphabet = 0;          ///< those of them that are pieces
  std::uint64_t words_left_out = 0;  ///< words with a character that is not in the alphabet
  double pieces_per_word = 0;        ///< mean over the text, by longest match
};

namespace detail {

/// How often longest match uses each piece on the counted words. Writes the report's counts of words and pieces.
inline std::vector<std::uint64_t> piece_uses(const vocabulary& v, const std::vector<counted_word>& words,
                                             wordpiece_report& report) {
  const wordpiece match(v, reference::transformers::max_word_characters);
  std::vector<std::uint64_t> uses(v.size());
  std::vector<token_id> ids(4 * reference::transformers::max_word_characters);
  std::uint64_t pieces = 0;
  report.words = report.words_left_out = 0;
  for (const auto& [text, count] : words) {
    const std::size_t n = match.match(text.data(), text.size(), ids.data());
    report.words += count;
    pieces += count * std::max<std::size_t>(n, 1);
    if (n == 0) report.words_left_out += count;
    for (std::size_t i = 0; i < n; ++i) uses[static_cast<std::size_t>(ids[i])] += count;
  }
  report.pieces_per_word = report.words == 0 ? 0 : static_cast<double>(pieces) / static_cast<double>(report.words);
  return uses;
}

/// Drops the least used pieces after the first `given` until `size` remain. Takes 4 rounds, as every drop changes which pieces
/// longest match uses. Merging leaves intermediate pieces that only longer pieces contain; dropping them makes way for others.
inline void drop_least_used(std::vector<std::string>& pieces, const std::vector<counted_word>& words, std::size_t given,
                            std::size_t size) {
  constexpr std::size_t rounds = 4;
  wordpiece_report ignored;
  for (std::size_t round = rounds; round > 0 && pieces.size() > size; --round) {
    const std::size_t target = size + (pieces.size() - size) * (round - 1) / round;
    const auto uses = piece_uses(vocabulary(pieces), words, ignored);
    std::vector<std::size_t> order(pieces.size() - given);
    std::iota(order.begin(), order.end(), given);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return uses[a] > uses[b]; });
    order.resize(target - given);
    std::sort(order.begin(), order.end());
    std::vector<std::string> kept(pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(given));
    for (const std::size_t i : order) kept.push_back(std::move(pieces[i]));
    pieces = std::move(kept);
  }
}

/// [PAD] [UNK] [CLS] [SEP] [MASK], or Google's order with [unused] tokens between them.
inline std::vector<std::string> special_pieces(std::size_t unused) {
  std::vector<std::string> out{"[PAD]"};
  const auto fill = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) out.push_back(cat("[unused", i, "]"));
  };
  const std::size_t before = std::min<std::size_t>(unused, 99);
  fill(0, before);
  for (const char* token : {"[UNK]", "[CLS]", "[SEP]", "[MASK]"}) out.emplace_back(token);
  fill(before, unused);
  return out;
}

}  // namespace detail

/// Trains on `source`: a range of strings, or a type with `for_each_line(callback(std::string_view))`.
///
/// The result depends on the text and the options, not on the order of lines or the number of threads.
/// Throws bert::error if the alphabet exceeds the vocabulary's size.
template <class Scoring = scoring::pair_counts, class Source, executor Executor>
[[nodiscard]] tokenizer train_wordpiece(const Source& source, const wordpiece_options& options, const Executor& run,
                                        wordpiece_report* report = nullptr) {
  const tokenizer_options how{.lowercase = options.lowercase,
                              .strip_accents = options.strip_accents,
                              .tokenize_chinese_chars = options.tokenize_chinese_chars};
  const auto words = count_words(source, how, run);
  detail::merger<Scoring> merger(words, detail::special_pieces(options.unused), options.alphabet_limit);
  if (merger.given() > options.vocab)
    throw_error({"bert::text::train_wordpiece",
                 cat("a vocabulary of at least ", merger.given(), " pieces: the alphabet and the special tokens"),
                 cat("a vocabulary of ", options.vocab), "raise vocab or lower alphabet_limit"});
  const auto more = static_cast<std::size_t>(static_cast<double>(options.vocab - merger.given()) *
                                             static_cast<double>(std::max(0.0f, options.surplus)));
  merger.run(options.vocab + more, options.min_frequency);
  auto pieces = std::move(merger.pieces());
  detail::drop_least_used(pieces, words, merger.given(), options.vocab);
  tokenizer made(vocabulary(pieces), how);
  if (report != nullptr) {
    detail::piece_uses(made.vocabulary(), words, *report);
    report->distinct_words = words.size();
    report->characters = merger.characters_seen();
    report->alphabet = merger.alphabet();
  }
  return made;
}

template <class Scoring = scoring::pair_counts, class Source>
[[nodiscard]] tokenizer train_wordpiece(const Source& source, const wordpiece_options& options = {},
                                        wordpiece_report* report = nullptr) {
  const std::size_t n = options.threads != 0 ? options.threads : execution::available_cores();
  return train_wordpiece<Scoring>(source, options, execution::threads(n), report);
}

}  // namespace bert::text

#endif  // BERT_TEXT_WORDPIECE_TRAIN_WORDPIECE_HPP
