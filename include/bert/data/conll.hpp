// Tagged sentences from files in CoNLL format: one word a line, its tag in the last column.
// Layer: data. Test: tests/unit/data/conll_test.cpp. Paper: Tjong Kim Sang and De Meulder 2003.
#ifndef BERT_DATA_CONLL_HPP
#define BERT_DATA_CONLL_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/data/as_read.hpp"
#include "bert/data/tagged_set.hpp"
#include "bert/data/tokenizing.hpp"
#include "bert/io/lines.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/labels/tag_scheme.hpp"
#include "bert/labels/transitions.hpp"

namespace bert::inline BERT_ISA::data {

/// As conll_options::tag_column: the file has words alone, or its tags are not read.
inline constexpr int no_tags = std::numeric_limits<int>::min();

/// Whether a line is a word and its tag, or a sentence: its words separated by spaces, a TAB, their tags separated by spaces.
/// `detect`: sentences if the first line that is not blank has one TAB and two words or more, and as many tags.
enum class conll_lines : std::uint8_t { detect, words, sentences };

/// What is done with a sentence whose tags its scheme forbids, such as I-PER after O: it stays as it is, or its tags are
/// rewritten such that its entities are those that conlleval reads (labels::respell). A CRF forbids such tags.
enum class faulty_tags : std::uint8_t { keep, respell };

struct conll_options {
  int word_column = 0;   ///< from 0; from the end if negative: -1 is the last
  int tag_column = -1;   ///< or no_tags
  int max_tokens = 128;  ///< this and the next two as in tagging_options
  int stride = 32;
  tagged_pieces pieces = tagged_pieces::first;
  conll_lines lines = conll_lines::detect;
  faulty_tags faulty = faulty_tags::keep;
};

/// A word of a file, its tag and its line.
struct conll_word {
  std::string text, tag;
  std::uint64_t line = 0;
};

/// Reads a file sentence by sentence.
///
/// Columns are separated by tabs if the line has one, else by spaces. A sentence ends at a blank line (only spaces, tabs and
/// U+FEFF), at a line that begins with -DOCSTART-, which is skipped, and at the end of the file. Where lines are sentences,
/// each is one.
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
      if (options_.lines == conll_lines::detect)
        options_.lines = split_sentence(line) && words_.size() > 1 ? conll_lines::sentences : conll_lines::words;
      if (options_.lines == conll_lines::sentences) {
        if (!split_sentence(line))
          throw_error({where(lines_.line()), "words separated by spaces, a TAB, and as many tags separated by spaces",
                       cat(words_.size(), " words, ", tags_.size(), " tags"), "check the line, or set .lines"});
        for (std::size_t i = 0; i < words_.size(); ++i)
          words.push_back({std::string(words_[i]), std::string(tags_[i]), lines_.line()});
        return true;
      }
      split(line);
      if (columns_ == 0) {
        columns_ = fields_.size();
        first_line_ = lines_.line();
      } else if (uneven_line_ == 0 && fields_.size() != columns_) {
        uneven_line_ = lines_.line();
        uneven_columns_ = fields_.size();
      }
      const std::size_t word = column(options_.word_column);
      if (options_.tag_column == no_tags && word < fields_.size()) {
        words.push_back({std::string(fields_[word]), {}, lines_.line()});
        continue;
      }
      const std::size_t tag = column(options_.tag_column);
      if (word >= fields_.size() || tag >= fields_.size() || word == tag || fields_[tag].empty())
        throw_error({where(lines_.line()),
                     cat("a word in column ", options_.word_column, " and a tag in column ", options_.tag_column,
                         " (from 0 on, from the end if negative)"),
                     cat(fields_.size(), fields_.size() == 1 ? " column" : " columns"),
                     "separate the columns by TABs or spaces, sentences by a blank line; or set .word_column and .tag_column"});
      words.push_back({std::string(fields_[word]), std::string(fields_[tag]), lines_.line()});
    }
    return !words.empty();
  }

  /// Of a file of words: a line of another number of columns than the first line, and both numbers; empty if there is none so
  /// far.
  [[nodiscard]] std::string uneven() const {
    if (uneven_line_ == 0) return {};
    return cat("line ", first_line_, " has ", columns_, " columns and line ", uneven_line_, " has ", uneven_columns_);
  }
  /// "path, line N".
  [[nodiscard]] std::string where(std::uint64_t line) const { return cat(path_text(lines_.path()), ", line ", line); }

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
  /// Splits a line that is a sentence to words_ and tags_; false if it is none.
  bool split_sentence(std::string_view line) {
    words_.clear();
    tags_.clear();
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos || line.find('\t', tab + 1) != std::string_view::npos) return false;
    const auto into = [](std::string_view part, std::vector<std::string_view>& list) {
      for (std::size_t from = 0; from < part.size();) {
        const std::size_t end = std::min(part.find_first_of(" \r", from), part.size());
        if (end > from) list.push_back(part.substr(from, end - from));
        from = end + 1;
      }
    };
    into(line.substr(0, tab), words_);
    into(line.substr(tab + 1), tags_);
    return !words_.empty() && words_.size() == tags_.size();
  }
  [[nodiscard]] std::size_t column(int number) const noexcept {
    return static_cast<std::size_t>(number < 0 ? static_cast<std::ptrdiff_t>(fields_.size()) + number : number);
  }

  io::line_reader lines_;
  conll_options options_;
  std::vector<std::string_view> fields_, words_, tags_;
  std::size_t columns_ = 0, uneven_columns_ = 0;  // of the first line, and of the first that differs
  std::uint64_t first_line_ = 0, uneven_line_ = 0;
};

