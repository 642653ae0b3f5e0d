// A vocabulary extended by added tokens.
// Layer: text. Test: tests/unit/text/tokenizer_test.cpp
#ifndef BERT_TEXT_EXTENDED_VOCABULARY_HPP
#define BERT_TEXT_EXTENDED_VOCABULARY_HPP

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/text/added_tokens.hpp"
#include "bert/text/wordpiece/vocabulary.hpp"

namespace bert::inline BERT_ISA::text {

/// `pieces` with the added tokens that it lacks, at their ids; nullopt if it lacks none. Unused ids between them are empty
/// pieces. Throws bert::error for an id of another token, or one more than 65,536 past the end.
[[nodiscard]] inline std::optional<vocabulary> with_added(const vocabulary& pieces, std::span<const added_token> added) {
  std::vector<const added_token*> beyond;
  for (const auto& t : added)
    if (const auto known = pieces.id(t.content); !known || *known != t.id) beyond.push_back(&t);
  if (beyond.empty()) return std::nullopt;
  std::sort(beyond.begin(), beyond.end(), [](const added_token* x, const added_token* y) { return x->id < y->id; });
  std::vector<std::string> all;
  for (std::size_t i = 0; i < pieces.size(); ++i) all.emplace_back(pieces.piece(static_cast<token_id>(i)));
  constexpr std::size_t most_unused = 1u << 16;  // between two tokens; a larger gap means a damaged file
  for (const added_token* t : beyond) {
    const auto fail = [&](const std::string& expected) {
      throw_error({cat(pieces.where(), ", added token ", t->content), expected, cat("the id ", t->id),
                   "give each added token an id of its own, from the vocabulary's size on"});
    };
    const auto id = static_cast<std::size_t>(std::max<token_id>(t->id, 0));
    if (t->id < 0 || id > all.size() + most_unused) fail(cat("an id from 0 to ", all.size() + most_unused));
    if (id >= all.size()) all.resize(id + 1);
    else if (!all[id].empty()) fail(cat("an id that no other token has; ", id, " is ", all[id]));
    all[id] = t->content;
  }
  return vocabulary(all).named(pieces.where());
}

}  // namespace bert::text

#endif  // BERT_TEXT_EXTENDED_VOCABULARY_HPP
