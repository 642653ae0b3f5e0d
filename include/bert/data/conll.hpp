// Tagged sentences from files in CoNLL format: one word a line, its tag in the last column.
// Layer: data. Test: tests/unit/data/conll_test.cpp. Paper: Tjong Kim Sang and De Meulder 2003.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/data/tagged_set.hpp"
#include "bert/data/tokenizing.hpp"
#include "bert/io/lines.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/labels/transitions.hpp"

namespace bert::inline BERT_ISA::data {

struct conll_options {
  int word_column = 0;  ///< from 0; from the end if negative: -1 is the last
  int tag_column = -1;
  int max_tokens = 128;  ///< this and the next two as in tagging_options
  int stride = 32;
  tagged_pieces pieces = tagged_pieces::first;
  bool respell = false;  ///< rewrites each sentence's tags in the scheme of their set, IOB1 as BIO (labels::respell)
};

/// A word of a file, its tag and its line.
struct conll_word {
  std::string text, tag;
  std::uint64_t line = 0;
};

/// Reads a file sentence by sentence.
///
/// Columns are separated by tabs if the line has one, else by spaces. A sentence ends at a blank line (only spaces, tabs and
/// U+FEFF), at a line that begins with -DOCSTART-, which is skipped, and at the end of the file.
class conll_reader {
 public:
  explicit conll_reader(std::filesystem::path path, const conll_options& options = {})
      : lines_(std::move(path)), options_(options) {}

  /// Writes the next sentence to `words`; false when there is none. Throws bert::error with path and line for a line with too
  /// few columns.
  bool next(std::vector<conll_word>& words) {
    words.clear();
    std::string_view line;
    while (lines_.next(line)) {
      if (blank(line) || line.starts_with("-DOCSTART-")) {
        if (!words.empty()) return true;
        continue;
      }
      split(line);
      const std::size_t word = column(options_.word_column), tag = column(options_.tag_column);
      if (word >= fields_.size() || tag >= fields_.size() || word == tag || fields_[tag].empty())
        throw error({where(lines_.line()),
                     cat("a word in column ", options_.word_column, " and a tag in column ", options_.tag_column,
                         " (from 0 on, from the end if negative)"),
                     cat(fields_.size(), fields_.size() == 1 ? " column" : " columns"),
                     "separate the columns by TABs or spaces, sentences by a blank line; or set .word_column and .tag_column"});
      words.push_back({std::string(fields_[word]), std::string(fields_[tag]), lines_.line()});
    }
    return !words.empty();
  }

  /// "path, line N".
  [[nodiscard]] std::string where(std::uint64_t line) const { return cat(lines_.path().string(), ", line ", line); }

 private:
  [[nodiscard]] static bool blank(std::string_view line) noexcept {
    for (;;) {
      if (line.empty()) return true;
      if (line.front() == ' ' || line.front() == '\t' || line.front() == '\r') line.remove_prefix(1);
      else if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
      else return false;
    }
  }
  void split(std::string_view line) {
    fields_.clear();
    const bool tabs = line.find('\t') != std::string_view::npos;
    for (std::size_t from = 0; from <= line.size();) {
      const std::size_t end = std::min(line.find(tabs ? '\t' : ' ', from), line.size());
      std::string_view field = line.substr(from, end - from);
      while (field.starts_with(' ')) field.remove_prefix(1);
      while (field.ends_with(' ') || field.ends_with('\r')) field.remove_suffix(1);
      if (tabs || !field.empty()) fields_.push_back(field);
      from = end + 1;
    }
  }
  [[nodiscard]] std::size_t column(int number) const noexcept {
    return static_cast<std::size_t>(number < 0 ? static_cast<std::ptrdiff_t>(fields_.size()) + number : number);
  }

  io::line_reader lines_;
  conll_options options_;
  std::vector<std::string_view> fields_;
};

/// The tags that occur in a file: O first, then sorted by type and letter, so that B-X and I-X are adjacent.
/// Throws bert::error if there are fewer than two.
[[nodiscard]] inline labels::dynamic_set conll_tags(const std::filesystem::path& path, const conll_options& options = {}) {
  std::set<std::string, std::less<>> found;
  std::vector<conll_word> words;
  for (conll_reader reader(path, options); reader.next(words);)
    for (auto& word : words)
      if (!found.contains(word.tag)) found.insert(std::move(word.tag));
  if (found.size() < 2)
    throw error({path.string(), "two tags or more", cat(found.size()), "check .tag_column: -1 is the last"});
  std::vector<std::string> names(found.begin(), found.end());
  const auto key = [](std::string_view tag) {
    const std::size_t dash = tag.find('-');
    const bool typed = dash == 1 && tag.size() > 2;
    return std::pair(typed ? tag.substr(2) : std::string_view{}, typed ? tag.substr(0, 1) : tag);
  };
  std::sort(names.begin(), names.end(),
            [&](const auto& a, const auto& b) { return (a == "O") != (b == "O") ? a == "O" : key(a) < key(b); });
  return labels::dynamic_set(std::move(names));
}

/// Reads and tokenizes a file whose tags are those of `names`, as tagged_set_builder does.
///
///     bert::data::conll("dev.conll", tokenizer, train.names());
///
/// Throws bert::error with path and line: too few columns, a tag that the set does not have, a file without sentences.
template <labels::label_set Labels, tokenizing Tokenizer>
[[nodiscard]] tagged_set<Labels> conll(const std::filesystem::path& path, const Tokenizer& tokenizer, Labels names,
                                       const conll_options& options = {}) {
  conll_reader reader(path, options);
  tagged_set_builder<Labels, Tokenizer> set(
      tokenizer, std::move(names), {.max_tokens = options.max_tokens, .stride = options.stride, .pieces = options.pieces});
  std::vector<conll_word> sentence;
  std::vector<std::string_view> words;
  std::vector<std::int32_t> tags;
  while (reader.next(sentence)) {
    words.clear();
    tags.clear();
    for (const auto& word : sentence) {
      const auto tag = set.names().parse(word.tag);
      if (!tag)
        throw error({reader.where(word.line), cat("a tag of ", labels::listed(set.names())), cat('"', word.tag, '"'),
                     "check .tag_column, or add the tag to the set"});
      words.push_back(word.text);
      tags.push_back(*tag);
    }
    if (options.respell) labels::respell(set.names(), tags);
    set.add(words, tags);
  }
  if (set.size() == 0) throw error({path.string(), "at least one sentence", "none", "check the file"});
  return std::move(set).build();
}

/// Reads and tokenizes a file whose tags are a type:
///
///     struct entities : bert::labels::bio<"PER", "ORG", "LOC", "MISC"> {};
///     const auto train = bert::data::conll<entities>("train.conll", tokenizer);
template <labels::static_label_set Labels, tokenizing Tokenizer>
[[nodiscard]] tagged_set<Labels> conll(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                       const conll_options& options = {}) {
  return conll(path, tokenizer, Labels{}, options);
}

/// Reads and tokenizes a file with whatever tags occur in it (see conll_tags).
template <tokenizing Tokenizer>
[[nodiscard]] tagged_set<labels::dynamic_set> conll(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                                    const conll_options& options = {}) {
  return conll(path, tokenizer, conll_tags(path, options), options);
}

}  // namespace bert::data
