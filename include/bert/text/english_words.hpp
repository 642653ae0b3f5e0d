// Splits English text into the words of the Penn Treebank, as NLTK's word_tokenize does for the metric of CMRC 2018.
// Layer: text. Test: tests/unit/text/english_words_test.cpp. Paper: Marcus et al. 1993; Kiss and Strunk 2006 (sentences).
#ifndef BERT_TEXT_ENGLISH_WORDS_HPP
#define BERT_TEXT_ENGLISH_WORDS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/text/unicode/properties.hpp"
#include "bert/text/unicode/spaces.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::text {

namespace english {

/// Words that keep their period before a word in lower case, without the period. NLTK learned its list from a corpus; this one
/// holds titles, months, states, companies and common short forms.
inline constexpr std::array<std::string_view, 106> abbreviations{
    "a.d",  "a.m",   "adm",  "al",  "ala",    "apr",  "ariz", "ark",  "assn", "assoc", "aug", "ave",  "b.c", "bros",
    "c.f",  "calif", "capt", "cf",  "cmdr",   "co",   "col",  "colo", "conn", "corp",  "cos", "d.c",  "dec", "del",
    "dept", "dr",    "e.g",  "ed",  "est",    "etc",  "feb",  "fig",  "fla",  "fri",   "ft",  "ga",   "gen", "gov",
    "hon",  "i.e",   "ill",  "inc", "ind",    "jan",  "jr",   "jul",  "jun",  "kan",   "ky",  "la",   "lt",  "ltd",
    "maj",  "mar",   "mass", "md",  "messrs", "mich", "minn", "mo",   "mon",  "mr",    "mrs", "ms",   "mt",  "n.c",
    "n.j",  "n.y",   "nev",  "nov", "oct",    "okla", "ore",  "p.m",  "pa",   "ph.d",  "pp",  "prof", "rep", "reps",
    "rev",  "s.c",   "sat",  "sen", "sens",   "sep",  "sept", "sgt",  "sr",   "st",    "sun", "tenn", "tex", "tues",
    "u.k",  "u.n",   "u.s",  "va",  "vol",    "vs",   "wash", "wis"};

[[nodiscard]] constexpr bool one_of(char32_t c, std::u32string_view set) noexcept {
  return set.find(c) != std::u32string_view::npos;
}
/// ASCII and full-width digits.
[[nodiscard]] constexpr bool is_digit(char32_t c) noexcept { return (c >= '0' && c <= '9') || (c >= 0xFF10 && c <= 0xFF19); }
[[nodiscard]] constexpr bool is_word(char32_t c) noexcept { return c == '_' || unicode::contains(unicode::alphanumeric, c); }
[[nodiscard]] constexpr char32_t small(char32_t c) noexcept { return c >= 'A' && c <= 'Z' ? c + 32 : c; }
/// Whether `t` has the lower-case `what` at `i`, in any case.
[[nodiscard]] constexpr bool at(std::u32string_view t, std::size_t i, std::u32string_view what) noexcept {
  if (i + what.size() > t.size()) return false;
  for (std::size_t k = 0; k < what.size(); ++k)
    if (small(t[i + k]) != what[k]) return false;
  return true;
}
/// Whether a word begins or ends between i - 1 and i.
[[nodiscard]] constexpr bool boundary(std::u32string_view t, std::size_t i) noexcept {
  return (i > 0 && is_word(t[i - 1])) != (i < t.size() && is_word(t[i]));
}

/// Replaces from left to right: `rule(t, i, out)` appends to `out` what stands for the match at i and returns its length, or 0.
template <class Rule>
void replace(std::u32string& t, const Rule& rule) {
  std::u32string out;
  for (std::size_t i = 0; i < t.size();) {
    const std::size_t matched = rule(std::u32string_view(t), i, out);
    if (matched == 0) out += t[i++];
    i += matched;
  }
  t = std::move(out);
}
/// Puts spaces around each of `set`.
inline void part(std::u32string& t, std::u32string_view set) {
  replace(t, [&](std::u32string_view s, std::size_t i, std::u32string& out) -> std::size_t {
    if (!one_of(s[i], set)) return 0;
    ((out += U' ') += s[i]) += U' ';
    return 1;
  });
}
/// Puts spaces around runs of `c` of at least `least`.
inline void part_runs(std::u32string& t, char32_t c, std::size_t least) {
  replace(t, [&](std::u32string_view s, std::size_t i, std::u32string& out) -> std::size_t {
    const std::size_t n = std::min(s.find_first_not_of(c, i), s.size()) - i;
    if (n < least) return 0;
    out += U' ';
    out.append(n, c) += U' ';
    return n;
  });
}
/// Replaces each `what` by `by`.
inline void put(std::u32string& t, std::u32string_view what, std::u32string_view by) {
  replace(t, [&](std::u32string_view s, std::size_t i, std::u32string& out) -> std::size_t {
    if (s.substr(i, what.size()) != what) return 0;
    out += by;
    return what.size();
  });
}

inline void opening_quotes(std::u32string& t) {
  part(t, U"«“‘„");
  part_runs(t, U'`', 1);
  if (t.starts_with(U'"')) t.replace(0, 1, U"``");
  put(t, U"``", U" `` ");
  replace(t, [](std::u32string_view s, std::size_t i, std::u32string& out) -> std::size_t {
    if (!one_of(s[i], U" ([{<") || !(at(s, i + 1, U"\"") || at(s, i + 1, U"''"))) return 0;
    (out += s[i]) += U" `` ";
    return s[i + 1] == U'"' ? 2 : 3;
  });
  replace(t, [](std::u32string_view s, std::size_t i, std::u32string& out) -> std::size_t {
    if (s[i] != U'\'' || i + 1 >= s.size() || !is_word(s[i + 1]) || !boundary(s, i + 2)) return 0;
    for (const std::u32string_view ending : {U"re", U"ve", U"ll", U"m", U"t", U"s", U"d", U"n"})
      if (at(s, i + 1, ending)) return 0;
    (out += U"' ") += s[i + 1];
    return 2;
  });
}

inline void punctuation(std::u32string& t) {
  // The last period, with what closes behind it.
  std::size_t end = t.size();
  while (end > 0 && unicode::is_white_space(t[end - 1])) --end;
  std::size_t period = end;
  while (period > 0 && one_of(t[period - 1], U"])}>\"'»”’ ")) --period;
  if (period > 1 && t[period - 1] == U'.' && t[period - 2] != U'.')
    t = t.substr(0, period - 1) + U" . " + t.substr(period, end - period) + U' ';
  replace(t, [](std::u32string_view s, std::size_t i, std::u32string& out) -> std::size_t {
    if (!one_of(s[i], U":,") || i + 1 >= s.size() || is_digit(s[i + 1])) return 0;
    (((out += U' ') += s[i]) += U' ') += s[i + 1];
    return 2;
  });
  if (!t.empty() && one_of(t.back(), U":,")) (t.insert(t.size() - 1, 1, U' ')) += U' ';
  part_runs(t, U'.', 2);
  part(t, U";@#$%&");
  part(t, U"?!");
  replace(t, [](std::u32string_view s, std::size_t i, std::u32string& out) -> std::size_t {
    if (s[i] == U'\'' || !at(s, i + 1, U"' ")) return 0;
    (out += s[i]) += U" ' ";
    return 3;
  });
  part(t, U"*");
  part(t, U"[](){}<>");
  put(t, U"--", U" -- ");
}

inline void closing_quotes(std::u32string& t) {
  part(t, U"»”’");
  put(t, U"''", U" '' ");
  put(t, U"\"", U" '' ");
  const auto split_before = [&t](const auto& endings) {
    replace(t, [&](std::u32string_view s, std::size_t i, std::u32string& out) -> std::size_t {
      if (one_of(s[i], U"' ")) return 0;
      for (const std::u32string_view ending : endings)
        if (at(s, i + 1, ending)) {
          ((out += s[i]) += U' ') += s.substr(i + 1, ending.size());
          return 1 + ending.size();
        }
      return 0;
    });
  };
  split_before(std::array<std::u32string_view, 4>{U"'s ", U"'m ", U"'d ", U"' "});
  split_before(std::array<std::u32string_view, 4>{U"'ll ", U"'re ", U"'ve ", U"n't "});
}

inline void contractions(std::u32string& t) {
  const auto split = [&t](std::u32string_view first, std::u32string_view second, bool before_space) {
    replace(t, [&](std::u32string_view s, std::size_t i, std::u32string& out) -> std::size_t {
      const std::size_t middle = i + first.size(), end = middle + second.size();
      if (!at(s, i, first) || !at(s, middle, second) || !boundary(s, i) || !boundary(s, end)) return 0;
      if (before_space && (end >= s.size() || !unicode::is_white_space(s[end]))) return 0;
      (out += U' ') += s.substr(i, first.size());
      ((out += U' ') += s.substr(middle, second.size())) += U' ';
      return end - i;
    });
  };
  split(U"can", U"not", false);
  split(U"d", U"'ye", false);
  split(U"gim", U"me", false);
  split(U"gon", U"na", false);
  split(U"got", U"ta", false);
  split(U"lem", U"me", false);
  split(U"more", U"'n", false);
  split(U"wan", U"na", true);
  for (const std::u32string_view word : {U"is", U"was"})
    replace(t, [&](std::u32string_view s, std::size_t i, std::u32string& out) -> std::size_t {
      if (!at(s, i, U" 't") || !at(s, i + 3, word) || !boundary(s, i + 3 + word.size())) return 0;
      (((out += U' ') += s.substr(i + 1, 2)) += U' ') += s.substr(i + 3, word.size());
      out += U' ';
      return 3 + word.size();
    });
}

/// Whether the period at `i` ends a sentence before the token at `next`.
[[nodiscard]] inline bool ends_sentence(std::u32string_view t, std::size_t i, std::size_t next) {
  if (t[i] != U'.') return true;
  if (i > 0 && t[i - 1] == U'.') return false;  // an ellipsis
  std::size_t from = i;
  while (from > 0 && !unicode::is_white_space(t[from - 1]) && !one_of(t[from - 1], U")\";}]*:@'({[!?")) --from;
  while (from < i && one_of(t[from], U"`&#-,")) ++from;
  std::string word;
  for (std::size_t k = from; k < i; ++k) utf8::append(small(t[k]), word);
  const auto known = [](std::string_view w) {
    return std::find(abbreviations.begin(), abbreviations.end(), w) != abbreviations.end();
  };
  if (known(word) || known(std::string_view(word).substr(word.rfind('-') + 1))) return false;
  // Initials and numbers before a word in lower case, or before punctuation.
  const bool initial = i - from == 1 && is_word(t[from]) && !is_digit(t[from]);
  const bool number = from < i && is_digit(t[from]) &&
                      std::all_of(t.begin() + static_cast<std::ptrdiff_t>(from), t.begin() + static_cast<std::ptrdiff_t>(i),
                                  [](char32_t c) { return is_digit(c) || one_of(c, U",.-"); });
  const bool continues =
      (small(t[next]) >= 'a' && small(t[next]) <= 'z' && t[next] == small(t[next])) || one_of(t[next], U";:,.!?");
  return !((initial || number) && continues);
}

/// Sentences [first, last) of `t`.
[[nodiscard]] inline std::vector<std::pair<std::size_t, std::size_t>> sentences(std::u32string_view t) {
  std::vector<std::pair<std::size_t, std::size_t>> out;
  std::size_t end = t.size(), begin = 0;
  while (end > 0 && unicode::is_white_space(t[end - 1])) --end;
  for (std::size_t i = 0; i + 1 < end; ++i) {
    if (!one_of(t[i], U".?!")) continue;
    std::size_t next = i + 1;
    const bool closes = one_of(t[next], U")\";}]*:@'({[!?");
    if (!closes && !unicode::is_white_space(t[next])) continue;
    while (unicode::is_white_space(t[next])) ++next;
    if (!ends_sentence(t, i, next)) continue;
    std::size_t last = i + 1;
    if (closes) {  // quotes and brackets that close belong to the sentence before
      std::size_t k = next;
      while (k < end && one_of(t[k], U"\"')]}")) ++k;
      if (k > next && (k == end || unicode::is_white_space(t[k]))) {
        last = k;
        while (k < end && unicode::is_white_space(t[k])) ++k;
        next = k;
      }
    }
    out.emplace_back(begin, last);
    begin = next;
    i = std::max(i, next - 1);
  }
  if (begin < end) out.emplace_back(begin, end);
  return out;
}

}  // namespace english

/// The words of an English text: punctuation apart, "don't" as "do" and "n't", quotation marks as `` and ''.
///
/// Follows the rules of NLTK 3.8's word_tokenize. Only the end of a sentence splits a period from a word, and which periods end
/// one is a question of abbreviations: here those of a short list, in NLTK of a trained model.
[[nodiscard]] inline std::vector<std::string> english_words(std::string_view text) {
  std::u32string all;
  for (const char *p = text.data(), *const end = p + text.size(); p < end;) {
    const auto [code, bytes] = utf8::decode(p, end);
    all += code;
    p += bytes;
  }
  std::vector<std::string> words;
  for (const auto& [first, last] : english::sentences(all)) {
    std::u32string t = all.substr(first, last - first);
    english::opening_quotes(t);
    english::punctuation(t);
    t = U' ' + t + U' ';
    english::closing_quotes(t);
    english::contractions(t);
    bool open = false;
    for (const char32_t c : t) {
      const bool space = unicode::is_white_space(c);
      if (!space && !open) words.emplace_back();
      if (!space) utf8::append(c, words.back());
      open = !space;
    }
  }
  return words;
}

}  // namespace bert::text

#endif  // BERT_TEXT_ENGLISH_WORDS_HPP