namespace detail {

/// All sentences of a file, and the scheme of their tags.
struct conll_file {
  std::vector<std::vector<conll_word>> sentences;
  labels::tag_scheme scheme = labels::tag_scheme::none;
  std::string uneven;  ///< as of the reader

  conll_file(const std::filesystem::path& path, const conll_options& options) {
    labels::scheme_finder finder;
    std::vector<std::string> tags;
    conll_reader reader(path, options);
    while (reader.next(sentences.emplace_back())) {
      tags.clear();
      for (const auto& word : sentences.back()) tags.push_back(word.tag);
      finder.add(tags);
    }
    sentences.pop_back();
    uneven = reader.uneven();
    scheme = finder.scheme();
  }

  void convert(labels::tag_scheme to) {
    std::vector<std::string> tags;
    for (auto& sentence : sentences) {
      tags.clear();
      for (auto& word : sentence) tags.push_back(std::move(word.tag));
      labels::convert_tags(tags, to);
      for (std::size_t i = 0; i < tags.size(); ++i) sentence[i].tag = std::move(tags[i]);
    }
    scheme = to;
  }
};

}  // namespace detail

/// The tags that occur in a file: O first, then sorted by type and letter, so that B-X and I-X are adjacent. Those of IOB1 are
/// converted to BIO. Throws bert::error if there are fewer than two, and for a file that is no list of words and tags but
/// text: no tag is O or of a scheme, and lines have different numbers of columns, or most tags occur once or end a sentence.
[[nodiscard]] inline labels::dynamic_set conll_tags(const std::filesystem::path& path, const conll_options& options = {}) {
  std::set<std::string, std::less<>> found;
  detail::conll_file file(path, options);
  if (file.scheme == labels::tag_scheme::iob1) file.convert(labels::tag_scheme::bio);
  std::size_t words = 0, stops = 0;
  for (auto& sentence : file.sentences) {
    words += sentence.size();
    for (auto& word : sentence) {
      stops += word.tag.size() > 1 && std::string_view(".!?").find(word.tag.back()) != std::string_view::npos ? 1 : 0;
      if (!found.contains(word.tag)) found.insert(std::move(word.tag));
    }
  }
  const bool scheme = file.scheme != labels::tag_scheme::none || found.contains("O");
  constexpr std::size_t enough = 20;  // words, so that most of their parts of speech come twice
  if (!scheme && (!file.uneven.empty() || 2 * stops > words || (words >= enough && 2 * found.size() > words)))
    throw_error({path_text(path), "a word a line with its tag in the last column, such as O, B-PER or NOUN",
                 cat(!file.uneven.empty() ? file.uneven
                     : 2 * stops > words  ? cat(stops, " of ", words, " lines that end as sentences do")
                                          : cat(found.size(), " tags of ", words, " words"),
                     ", and no tag is O or like B-PER"),
                 "text without tags cannot train a tagger; or set the columns"});
  if (found.size() < 2)
    throw_error({path_text(path), "two tags or more", cat(found.size()), "check .tag_column: -1 is the last"});
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
/// Tags in another scheme than the names are converted to it (labels::tag_scheme), which notes() tells.
///
/// `augment` adds variants of the sentences (data/augmenting.hpp). Throws bert::error with path and line: too few columns, a
/// tag that the set does not have, a file without sentences.
template <labels::label_set Labels, tokenizing Tokenizer, class Augment = as_read>
[[nodiscard]] tagged_set<Labels> conll(const std::filesystem::path& path, const Tokenizer& tokenizer, Labels names,
                                       const conll_options& options = {}, Augment&& augment = {}) {
  detail::conll_file file(path, options);
  const auto wanted = labels::tag_scheme_of(names), found = file.scheme;
  const bool converted = wanted != labels::tag_scheme::none && found != labels::tag_scheme::none && wanted != found;
  if (converted) file.convert(wanted);
  tagged_set_builder<Labels, Tokenizer> set(
      tokenizer, std::move(names), {.max_tokens = options.max_tokens, .stride = options.stride, .pieces = options.pieces});
  std::vector<std::string_view> words;
  std::vector<std::int32_t> tags;
  std::size_t respelled = 0;
  for (const auto& sentence : file.sentences) {
    words.clear();
    tags.clear();
    for (const auto& word : sentence) {
      const auto tag = set.names().parse(word.tag);
      if (!tag)
        throw_error({cat(path_text(path), ", line ", word.line), cat("a tag of ", labels::listed(set.names())),
                     cat('"', word.tag, '"'), "check .tag_column, or add the tag to the set"});
      words.push_back(word.text);
      tags.push_back(*tag);
    }
    if (options.faulty == faulty_tags::respell) {
      const std::vector<std::int32_t> before = tags;
      labels::respell(set.names(), tags);
      respelled += tags != before ? 1 : 0;
    }
    augment(set.names(), std::span<const std::string_view>(words), std::span<const std::int32_t>(tags),
            [&](std::span<const std::string_view> w, std::span<const std::int32_t> t) { set.add(w, t); });
  }
  if (respelled != 0)
    set.note(cat(path_text(path), ": tags of ", respelled, respelled == 1 ? " sentence" : " sentences",
                 " corrected, as their scheme forbids them"));
  if (converted)
    set.note(cat(path_text(path), ": tags converted from ", labels::name_of(found), " to ", labels::name_of(wanted)));
  if (set.size() == 0) throw_error({path_text(path), "at least one sentence", "none", "check the file"});
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

#endif  // BERT_DATA_CONLL_HPP
