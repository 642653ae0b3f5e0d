// Labeled texts from tab-separated files, as GLUE's, and CSV files.
// Layer: data. Test: tests/unit/data/tsv_test.cpp
#ifndef BERT_DATA_TSV_HPP
#define BERT_DATA_TSV_HPP

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/parsed_number.hpp"
#include "bert/core/path.hpp"
#include "bert/data/as_read.hpp"
#include "bert/data/labeled_set.hpp"
#include "bert/data/tokenizing.hpp"
#include "bert/io/delimited.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::data {

/// A column: by index from 0, by index from the end (-1 is the last), or by its name in the header.
class column {
 public:
  column(int number) : number_(number) {}               // NOLINT: `.label_column = 0`
  column(const char* name) : name_(name) {}             // NOLINT: `.label_column = "label"`
  column(std::string name) : name_(std::move(name)) {}  // NOLINT

  [[nodiscard]] int number() const noexcept { return number_; }
  /// Empty for a column by index.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  int number_ = 0;
  std::string name_;
};

/// Whether the first row names the columns. `detect`: yes if a column is asked for by name, or if the row's label cannot be
/// one. That is: not in a given set; no number where labels are numbers; where labels are collected, in no other of two rows or
/// more.
enum class header_row : std::uint8_t { detect, present, absent };

/// What is done with a row of more or fewer columns than the first: a tab within a text shifts all columns after it.
enum class uneven_rows : std::uint8_t { refuse, allow };

/// What is done if collected labels are all numbers, some with a fraction: probably scores, not names of classes.
enum class score_labels : std::uint8_t { refuse, as_names };

struct tsv_options {
  column text_column = 0;
  std::optional<column> second_column{};  ///< of the second text of a pair
  column label_column = -1;
  header_row header = header_row::detect;
  int max_tokens = 128;                          ///< of an example, with [CLS] and [SEP]
  std::optional<io::delimited_format> format{};  ///< absent: io::csv for a file's name in .csv, else io::tsv
  uneven_rows uneven = uneven_rows::refuse;
  score_labels scores = score_labels::refuse;
};

/// Reads the columns of `tsv_options` from a TSV or CSV file, row by row. A double quote in a TSV file is text; blank lines are
/// skipped; labels are trimmed of spaces. Throws bert::error naming file and line for text that is not UTF-8, a row of another
/// number of columns, and a file of one column.
class tsv_reader {
 public:
  explicit tsv_reader(const std::filesystem::path& path, const tsv_options& options)
      : path_(path_text(path)), rows_(path, options.format.value_or(format_of(path))), options_(options) {
    if (!options.format && format_of(path).separator == ',')
      notes_.push_back(path_ + ": read as comma-separated, as its name ends in .csv");
  }

  /// Goes to the next row; false if there is none. `is_label(text)` detects a header in the first row.
  template <class IsLabel>
  bool next(IsLabel is_label) {
    while (rows_.next()) {
      if (rows_.size() == 1 && trimmed(rows_[0]).empty()) continue;
      check_row();
      if (!std::exchange(started_, true) && header(is_label)) continue;
      return true;
    }
    return false;
  }

  /// Guesses made so far, each a line for the user.
  [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }

  [[nodiscard]] std::string_view label() const { return trimmed(field(options_.label_column, ".label_column")); }
  [[nodiscard]] std::string_view text() const { return filled(options_.text_column, ".text_column"); }
  /// Empty if the file has no pairs.
  [[nodiscard]] std::string_view second() const {
    return options_.second_column ? filled(*options_.second_column, ".second_column") : std::string_view{};
  }
  /// "path, line N".
  [[nodiscard]] std::string where() const { return rows_.where(); }
  /// The columns' names, if the first row was a header.
  [[nodiscard]] const std::vector<std::string>& header() const noexcept { return names_; }
  /// `c` by its index, once a row has been read. Throws bert::error if the header does not have its name.
  [[nodiscard]] column numbered(column c, const char* option) const {
    if (!c.name().empty()) c = column(static_cast<int>(number_of(c, option)));
    return c;
  }
  /// The field of a column by index, trimmed. Throws bert::error with path and line if the row does not have it.
  [[nodiscard]] std::string_view at(const column& c, const char* option) const { return trimmed(field(c, option)); }

 private:
  [[nodiscard]] static std::string_view trimmed(std::string_view text) noexcept {
    const std::size_t begin = text.find_first_not_of(" \r"), end = text.find_last_not_of(" \r");
    return begin == std::string_view::npos ? std::string_view{} : text.substr(begin, end - begin + 1);
  }

