// Joins a tokenizer's words, split at punctuation, to the words of tagged corpora.
// Layer: text. Test: tests/unit/text/windows_test.cpp
#ifndef BERT_TEXT_WORDS_HPP
#define BERT_TEXT_WORDS_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/text/encoding.hpp"
#include "bert/text/unicode/properties.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::text {

/// Renumbers `e.words`, so that "U.S", "Jean-Paul", "@ada", "5,000" and "example.com" are one word each, as in tagged corpora.
/// `e` is an encoding of all of `text`.
///
/// Joins words without white space between them at - . _ & / @ + between letters or digits, at , : between digits, and after
/// @ or #. Other punctuation and every Chinese character stay words of their own.
inline void join_words(encoding<offsets::bytes>& e, std::string_view text) {
  struct word {
    text_range range;
    bool letters;  // or digits
  };
  std::vector<word> words;
  std::int32_t before = no_word;
  for (std::size_t t = 0; t < e.size(); ++t) {
    if (e.special[t] != 0) continue;
    if (e.words[t] != before) words.push_back({e.ranges[t], false});
    else words.back().range.last = e.ranges[t].last;
    before = e.words[t];
    e.words[t] = static_cast<std::int32_t>(words.size() - 1);
  }
  for (word& w : words) {
    const auto first = utf8::decode(text.data() + w.range.first, text.data() + text.size());
    const kind k = unicode::kind_of<reference::transformers>(first.code);
    w.letters = k == kind::letter || k == kind::mark;
  }
  const auto touch = [&](std::size_t w) { return w + 1 < words.size() && words[w].range.last == words[w + 1].range.first; };
  const auto mark = [&](std::size_t w, std::string_view marks) {
    return words[w].range.last - words[w].range.first == 1 && marks.find(text[words[w].range.first]) != std::string_view::npos;
  };
  const auto digit = [&](std::size_t byte) { return text[byte] >= '0' && text[byte] <= '9'; };
  std::vector<std::int32_t> number(words.size());
  for (std::size_t w = 0; w < words.size(); ++w) {
    if (w > 0) number[w] = number[w - 1] + 1;
    if (w == 0 || !touch(w - 1)) continue;
    const bool between =
        words[w - 1].letters && touch(w) && words[w + 1].letters &&
        (mark(w, "-._&/@+") || (mark(w, ",:") && digit(words[w].range.first - 1) && digit(words[w].range.last)));
    const bool behind = words[w].letters && (mark(w - 1, "@#") || (w > 1 && number[w - 1] == number[w - 2]));
    if (between || behind) number[w] = number[w - 1];
  }
  for (std::size_t t = 0; t < e.size(); ++t)
    if (e.special[t] == 0) e.words[t] = number[static_cast<std::size_t>(e.words[t])];
}

}  // namespace bert::text

#endif  // BERT_TEXT_WORDS_HPP
