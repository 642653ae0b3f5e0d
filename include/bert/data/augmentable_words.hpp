// Splits a text into the words that augmentation changes, and joins them again.
// Layer: data. Test: tests/unit/data/eda_test.cpp
#ifndef BERT_DATA_AUGMENTABLE_WORDS_HPP
#define BERT_DATA_AUGMENTABLE_WORDS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/data/thesaurus.hpp"
#include "bert/io/lines.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::data {

/// Words of a language that puts no spaces between them. The longest that fits is taken, from left to right.
class word_list {
 public:
  void add(std::string_view word) {
    if (word.empty()) return;
    longest_ = std::max(longest_, text::utf8::length(word));
    words_.emplace(word);
  }
  [[nodiscard]] bool contains(std::string_view word) const { return words_.find(word) != words_.end(); }
  [[nodiscard]] std::size_t longest() const noexcept { return longest_; }
  [[nodiscard]] std::size_t size() const noexcept { return words_.size(); }

  /// Reads the first column of a file; columns are separated by spaces or TABs.
  [[nodiscard]] static word_list read(const std::filesystem::path& path) {
    word_list words;
    io::line_reader lines(path);
    for (std::string_view line; lines.next(line);) words.add(line.substr(0, line.find_first_of(" \t\r")));
    return words;
  }

 private:
  std::set<std::string, std::less<>> words_;
  std::size_t longest_ = 0;
};

/// Whether a word serves grammar alone, in English or Chinese: it has no synonym that fits.
[[nodiscard]] inline bool is_function_word(std::string_view word) {
  static constexpr std::array<std::string_view, 158> words{
      "a",      "about",   "above", "after",     "again",   "against", "all",      "am",     "an",      "and",    "any",
      "are",    "as",      "at",    "be",        "been",    "before",  "being",    "below",  "between", "both",   "but",
      "by",     "can",     "could", "did",       "do",      "does",    "doing",    "don't",  "down",    "during", "each",
      "few",    "for",     "from",  "further",   "had",     "has",     "have",     "having", "he",      "her",    "here",
      "hers",   "herself", "him",   "himself",   "his",     "how",     "i",        "if",     "in",      "into",   "is",
      "isn't",  "it",      "it's",  "its",       "itself",  "just",    "me",       "more",   "most",    "must",   "my",
      "myself", "no",      "nor",   "not",       "now",     "of",      "off",      "on",     "once",    "only",   "or",
      "other",  "our",     "ours",  "ourselves", "out",     "over",    "own",      "same",   "shall",   "she",    "should",
      "so",     "some",    "such",  "than",      "that",    "the",     "their",    "theirs", "them",    "then",   "there",
      "these",  "they",    "this",  "those",     "through", "to",      "too",      "under",  "until",   "up",     "very",
      "was",    "we",      "were",  "what",      "when",    "where",   "which",    "while",  "who",     "whom",   "why",
      "will",   "with",    "would", "you",       "your",    "yours",   "yourself", "一",     "一个",    "不",     "与",
      "为",     "也",      "了",    "他",        "们",      "会",      "但",       "你",     "到",      "和",     "在",
      "她",     "它",      "就",    "很",        "我",      "把",      "是",       "有",     "没",      "的",     "着",
      "被",     "这",      "那",    "都"};
  return std::find(words.begin(), words.end(), thesaurus::lower(word)) != words.end();
}

/// Whether a tag continues an entity: I-, E-, M- or L- and a type.
[[nodiscard]] inline bool continues_entity(std::string_view tag) noexcept {
  return tag.size() > 2 && tag[1] == '-' && (tag[0] == 'I' || tag[0] == 'E' || tag[0] == 'M' || tag[0] == 'L');
}

/// The case of what replaces a word: as the replacement is given, or with a capital first if the word had one.
enum class letter_case : std::uint8_t { as_given, as_before };

/// A word with the punctuation around it. Its `core` is empty where there is only punctuation.
struct augmentable_word {
  std::string before, core, after, tag;
  bool spaced = true;  ///< a space stands before it

