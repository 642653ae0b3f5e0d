// Word lists and lists of synonyms, as token ids for masks.
// Layer: data. Test: tests/unit/data/word_lists_test.cpp
#ifndef BERT_DATA_WORD_LISTS_HPP
#define BERT_DATA_WORD_LISTS_HPP

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/parsed_number.hpp"
#include "bert/core/path.hpp"
#include "bert/data/corpus.hpp"
#include "bert/data/tokenizing.hpp"
#include "bert/io/lines.hpp"
#include "bert/io/spooled_file.hpp"
#include "bert/tensor/token_lexicon.hpp"
#include "bert/tensor/token_synonyms.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::data {

/// Where a line's word ends.
enum class word_end : std::uint8_t {
  automatic,  ///< `space` if each of the first 1,000 lines is a word without spaces, a space and a number, with or without a
              ///< further word, as jieba's dictionaries are; else `tab`
  tab,        ///< at the first tab, or at the end of the line: "New York"
  space       ///< at the first space or tab
};

struct word_list_options {
  word_end end = word_end::automatic;
  std::size_t longest = 128;  ///< tokens of an entry; a longer one is an error, as of a text in place of a word list
};

/// What became of a word list's lines.
struct word_list_report {
  std::uint64_t lines = 0;    ///< with a word
  std::uint64_t entries = 0;  ///< of a lexicon: distinct, of two words of the tokenizer or more; of synonyms: pairs
  std::uint64_t single = 0;   ///< of one word of the tokenizer: the same unit without a list
  std::uint64_t unknown = 0;  ///< left out: with [UNK] or another special token, or without any token
  std::uint64_t uneven = 0;   ///< synonyms of another number of tokens than their word: left out
  word_end end = word_end::tab;
};

namespace detail {

// Trims spaces, tabs and carriage returns.
inline std::string_view trimmed(std::string_view text) noexcept {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

inline bool is_number(std::string_view text) { return parsed_number<double>(text).has_value(); }

// "word number" or "word number word".
inline bool is_word_and_number(std::string_view line) {
  const auto first = line.find(' ');
  if (first == std::string_view::npos || first == 0 || line.find('\t') != std::string_view::npos) return false;
  line.remove_prefix(first + 1);
  const auto second = line.find(' ');
  return is_number(line.substr(0, second)) &&
         (second == std::string_view::npos || line.find(' ', second + 1) == std::string_view::npos);
}

// Calls use(line, number) with each line that is not blank; checks UTF-8.
template <class Use>
void for_each_word_line(const std::filesystem::path& path, const std::filesystem::path& name, const Use& use) {
  io::line_reader lines(path);
  for (std::string_view line; lines.next(line);) {
    if (const auto bad = text::utf8::first_invalid(line); bad != std::string_view::npos)
      throw_error({cat(path_text(name), ", line ", lines.line()), "text in UTF-8", cat("an invalid byte at column ", bad + 1),
                   "convert the file, as by iconv -f GB18030 -t UTF-8"});
    if (!blank(line) && !use(line, lines.line())) return;
  }
}

// Tokenizes entries; false for one that cannot be used.
template <class Tokenizer>
class entry_reader {
 public:
  entry_reader(const Tokenizer& tokenizer, const std::filesystem::path& name, std::size_t longest)
      : tokenizer_(&tokenizer), name_(path_text(name)), longest_(longest) {}

  bool read(std::string_view entry, std::uint64_t line, std::vector<token_id>& ids) {
    ids.clear();
    parts_.clear();
    tokenizer_->append_ids(entry, ids, &parts_);
    if (ids.size() > longest_)
      throw_error({cat(name_, ", line ", line), cat("a word or phrase of at most ", longest_, " tokens"), cat(ids.size()),
                   "is it a text in place of a word list?"});
    words_ = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (parts_[i] == word_part::special) return false;
      if constexpr (requires { tokenizer_->unk_id(); })
        if (ids[i] == tokenizer_->unk_id()) return false;
      words_ += parts_[i] == word_part::begins ? 1u : 0u;
    }
    return !ids.empty();
  }
  // Words of the tokenizer in the last entry.
  [[nodiscard]] std::size_t words() const noexcept { return words_; }

 private:
  const Tokenizer* tokenizer_;
  std::string name_;
  std::size_t longest_, words_ = 0;
  std::vector<word_part> parts_;
};

}  // namespace detail