  template <class IsLabel>
  bool header(IsLabel is_label) {
    const bool named = !options_.text_column.name().empty() || !options_.label_column.name().empty() ||
                       (options_.second_column && !options_.second_column->name().empty());
    if (named && options_.header == header_row::absent)
      throw_error({where(), "columns by number, as there is no header", "a column by name", "number them from 0"});
    if (!named && options_.header == header_row::absent) return false;
    if (!named && options_.header == header_row::detect) {
      if (is_label(label())) return false;
      std::string row;
      for (const auto text : rows_.fields()) row.append(row.empty() ? "" : " | ").append(text.substr(0, 40));
      notes_.push_back(cat(path_, ", line ", rows_.line(), ": first row taken as header: ", row));
    }
    for (const auto name : rows_.fields()) names_.emplace_back(trimmed(name));
    resolve(options_.text_column, ".text_column");
    resolve(options_.label_column, ".label_column");
    if (options_.second_column) resolve(*options_.second_column, ".second_column");
    return true;
  }

  [[nodiscard]] static io::delimited_format format_of(const std::filesystem::path& path) {
    return path.extension() == ".csv" ? io::csv : io::tsv;
  }

  void check_row() {
    for (std::size_t i = 0; i < rows_.size(); ++i)
      if (const auto bad = text::utf8::first_invalid(rows_[i]); bad != std::string_view::npos)
        throw_error({where(), "text in UTF-8", cat("an invalid byte in column ", i + 1),
                     "convert the file, as by iconv -f LATIN1 -t UTF-8"});
    if (columns_ == 0) {
      columns_ = rows_.size();
      first_line_ = rows_.line();
      if (columns_ == 1 && options_.label_column.number() == -1 && options_.label_column.name().empty())
        throw_error({where(), "two columns or more, a text and a label with a tab between them", "one column",
                     "are commas the separator? then read it as comma-separated"});
    } else if (rows_.size() != columns_ && options_.uneven == uneven_rows::refuse) {
      throw_error({where(), cat(columns_, columns_ == 1 ? " column" : " columns", ", as line ", first_line_, " has"),
                   cat(rows_.size()), "is there a separator within a text? replace it, or allow uneven rows"});
    }
  }

  // Replaces a column's name by its index in the header.
  void resolve(column& c, const char* option) const { c = numbered(std::move(c), option); }
  [[nodiscard]] std::size_t number_of(const column& c, const char* option) const {
    if (const auto at = std::find(names_.begin(), names_.end(), c.name()); at != names_.end())
      return static_cast<std::size_t>(at - names_.begin());
    std::string found;
    for (const auto& name : names_) found.append(found.empty() ? "\"" : ", \"").append(name).append("\"");
    throw_error({where(), cat("a header with the column \"", c.name(), "\" (", option, ")"), std::move(found),
                 "write the name as in the file"});
  }

  [[nodiscard]] std::string_view field(const column& c, const char* option) const {
    const auto count = static_cast<int>(rows_.size()), at = c.number() < 0 ? count + c.number() : c.number();
    if (at < 0 || at >= count)
      throw_error({where(), cat("a column ", c.number(), " (", option, ", counted from 0, from the end if negative)"),
                   cat(count, count == 1 ? " column" : " columns"), "check the number, and that tabs separate the columns"});
    return rows_[static_cast<std::size_t>(at)];
  }
  [[nodiscard]] std::string_view filled(const column& c, const char* option) const {
    const std::string_view text = field(c, option);
    if (trimmed(text).empty())
      throw_error({where(), cat("text in column ", c.number(), " (", option, ")"), "an empty field", "remove the line"});
    return text;
  }

  std::string path_;
  io::row_reader rows_;
  tsv_options options_;
  std::vector<std::string> notes_, names_;
  std::size_t columns_ = 0;
  std::uint64_t first_line_ = 0;
  bool started_ = false;
};

/// `text` as a finite number; nothing if it is none, or if more follows it.
[[nodiscard]] inline std::optional<float> finite_number(std::string_view text) {
  const auto value = parsed_number<float>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

/// The index of a label by its name, or, unless a name of the set is a number, by the index itself: GLUE's files have 0 and 1.
template <labels::label_set Labels>
[[nodiscard]] std::optional<int> parsed_label(const Labels& names, std::string_view text) {
  if (const auto found = names.parse(text)) return found;
  int number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{} || end != text.data() + text.size() || number < 0 || number >= names.size()) return std::nullopt;
  for (int i = 0; i < names.size(); ++i)
    if (finite_number(names.name(i))) return std::nullopt;
  return number;
}

