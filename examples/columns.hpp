// Which columns of a tab-separated file are texts and labels, as the command line says it.
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <string>
#include <system_error>

#include "bert/core/error.hpp"
#include "bert/data/tsv.hpp"
#include "support.hpp"

namespace support {

struct columns {
  std::string text_column = "1", second_column, label_column = "-1";
  int max_tokens = 128;
  bool pair = false;

  void add_to(CLI::App& app) {
    app.add_flag("--pair", pair, "two texts a line");
    app.add_option("--text-column", text_column, "of the text, or of the first of a pair");
    app.add_option("--second-column", second_column, "of the second text of a pair; default: the one after --text-column");
    app.add_option("--label-column", label_column, "of the label");
    number(app, "--max-tokens", max_tokens, "longer examples are cut", {.least = 8, .most = 32'767});
  }

  [[nodiscard]] bert::data::tsv_options options() const {
    bert::data::tsv_options o{.text_column = column(text_column, "--text-column"),
                              .label_column = column(label_column, "--label-column"),
                              .max_tokens = max_tokens};
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

 private:
  /// Numbers count from 1 on the command line, from 0 in the library; anything else is a name in the header.
  static bert::data::column column(const std::string& text, const char* option, int shift = 0) {
    int number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failed != std::errc{} || end != text.data() + text.size()) return text;
    if (number == 0)
      throw bert::error({option, "a column from 1 on, from -1 on for those at the end, or a name in the header", "0", {}});
    return number > 0 ? number - 1 + shift : number + shift;
  }
};

}  // namespace support
