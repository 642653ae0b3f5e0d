// Adds the words of a domain to a vocabulary: those that it cuts into many pieces.
// Layer: text. Test: tests/unit/text/extend_vocabulary_test.cpp
#ifndef BERT_TEXT_EXTEND_VOCABULARY_HPP
#define BERT_TEXT_EXTEND_VOCABULARY_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/wordpiece/vocabulary.hpp"
#include "bert/text/wordpiece/word_counts.hpp"

namespace bert::inline BERT_ISA::text {

/// A word of a text that a tokenizer cuts into pieces.
struct cut_word {
  std::string text;
  std::uint64_t count = 0;      ///< in the text
  std::vector<token_id> parts;  ///< its pieces
  friend bool operator==(const cut_word&, const cut_word&) = default;
};

struct cut_words_options {
  std::size_t most = 1'000;       ///< words to return
  std::uint64_t least_count = 5;  ///< rarer words are left out, as their embeddings would hardly be trained
};

/// The words of `source` whose pieces take the most tokens beyond one a word, count * (pieces - 1), largest first; of equal
/// ones in the order of their bytes. `source` is a range of strings or has for_each_line, as a corpus. Words with a character
/// that the vocabulary lacks are [UNK] and not among them.
template <class Source, class Reference, executor E = execution::serial>
[[nodiscard]] std::vector<cut_word> cut_words(const Source& source, const basic_tokenizer<Reference>& tokenizer,
                                              const cut_words_options& options = {}, const E& e = {}) {
  std::vector<cut_word> out;
  std::vector<token_id> ids;
  std::vector<word_part> parts;
  for (auto& [word, count] : count_words(source, tokenizer.options(), e)) {
    if (count < options.least_count) continue;
    ids.clear();
    parts.clear();
    tokenizer.append_ids(word, ids, &parts);
    const bool one_word = ids.size() > 1 && parts[0] == word_part::begins &&
                          std::all_of(parts.begin() + 1, parts.end(), [](word_part p) { return p == word_part::continues; });
    if (one_word) out.push_back({std::move(word), count, ids});
  }
  std::stable_sort(out.begin(), out.end(), [](const cut_word& a, const cut_word& b) {
    return a.count * (a.parts.size() - 1) > b.count * (b.parts.size() - 1);
  });
  if (out.size() > options.most) out.resize(options.most);
  return out;
}

/// A piece that was added, the row of its embedding, and the pieces that it was before.
struct added_piece {
  std::string text;
  token_id id = 0;
  std::vector<token_id> parts;
};

/// A vocabulary with the pieces that were added.
struct vocabulary_extension {
  vocabulary pieces;
  std::vector<added_piece> added;
  std::size_t reused = 0;  ///< [unused…] rows among them
};

/// `tokenizer`'s vocabulary with `words` as pieces: in the place of [unused0], [unused1], …, then behind the last piece, up to
/// `most_pieces` in all. Throws bert::error if they do not fit, with the number that does, and for a word that is a piece
/// already.
template <class Reference>
[[nodiscard]] vocabulary_extension extend_vocabulary(const basic_tokenizer<Reference>& tokenizer,
                                                     std::span<const cut_word> words,
                                                     std::size_t most_pieces = std::size_t{1} << 24) {
  const vocabulary& old = tokenizer.vocabulary();
  std::vector<std::string> all;
  std::vector<std::size_t> unused;
  for (std::size_t i = 0; i < old.size(); ++i) {
    const std::string_view piece = old.piece(static_cast<token_id>(i));
    if (piece.starts_with("[unused") && piece.ends_with("]")) unused.push_back(i);
    all.emplace_back(piece);
  }
  const std::size_t space = unused.size() + (most_pieces > old.size() ? most_pieces - old.size() : 0);
  if (words.size() > space)
    throw_error({old.where(),
                 cat("at most ", space, " new pieces: ", unused.size(), " rows [unused…], and ", space - unused.size(),
                     " behind the last"),
                 cat(words.size()), "add fewer, or use an architecture whose vocabulary is open"});
  vocabulary_extension out;
  for (const cut_word& word : words) {
    if (old.id(word.text)) throw_error({old.where(), "words that are no pieces yet", word.text, {}});
    const std::size_t at = out.added.size();
    const std::size_t id = at < unused.size() ? unused[at] : all.size();
    if (at < unused.size()) all[id] = word.text;
    else all.push_back(word.text);
    out.reused += at < unused.size() ? 1 : 0;
    out.added.push_back({word.text, static_cast<token_id>(id), word.parts});
  }
  out.pieces = vocabulary(all).named(old.where());
  return out;
}

}  // namespace bert::text

#endif  // BERT_TEXT_EXTEND_VOCABULARY_HPP