/// The labels that occur in a file, sorted by value if all are whole numbers, else by their bytes.
/// Throws bert::error if there are fewer than two, or if they are scores (see score_labels).
[[nodiscard]] inline labels::dynamic_set tsv_labels(const std::filesystem::path& path, tsv_options options = {}) {
  std::map<std::string, std::uint64_t, std::less<>> counts;
  std::uint64_t rows = 0;
  std::string first;
  tsv_reader reader(path, options);
  while (reader.next([](std::string_view) { return true; })) {
    const std::string_view label = reader.label();
    if (label.empty()) throw_error({reader.where(), "a label", "an empty field", "check .label_column"});
    if (rows++ == 0) first = label;
    const auto found = counts.find(label);
    if (found == counts.end()) counts.emplace(label, 1);
    else ++found->second;
  }
  const bool by_number = options.text_column.name().empty() && options.label_column.name().empty() &&
                         (!options.second_column || options.second_column->name().empty());
  if (options.header == header_row::detect && by_number && rows > 2 && counts[first] == 1) counts.erase(first);
  if (counts.size() < 2)
    throw_error({path_text(path), "two labels or more", cat(counts.size()),
                 "check .label_column: numbers count from 0, -1 is the last"});
  std::vector<std::string> names;
  const auto fraction = [](const std::string& name) {
    return finite_number(name) && name.find_first_not_of("0123456789+-") != std::string::npos;
  };
  bool numbers = true;
  const std::string* score = nullptr;
  names.reserve(counts.size());
  for (const auto& [name, count] : counts) {
    names.push_back(name);
    numbers = numbers && finite_number(name).has_value();
    if (score == nullptr && fraction(name)) score = &name;
  }
  if (options.scores == score_labels::refuse && numbers && score != nullptr)
    throw_error({path_text(path), "names of classes as labels", cat("numbers with fractions, such as ", *score, ": scores"),
                 "train a regression on them, or take them as names of classes"});
  const auto whole = [](const std::string& s) {
    return s.size() < 10 && s.find_first_not_of("0123456789") == std::string::npos;
  };
  if (std::all_of(names.begin(), names.end(), whole))
    std::sort(names.begin(), names.end(), [](const auto& a, const auto& b) {
      return std::pair(std::stoi(a), std::string_view(a)) < std::pair(std::stoi(b), std::string_view(b));
    });
  return labels::dynamic_set(std::move(names));
}

/// Reads and tokenizes a file whose labels are those of `names`.
///
///     bert::data::tsv("dev.tsv", tokenizer, train.names(), {.text_column = "sentence", .label_column = "label"});
///
/// `augment` adds variants of the examples (data/augmenting.hpp). Throws bert::error with path and line: a missing column, an
/// unknown label, an empty text, a file without examples.
template <labels::label_set Labels, tokenizing Tokenizer, class Augment = as_read>
[[nodiscard]] labeled_set<Labels> tsv(const std::filesystem::path& path, const Tokenizer& tokenizer, Labels names,
                                      const tsv_options& options, Augment&& augment = {}) {
  tsv_reader reader(path, options);
  labeled_set_builder<Labels, Tokenizer> set(tokenizer, std::move(names), options.max_tokens);
  while (reader.next([&](std::string_view text) { return parsed_label(set.names(), text).has_value(); })) {
    const auto label = parsed_label(set.names(), reader.label());
    if (!label)
      throw_error({reader.where(), cat("a label of ", labels::listed(set.names())), cat('"', reader.label(), '"'),
                   "check .label_column, or add the label to the set"});
    augment(reader.text(), reader.second(), [&](auto text, auto second) { set.add(text, second, *label); });
  }
  if (set.size() == 0) throw_error({path_text(path), "at least one example", "none", "check the file"});
  for (const auto& text : reader.notes()) set.note(text);
  return std::move(set).build();
}

/// Reads and tokenizes a file whose labels are a type, or numbers:
///
///     bert::data::tsv<urgency>("triage.tsv", tokenizer);
///     bert::data::tsv<bert::labels::number>("stsb.tsv", tokenizer, {.text_column = -3, .second_column = -2, .label_column =
///     -1});
template <class Labels, tokenizing Tokenizer, class Augment = as_read>
requires(labels::static_label_set<Labels> || std::is_same_v<Labels, labels::number>)
    [[nodiscard]] labeled_set<Labels> tsv(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                          const tsv_options& options = {}, Augment&& augment = {}) {
  if constexpr (labels::static_label_set<Labels>) {
    return tsv(path, tokenizer, Labels{}, options, augment);
  } else {
    tsv_reader reader(path, options);
    labeled_set_builder<Labels, Tokenizer> set(tokenizer, {}, options.max_tokens);
    while (reader.next([](std::string_view text) { return finite_number(text).has_value(); })) {
      const auto value = finite_number(reader.label());
      if (!value)
        throw_error({reader.where(), "a number (.label_column)", cat('"', reader.label(), '"'), "check .label_column"});
      augment(reader.text(), reader.second(), [&](auto text, auto second) { set.add(text, second, *value); });
    }
    if (set.size() == 0) throw_error({path_text(path), "at least one example", "none", "check the file"});
    for (const auto& text : reader.notes()) set.note(text);
    return std::move(set).build();
  }
}

/// Reads and tokenizes a file with whatever labels occur in it (see tsv_labels).
template <tokenizing Tokenizer>
[[nodiscard]] labeled_set<labels::dynamic_set> tsv(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                                   const tsv_options& options = {}) {
  return tsv(path, tokenizer, tsv_labels(path, options), options);
}

}  // namespace bert::data

#endif  // BERT_DATA_TSV_HPP
