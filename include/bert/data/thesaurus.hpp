// Words that mean the same: from WordNet, from a MyThes thesaurus, or from a file of groups.
// Layer: data. Test: tests/unit/data/thesaurus_test.cpp
#ifndef BERT_DATA_THESAURUS_HPP
#define BERT_DATA_THESAURUS_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/lines.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::data {

/// The synonyms of a word, in the order of the file. Words are looked up with A to Z in lower case; a synonym may be several
/// words with spaces between them.
class thesaurus {
 public:
  /// Makes all words of a group synonyms of one another. One word alone makes none.
  void add(std::span<const std::string_view> group) {
    for (const auto word : group) {
      if (word.empty()) continue;
      for (const auto other : group)
        if (!other.empty() && lower(other) != lower(word)) add(word, other);
    }
  }
  /// Makes `synonym` one of `word`, but not the reverse.
  void add(std::string_view word, std::string_view synonym) {
    auto& list = words_[lower(word)];
    if (std::find(list.begin(), list.end(), synonym) == list.end()) list.emplace_back(synonym);
    longest_ = std::max(longest_, text::utf8::length(word));
  }
  /// None if it does not have the word.
  [[nodiscard]] std::span<const std::string> of(std::string_view word) const {
    const auto found = words_.find(lower(word));
    return found == words_.end() ? std::span<const std::string>{} : std::span<const std::string>(found->second);
  }
  [[nodiscard]] bool contains(std::string_view word) const { return words_.contains(lower(word)); }
  /// Words that have a synonym.
  [[nodiscard]] std::size_t size() const noexcept { return words_.size(); }
  /// Characters of the longest of them.
  [[nodiscard]] std::size_t longest() const noexcept { return longest_; }

  /// `word` with A to Z in lower case.
  [[nodiscard]] static std::string lower(std::string_view word) {
    std::string out(word);
    for (char& c : out)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
  }

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> words_;
  std::size_t longest_ = 0;
};

namespace detail {

/// The parts of `line` between `separator`s; empty ones too.
[[nodiscard]] inline std::vector<std::string_view> parts_of(std::string_view line, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t from = 0; from <= line.size();) {
    const std::size_t end = std::min(line.find(separator, from), line.size());
    parts.push_back(line.substr(from, end - from));
    from = end + 1;
  }
  return parts;
}

[[nodiscard]] inline std::string_view without_return(std::string_view line) noexcept {
  return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

inline thesaurus&& checked(thesaurus&& words, const std::filesystem::path& path, const char* expected) {
  if (words.size() == 0) throw_error({path_text(path), expected, "no two words that mean the same", "check the file"});
  return std::move(words);
}

}  // namespace detail

/// Reads WordNet's database: data.noun, data.verb, data.adj and data.adv of a folder (dict/, on Debian /usr/share/wordnet). All
/// words of a synset are synonyms.
[[nodiscard]] inline thesaurus wordnet(const std::filesystem::path& folder) {
  thesaurus words;
  std::vector<std::string> group;
  for (const char* name : {"data.noun", "data.verb", "data.adj", "data.adv"}) {
    io::line_reader lines(folder / name);
    for (std::string_view line; lines.next(line);) {
      if (line.starts_with("  ")) continue;  // the license
      // offset, number of the file, kind, words in hexadecimal, then each word and its number
      const auto fields = detail::parts_of(line, ' ');
      std::size_t count = 0;
      if (fields.size() > 3) std::from_chars(fields[3].data(), fields[3].data() + fields[3].size(), count, 16);
      if (count == 0 || fields.size() < 4 + 2 * count)
        throw_error({cat(path_text(folder / name), ", line ", lines.line()),
                     "a synset: offset, file, kind, number of words, words", std::string(line.substr(0, 40)),
                     "give the folder of WordNet's database files"});
      group.clear();
      for (std::size_t w = 0; w < count; ++w) {
        std::string word(fields[4 + 2 * w]);
        if (const auto mark = word.find('('); mark != std::string::npos) word.resize(mark);  // (a), (p), (ip)
        std::replace(word.begin(), word.end(), '_', ' ');
        group.push_back(std::move(word));
      }
      const std::vector<std::string_view> views(group.begin(), group.end());
      words.add(views);
    }
  }
  return detail::checked(std::move(words), folder, "WordNet's database files");
}

/// Reads a thesaurus of MyThes, as th_en_US_v2.dat of OpenOffice: an encoding, which must be UTF-8 or ASCII's, then for each
/// word "word|meanings" and a line a meaning, "(kind)|synonym|…". Synonyms with a remark, such as "(generic term)", are left
/// out.
[[nodiscard]] inline thesaurus mythes(const std::filesystem::path& path) {
  thesaurus words;
  io::line_reader lines(path);
  std::string_view line;
  lines.next(line);  // the encoding
  while (lines.next(line)) {
    const auto head = detail::parts_of(detail::without_return(line), '|');
    std::size_t meanings = 0;
    if (head.size() < 2 || std::from_chars(head[1].data(), head[1].data() + head[1].size(), meanings).ec != std::errc{} ||
        head[0].empty())
      throw_error({cat(path_text(path), ", line ", lines.line()), "a word, a | and its number of meanings",
                   std::string(line.substr(0, 40)), "give the .dat of a MyThes thesaurus"});
    const std::string word(head[0]);
    for (; meanings > 0 && lines.next(line); --meanings) {
      const auto meaning = detail::parts_of(detail::without_return(line), '|');
      for (std::size_t i = 1; i < meaning.size(); ++i)
        if (!meaning[i].empty() && meaning[i].find('(') == std::string_view::npos &&
            thesaurus::lower(meaning[i]) != thesaurus::lower(word))
          words.add(word, meaning[i]);
    }
  }
  return detail::checked(std::move(words), path, "a MyThes thesaurus");
}

/// Reads a file of a group of synonyms a line, in its last column (columns are separated by TABs): words separated by | or, if
/// there is none, by spaces. A group whose code in the first column ends in # or @, which Cilin gives to words that are related
/// or alone, is left out. Text must be UTF-8.
[[nodiscard]] inline thesaurus synonym_groups(const std::filesystem::path& path) {
  thesaurus words;
  io::line_reader lines(path);
  for (std::string_view line; lines.next(line);) {
    line = detail::without_return(line);
    if (text::utf8::first_invalid(line) != std::string_view::npos)
      throw_error({cat(path_text(path), ", line ", lines.line()), "text in UTF-8", "an invalid byte",
                   "convert the file, as by iconv -f GBK -t UTF-8"});
    const auto columns = detail::parts_of(line, '\t');
    if (columns.size() > 1 && (columns[0].ends_with('#') || columns[0].ends_with('@'))) continue;
    const char separator = columns.back().find('|') != std::string_view::npos ? '|' : ' ';
    words.add(detail::parts_of(columns.back(), separator));
  }
  return detail::checked(std::move(words), path, "a group of synonyms a line");
}

}  // namespace bert::data

#endif  // BERT_DATA_THESAURUS_HPP
