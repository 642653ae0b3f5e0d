// Texts with several labels each from TSV and CSV files: names in one column, or a column of 0 and 1 a label.
// Layer: data. Test: tests/unit/data/tsv_many_test.cpp
#ifndef BERT_DATA_TSV_MANY_HPP
#define BERT_DATA_TSV_MANY_HPP

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/data/many_set.hpp"
#include "bert/data/tokenizing.hpp"
#include "bert/data/tsv.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/labels/label_set.hpp"

namespace bert::inline BERT_ISA::data {

/// Where the labels of a row stand. `listed`: their names in one column. `columns`: a column a label, named after it in the
/// header, with 1 where it applies and else 0.
enum class label_layout : std::uint8_t { listed, columns };

struct tsv_many_options {
  column text_column = 0;
  std::optional<column> second_column{};  ///< of the second text of a pair
  label_layout layout = label_layout::listed;
  column labels_column = -1;  ///< of the names, with `listed`; an empty field: no label applies
  char separator = ',';       ///< between the names
  header_row header = header_row::detect;
  int max_tokens = 128;
  std::optional<io::delimited_format> format{};  ///< as of tsv_options
  uneven_rows uneven = uneven_rows::refuse;
};

namespace detail {

[[nodiscard]] inline tsv_options reader_options(const tsv_many_options& o) {
  const bool columns = o.layout == label_layout::columns;
  return {.text_column = o.text_column,
          .second_column = o.second_column,
          .label_column = columns ? o.text_column : o.labels_column,
          .header = columns ? header_row::present : o.header,
          .max_tokens = o.max_tokens,
          .format = o.format,
          .uneven = o.uneven};
}

/// Calls body(name) for every name of a list, trimmed of spaces; none of an empty list.
template <class Body>
void for_each_listed(std::string_view list, char separator, Body&& body) {
  if (list.empty()) return;
  for (;;) {
    const std::size_t end = list.find(separator);
    std::string_view name = list.substr(0, end);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    body(name);
    if (end == std::string_view::npos) return;
    list.remove_prefix(end + 1);
  }
}

/// The numbers of the names of a list; nothing if one of them is no label.
template <class Labels>
[[nodiscard]] bool parse_listed(const Labels& names, std::string_view list, char separator, std::vector<std::int32_t>& out,
                                std::string_view* wrong = nullptr) {
  bool known = true;
  out.clear();
  for_each_listed(list, separator, [&](std::string_view name) {
    if (const auto number = parsed_label(names, name)) out.push_back(*number);
    else if (std::exchange(known, false) && wrong != nullptr) *wrong = name;
  });
  return known;
}

}  // namespace detail

/// The labels of a file: with `listed`, the names that occur, by their bytes; with `columns`, those of the header other than
/// the texts'. Throws bert::error if there are fewer than two.
[[nodiscard]] inline labels::dynamic_set tsv_many_labels(const std::filesystem::path& path,
                                                         const tsv_many_options& options = {}) {
  tsv_reader reader(path, detail::reader_options(options));
  std::vector<std::string> names;
  if (options.layout == label_layout::columns) {
    (void)reader.next([](std::string_view) { return true; });
    const auto text = reader.numbered(options.text_column, ".text_column").number();
    const auto second = options.second_column ? reader.numbered(*options.second_column, ".second_column").number() : text;
    const auto count = static_cast<int>(reader.header().size());
    for (int i = 0; i < count; ++i)
      if (i != (text + count) % count && i != (second + count) % count)
        names.push_back(reader.header()[static_cast<std::size_t>(i)]);
  } else {
    std::map<std::string, std::uint64_t, std::less<>> counts;
    std::vector<std::string> first;
    std::uint64_t rows = 0;
    while (reader.next([](std::string_view) { return true; })) {
      detail::for_each_listed(reader.label(), options.separator, [&](std::string_view name) {
        if (rows == 0) first.emplace_back(name);
        ++counts[std::string(name)];
      });
      ++rows;
    }
    // A header that was not recognized: its label occurs in no other row.
    if (options.header == header_row::detect && reader.header().empty() && rows > 2 && first.size() == 1 &&
        counts[first.front()] == 1)
      counts.erase(first.front());
    for (const auto& [name, count] : counts) names.push_back(name);
  }
  if (names.size() < 2)
    throw_error({path_text(path), "two labels or more", cat(names.size()), "check .labels_column and .layout"});
  return labels::dynamic_set(std::move(names));
}

/// Reads and tokenizes a file whose labels are those of `names`.
///
///     bert::data::tsv_many("dev.tsv", tokenizer, train.names(), {.text_column = "text", .labels_column = "labels"});
///
/// Throws bert::error with path and line as `tsv` does, for a name that is no label, and for a field of a label's column that
/// is neither 0 nor 1.
template <labels::label_set Labels, tokenizing Tokenizer, class Augment = as_read>
[[nodiscard]] many_set<Labels> tsv_many(const std::filesystem::path& path, const Tokenizer& tokenizer, Labels names,
                                        const tsv_many_options& options, Augment&& augment = {}) {
  tsv_reader reader(path, detail::reader_options(options));
  many_set_builder<Labels, Tokenizer> set(tokenizer, std::move(names), options.max_tokens);
  std::vector<std::int32_t> labels;
  std::vector<column> columns;
  while (
      reader.next([&](std::string_view text) { return detail::parse_listed(set.names(), text, options.separator, labels); })) {
    if (options.layout == label_layout::columns) {
      for (int l = static_cast<int>(columns.size()); l < set.names().size(); ++l)
        columns.push_back(reader.numbered(column(std::string(set.names().name(l))), "a label"));
      labels.clear();
      for (int l = 0; l < set.names().size(); ++l) {
        const std::string_view field = reader.at(columns[static_cast<std::size_t>(l)], "a label");
        if (field == "1") labels.push_back(l);
        else if (field != "0")
          throw_error({reader.where(), cat("0 or 1 in column \"", set.names().name(l), '"'), cat('"', field, '"'),
                       "list names in one column with .layout = label_layout::listed"});
      }
    } else if (std::string_view wrong; !detail::parse_listed(set.names(), reader.label(), options.separator, labels, &wrong)) {
      throw_error({reader.where(), cat("labels of ", labels::listed(set.names())), cat('"', wrong, '"'),
                   "check .labels_column and .separator, or add the label to the set"});
    }
    augment(reader.text(), reader.second(), [&](auto text, auto second) { set.add(text, second, labels); });
  }
  if (set.size() == 0) throw_error({path_text(path), "at least one example", "none", "check the file"});
  for (const auto& text : reader.notes()) set.note(text);
  return std::move(set).build();
}

/// Reads and tokenizes a file whose labels are a type:
///
///     bert::data::tsv_many<emotions>("train.tsv", tokenizer);
template <labels::static_label_set Labels, tokenizing Tokenizer>
[[nodiscard]] many_set<Labels> tsv_many(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                        const tsv_many_options& options = {}) {
  return tsv_many(path, tokenizer, Labels{}, options);
}

/// Reads and tokenizes a file with whatever labels occur in it (see tsv_many_labels).
template <tokenizing Tokenizer>
[[nodiscard]] many_set<labels::dynamic_set> tsv_many(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                                     const tsv_many_options& options = {}) {
  return tsv_many(path, tokenizer, tsv_many_labels(path, options), options);
}

}  // namespace bert::data

#endif  // BERT_DATA_TSV_MANY_HPP
