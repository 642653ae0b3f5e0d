// Command-line options for reading a file of labeled texts.
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <ostream>
#include <string>
#include <system_error>

#include "bert/core/error.hpp"
#include "bert/data/rankings.hpp"
#include "bert/data/tsv.hpp"
#include "bert/data/tsv_many.hpp"
#include "support.hpp"

namespace support {

struct columns {
  std::string text_column = "1", second_column, label_column = "-1", header = "detect", separator = "detect";
  int max_tokens = 128;
  bool pair = false, uneven = false, scores = false;

  void add_to(CLI::App& app) {
    app.add_flag("--pair", pair, "two texts per line");
    add_texts_to(app);
    app.add_option("--label-column", label_column, "column of the label");
    app.add_flag("--uneven-rows", uneven, "rows may have more or fewer columns than the first");
    app.add_flag("--scores-as-classes", scores, "treat labels such as 0.5 as class names");
    number(app, "--max-tokens", max_tokens, "truncate longer examples", {.least = 8, .most = 32'767});
  }

  /// Options of the texts alone; each needs `file`, if given.
  void add_texts_to(CLI::App& app, CLI::Option* file = nullptr) {
    for (auto* option :
         {app.add_option("--text-column", text_column, "column of the text, or of a pair's first text"),
          app.add_option("--second-column", second_column,
                         "column of a pair's second text; default: none, or with --pair the one after --text-column"),
          app.add_option("--header", header, "whether the first row names the columns")
              ->check(CLI::IsMember({"detect", "yes", "no"})),
          app.add_option("--separator", separator, "between columns; detect: comma if the file's name ends in .csv")
              ->check(CLI::IsMember({"detect", "tab", "comma"}))})
      if (file != nullptr) option->needs(file);
  }

  [[nodiscard]] bert::data::tsv_options options() const {
    bert::data::tsv_options o{.text_column = column(text_column, "--text-column"),
                              .label_column = column(label_column, "--label-column"),
                              .max_tokens = max_tokens};
    using bert::data::header_row;
    if (header != "detect") o.header = header == "yes" ? header_row::present : header_row::absent;
    if (separator != "detect") o.format = separator == "comma" ? bert::io::csv : bert::io::tsv;
    if (uneven) o.uneven = bert::data::uneven_rows::allow;
    if (scores) o.scores = bert::data::score_labels::as_names;
    if (!second_column.empty()) {
      o.second_column = column(second_column, "--second-column");
    } else if (pair) {
      if (!o.text_column.name().empty())
        throw bert::error({"--second-column", "the column of the pair's second text", "nothing",
                           "name it, as --text-column names the first"});
      o.second_column = column(text_column, "--text-column", 1);
    }
    return o;
  }

  /// Columns count from 1 on the command line and from 0 in the library; other text is a name in the header.
  static bert::data::column column(const std::string& text, const char* option, int shift = 0) {
    int number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failed != std::errc{} || end != text.data() + text.size()) return text;
    if (number == 0)
      throw bert::error({option, "a column: 1, 2, … from the start, -1, -2, … from the end, or a name in the header", "0", {}});
    return number > 0 ? number - 1 + shift : number + shift;
  }
};

/// The same columns for texts with several labels.
inline bert::data::tsv_many_options many_options(const bert::data::tsv_options& o) {
  bert::data::tsv_many_options many;
  many.text_column = o.text_column;
  many.second_column = o.second_column;
  many.labels_column = o.label_column;
  many.header = o.header;
  many.max_tokens = o.max_tokens;
  many.format = o.format;
  many.uneven = o.uneven;
  return many;
}

/// The same columns for queries with texts; `group` is empty or a column, whose option is --group-column.
inline bert::data::ranking_options ranking_options(const bert::data::tsv_options& o, const std::string& group,
                                                   float score_range) {
  bert::data::ranking_options ranking{.query_column = o.text_column,
                                      .text_column = o.second_column.value_or(1),
                                      .score_column = o.label_column,
                                      .score_range = score_range,
                                      .header = o.header,
                                      .max_tokens = o.max_tokens,
                                      .format = o.format,
                                      .uneven = o.uneven};
  if (!group.empty()) ranking.group_column = columns::column(group, "--group-column");
  return ranking;
}

/// Says so if many tokens of a set are unknown.
template <class Set>
void tell_unknown(const std::string& name, const Set& set, std::ostream& out) {
  if (10 * set.unknown() > set.tokens())
    out << "note: " << name << ": " << 100 * set.unknown() / set.tokens()
        << " % of the tokens are [UNK]; does the vocabulary have this language and case?\n";
}

/// Prints what was guessed in reading a set, how many examples were truncated, and whether many tokens are unknown.
template <class Set>
void tell_about(const std::string& name, const Set& set, int max_tokens, std::ostream& out) {
  tell(set.notes(), out);
  if (set.truncated() != 0)
    out << "note: " << name << ": " << set.truncated() << " examples cut to " << max_tokens
        << " tokens; --max-tokens changes that\n";
  tell_unknown(name, set, out);
}

}  // namespace support