/// The entries of word lists for masking::lexicon, one a line, with what follows the word left out: "New York", jieba's
/// "word frequency tag", or "word TAB number". A first line without a number before a second one with one is a header. Entries
/// of one word of the tokenizer are left out, as they are units anyway, and those with [UNK], which would stand for any word.
///
///     const auto words = bert::data::lexicon("words.txt", tokenizer);
///
/// Throws bert::error, naming the line, for text that is not UTF-8, for a line without a word before its tab, and for an entry
/// of more than `options.longest` tokens; for a file that is missing or empty; and if no entry is left.
template <tokenizing Tokenizer>
[[nodiscard]] token_lexicon lexicon(std::span<const std::filesystem::path> paths, const Tokenizer& tokenizer,
                                    const word_list_options& options = {}, word_list_report* report = nullptr) {
  token_lexicon_builder builder;
  word_list_report found;
  std::string names;
  std::vector<token_id> ids;
  std::uint64_t first_of_builder = 0;
  for (const auto& path : paths) {
    names += (names.empty() ? "" : ", ") + path_text(path);
    const io::spooled_file file(path);
    word_end end = options.end;
    bool header = false;
    if (end == word_end::automatic) {
      std::size_t seen = 0;
      bool all = true;
      std::vector<bool> numbered;
      detail::for_each_word_line(file.path(), path, [&](std::string_view line, std::uint64_t) {
        line = detail::trimmed(line);
        all = all && detail::is_word_and_number(line);
        const auto tab = line.find('\t');
        if (numbered.size() < 2) numbered.push_back(tab != std::string_view::npos && detail::is_number(line.substr(tab + 1)));
        header = numbered.size() == 2 && !numbered[0] && numbered[1];
        return ++seen < 1'000;
      });
      end = all && seen != 0 ? word_end::space : word_end::tab;
    }
    found.end = end;
    detail::entry_reader<Tokenizer> entries(tokenizer, path, options.longest);
    bool first = true;
    const std::uint64_t before = found.lines;
    detail::for_each_word_line(file.path(), path, [&](std::string_view line, std::uint64_t number) {
      if (std::exchange(first, false) && header) return true;
      if (line.front() == '\t')
        throw_error({cat(path_text(path), ", line ", number), "a word before the tab", "none", "write one entry a line"});
      if (end == word_end::space) line = detail::trimmed(line);
      const std::string_view word =
          detail::trimmed(line.substr(0, end == word_end::space ? line.find_first_of(" \t") : line.find('\t')));
      ++found.lines;
      if (!entries.read(word, number, ids)) ++found.unknown;
      else if (entries.words() < 2) ++found.single;
      else first_of_builder = std::max<std::uint64_t>(first_of_builder, builder.add(ids) + std::uint64_t{1});
      return true;
    });
    if (found.lines == before) throw_error({path_text(path), "a word list, one entry a line", "no entry", "check the path"});
  }
  found.entries = first_of_builder;
  if (found.entries == 0)
    throw_error({names.empty() ? "bert::data::lexicon" : names,
                 "an entry of two words or more (in Chinese: characters) that the vocabulary has",
                 cat(found.lines, " entries, of which ", found.single, " are of one word and ", found.unknown, " have [UNK]"),
                 "is the list of the vocabulary's language?"});
  if (report != nullptr) *report = found;
  return std::move(builder).build();
}
template <tokenizing Tokenizer>
[[nodiscard]] token_lexicon lexicon(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                    const word_list_options& options = {}, word_list_report* report = nullptr) {
  return lexicon(std::span<const std::filesystem::path>(&path, 1), tokenizer, options, report);
}

/// Synonyms for masking::similar_word from lines of a word, a tab and its synonyms, separated by tabs. A word may have several
/// lines. Leaves out words with [UNK], and synonyms of another number of tokens than their word.
///
/// Throws bert::error, naming the line, for text that is not UTF-8, for a line without a word or without a synonym, and for a
/// word of more than `options.longest` tokens; for a file that is missing or empty; and if no pair is left.
template <tokenizing Tokenizer>
[[nodiscard]] token_synonyms synonyms(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                      const word_list_options& options = {}, word_list_report* report = nullptr) {
  token_synonyms_builder builder;
  word_list_report found;
  const io::spooled_file file(path);
  detail::entry_reader<Tokenizer> entries(tokenizer, path, options.longest);
  std::vector<token_id> word, other;
  detail::for_each_word_line(file.path(), path, [&](std::string_view line, std::uint64_t number) {
    const auto refuse = [&](const char* what) {
      throw_error({cat(path_text(path), ", line ", number), "a word, a tab, and its synonyms separated by tabs", what,
                   "write one word a line"});
    };
    const auto tab = line.find('\t');
    if (tab == std::string_view::npos) refuse("no tab");
    const std::string_view head = detail::trimmed(line.substr(0, tab));
    if (head.empty()) refuse("no word before the tab");
    ++found.lines;
    const bool known = entries.read(head, number, word);
    if (!known) ++found.unknown;
    bool any = false;
    for (std::string_view rest = line.substr(tab + 1); !rest.empty();) {
      const auto next = std::min(rest.find('\t'), rest.size());
      const std::string_view synonym = detail::trimmed(rest.substr(0, next));
      rest.remove_prefix(std::min(rest.size(), next + 1));
      if (synonym.empty()) continue;
      any = true;
      if (!known) continue;
      if (!entries.read(synonym, number, other)) ++found.unknown;
      else if (other.size() != word.size()) ++found.uneven;
      else if (builder.add(word, other)) ++found.entries;
    }
    if (!any) refuse("no synonym behind the tab");
    return true;
  });
  if (found.lines == 0) throw_error({path_text(path), "a list of synonyms", "no line", "check the path"});
  if (found.entries == 0)
    throw_error({path_text(path), "a word with a synonym of as many tokens",
                 cat("none in ", found.lines, " lines: ", found.uneven, " synonyms have other numbers of tokens, ",
                     found.unknown, " words have [UNK]"),
                 "is the list of the vocabulary's language?"});
  if (report != nullptr) *report = found;
  return std::move(builder).build();
}

}  // namespace bert::data

#endif  // BERT_DATA_WORD_LISTS_HPP