  [[nodiscard]] std::string text() const { return before + core + after; }
  /// Replaces the core.
  void put(std::string_view word, letter_case how) {
    const bool capital = how == letter_case::as_before && !core.empty() && core[0] >= 'A' && core[0] <= 'Z';
    core = word;
    if (capital && core[0] >= 'a' && core[0] <= 'z') core[0] = static_cast<char>(core[0] - 'a' + 'A');
  }
  /// A tagged word, all of which is its core unless it is punctuation.
  [[nodiscard]] static augmentable_word of(std::string_view word, std::string_view tag) {
    const bool mark = word.find_first_not_of(punctuation) == std::string_view::npos && (tag.empty() || tag == "O");
    augmentable_word out;
    (mark ? out.before : out.core) = word;
    out.tag = tag;
    return out;
  }

  static constexpr std::string_view punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
};

namespace detail {

/// Whether a character is of a script without spaces between words: Chinese, Japanese.
[[nodiscard]] constexpr bool without_spaces(char32_t c) noexcept {
  return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3134F);
}

/// Marks of East Asian text, which belong to no word.
[[nodiscard]] constexpr bool wide_mark(char32_t c) noexcept {
  return (c >= 0x3000 && c <= 0x303F) || (c >= 0xFF00 && c <= 0xFF0F) || (c >= 0xFF1A && c <= 0xFF20) ||
         (c >= 0x2010 && c <= 0x2027);
}

/// Bytes of the longest word at the start of `run` that either list has; those of its first character if there is none.
[[nodiscard]] inline std::size_t longest_word(std::string_view run, const thesaurus& synonyms, const word_list& words) {
  const char* const end = run.data() + run.size();
  std::size_t bytes = 0, best = 0;
  for (std::size_t chars = 1; bytes < run.size() && chars <= std::max({synonyms.longest(), words.longest(), std::size_t{1}});
       ++chars) {
    bytes += text::utf8::decode(run.data() + bytes, end).bytes;
    if (chars == 1 || words.contains(run.substr(0, bytes)) || synonyms.contains(run.substr(0, bytes))) best = bytes;
  }
  return best;
}

}  // namespace detail

/// The words of a text: what stands between spaces, parted from runs of Chinese, which are parted by the lists.
[[nodiscard]] inline std::vector<augmentable_word> augmentable_words(std::string_view text, const thesaurus& synonyms,
                                                                     const word_list& words) {
  enum class kind : std::uint8_t { space, run, mark, other };
  const char* const end = text.data() + text.size();
  const auto kind_at = [&](std::size_t i, std::size_t& length) {
    const auto c = text::utf8::decode(text.data() + i, end);
    length = c.bytes;
    const char32_t code = c.code;
    if (code == ' ' || code == '\t' || code == '\n' || code == '\r' || code == 0x3000) return kind::space;
    return detail::without_spaces(code) ? kind::run : detail::wide_mark(code) ? kind::mark : kind::other;
  };
  std::vector<augmentable_word> out;
  bool spaced = true;
  for (std::size_t i = 0, length = 0; i < text.size();) {
    const kind first = kind_at(i, length);
    std::size_t last = i + length;
    for (std::size_t more = 0; last < text.size() && kind_at(last, more) == first;) last += more;
    const std::string_view run = text.substr(i, last - i);
    i = last;
    if (first == kind::space) {
      spaced = true;
      continue;
    }
    augmentable_word word;
    word.spaced = spaced;
    spaced = false;
    if (first == kind::mark) {
      word.before = run;
      out.push_back(std::move(word));
    } else if (first == kind::run) {
      for (std::size_t from = 0; from < run.size(); word.spaced = false) {
        const std::size_t bytes = detail::longest_word(run.substr(from), synonyms, words);
        word.core = run.substr(from, bytes);
        out.push_back(word);
        from += bytes;
      }
    } else {
      const std::size_t begin = std::min(run.find_first_not_of(augmentable_word::punctuation), run.size());
      const std::size_t stop = begin == run.size() ? begin : run.find_last_not_of(augmentable_word::punctuation) + 1;
      word.before = run.substr(0, begin);
      word.core = run.substr(begin, stop - begin);
      word.after = run.substr(stop);
      out.push_back(std::move(word));
    }
  }
  return out;
}

/// The words as a text, with one space where they were apart.
[[nodiscard]] inline std::string joined(const std::vector<augmentable_word>& words) {
  std::string out;
  for (const auto& word : words) out.append(out.empty() || !word.spaced ? "" : " ").append(word.text());
  return out;
}

}  // namespace bert::data

#endif  // BERT_DATA_AUGMENTABLE_WORDS_HPP
