// Splits a paragraph into sentences by rules for English and Chinese, for next-sentence pairs.
// Layer: text. Test: tests/unit/text/sentences_test.cpp
#ifndef BERT_TEXT_SENTENCES_HPP
#define BERT_TEXT_SENTENCES_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/text/unicode/properties.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::text {

namespace detail {

/// Abbreviations whose full stop ends no sentence; lower case, sorted.
inline constexpr std::array<std::string_view, 62> abbreviations{
    "adm", "al",   "apr", "art", "aug",  "av",  "ave", "bros", "ca",    "capt", "cf",  "ch",  "cmdr", "co",  "col", "corp",
    "dec", "dept", "dr",  "ed",  "eds",  "est", "etc", "feb",  "fig",   "figs", "ft",  "gen", "gov",  "hon", "inc", "jan",
    "jr",  "lt",   "ltd", "maj", "mar",  "mr",  "mrs", "ms",   "mt",    "no",   "nos", "nov", "oct",  "op",  "pp",  "prof",
    "pt",  "rep",  "rev", "sen", "sept", "sgt", "sr",  "st",   "trans", "univ", "v",   "viz", "vol",  "vs"};
// Those that do end a sentence if a capital follows.
inline constexpr std::array<std::string_view, 8> may_end_sentence{"al", "bros", "co", "corp", "etc", "inc", "jr", "ltd"};

constexpr bool is_closing(char32_t c) noexcept {
  return c == '"' || c == '\'' || c == ')' || c == ']' || c == '}' || c == 0x2019 || c == 0x201D || c == 0xBB || c == 0x300D ||
         c == 0x300F || c == 0xFF09 || c == 0x3011 || c == 0x300B;
}
constexpr bool is_opening(char32_t c) noexcept {
  return c == '"' || c == '\'' || c == '(' || c == '[' || c == '{' || c == 0x2018 || c == 0x201C || c == 0xAB;
}
constexpr bool is_blank(char32_t c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0xA0 || c == 0x3000;
}
constexpr bool is_wide_end(char32_t c) noexcept { return c == 0x3002 || c == 0xFF01 || c == 0xFF1F || c == 0xFF61; }
constexpr bool is_ascii_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_digit(char32_t c) noexcept { return c >= '0' && c <= '9'; }

/// Whether the full stop at `stop` belongs to the word before it: an abbreviation, an initial, or "e.g.".
inline bool stop_belongs_to_word(std::string_view text, std::size_t stop, bool capital_follows) {
  std::size_t begin = stop;
  bool dotted = false;
  while (begin > 0 && (is_ascii_letter(text[begin - 1]) || text[begin - 1] == '.')) dotted |= text[--begin] == '.';
  const std::size_t size = stop - begin;
  if (size == 0) return false;
  const bool word_before = begin > 0 && static_cast<unsigned char>(text[begin - 1]) >= 0x80;
  if (word_before) return false;
  if (dotted) return !capital_follows || size <= 3;  // "e.g."; "U.S. Army" is more frequent than "in the U.S. He"
  if (size == 1) return text[begin] >= 'A' && text[begin] <= 'Z' && text[begin] != 'I';  // J. Smith
  if (size > 5) return false;
  char lower[5];
  for (std::size_t i = 0; i < size; ++i) lower[i] = static_cast<char>(text[begin + i] | 0x20);
  const std::string_view word(lower, size);
  if (!std::binary_search(abbreviations.begin(), abbreviations.end(), word)) return false;
  return !capital_follows || !std::binary_search(may_end_sentence.begin(), may_end_sentence.end(), word);
}

}  // namespace detail

/// Calls `each(sentence)` for every sentence of `paragraph`, trimmed and not empty.
///
/// A sentence ends at 。！？, and at . ! ? before white space, with closing quotes and brackets between. It does not end if
/// lower case follows, or if the full stop belongs to an abbreviation, an initial or a number.
template <class Each>
void split_sentences(std::string_view paragraph, Each&& each) {
  using namespace detail;
  const char* const data = paragraph.data();
  const char* const end = data + paragraph.size();
  const char* begin = data;
  const auto pass = [&](const char* first, const char* last) {
    for (; first < last; first += utf8::decode(first, last).bytes)
      if (!is_blank(utf8::decode(first, last).code)) break;
    while (last > first) {
      const char* q = last - 1;
      while (q > first && (static_cast<unsigned char>(*q) & 0xC0u) == 0x80u) --q;
      if (!is_blank(utf8::decode(q, last).code)) break;
      last = q;
    }
    if (first < last) each(std::string_view(first, static_cast<std::size_t>(last - first)));
  };
  for (const char* p = data; p < end;) {
    const auto [code, bytes] = utf8::decode(p, end);
    const char* const at = p;
    p += bytes;
    const bool wide = is_wide_end(code);
    if (!wide && code != '.' && code != '!' && code != '?' && code != 0x2026) continue;
    bool only_stop = code == '.';
    while (p < end) {  // "?!", "...", closing quotes and brackets
      const auto next = utf8::decode(p, end);
      const bool more =
          next.code == '.' || next.code == '!' || next.code == '?' || next.code == 0x2026 || is_wide_end(next.code);
      if (!more && !is_closing(next.code)) break;
      only_stop &= !more;
      p += next.bytes;
    }
    if (wide) {
      pass(begin, p);
      begin = p;
      continue;
    }
    if (p < end && !is_blank(utf8::decode(p, end).code)) continue;
    const char* q = p;
    while (q < end && (is_blank(utf8::decode(q, end).code) || is_opening(utf8::decode(q, end).code)))
      q += utf8::decode(q, end).bytes;
    if (q < end) {
      const char32_t follows = utf8::decode(q, end).code;
      const bool small = unicode::lower(follows) == follows && unicode::contains(unicode::cased, follows);
      if (small) continue;
      const bool capital = !is_digit(follows);
      if (only_stop && stop_belongs_to_word(paragraph, static_cast<std::size_t>(at - data), capital)) continue;
    }
    pass(begin, p);
    begin = p;
  }
  pass(begin, end);
}

}  // namespace bert::text

#endif  // BERT_TEXT_SENTENCES_HPP
