// Queries with texts and their relevances from TSV, CSV and JSONL files.
// Layer: data. Test: tests/unit/data/rankings_test.cpp
#ifndef BERT_DATA_RANKINGS_HPP
#define BERT_DATA_RANKINGS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/data/ranking_set.hpp"
#include "bert/data/tokenizing.hpp"
#include "bert/data/tsv.hpp"
#include "bert/io/json.hpp"
#include "bert/io/lines.hpp"

namespace bert::inline BERT_ISA::data {

struct ranking_options {
  column query_column = 0;
  column text_column = 1;
  column score_column = -1;              ///< the relevance, a number
  std::optional<column> group_column{};  ///< rows of equal fields here are of one query, wherever they stand
  float score_range = 1;                 ///< relevances are divided by it: 3 for grades of 0 to 3
  /// `detect`: there is a header if a column is asked for by name, or if the first row's relevance is no number.
  header_row header = header_row::detect;
  int max_tokens = 128;                          ///< of a query with a text
  std::optional<io::delimited_format> format{};  ///< as of tsv_options
  uneven_rows uneven = uneven_rows::refuse;
};

namespace detail {

/// A query as a file has it.
struct ranked_texts {
  std::string query;
  std::vector<std::string> texts = {};
  std::vector<float> relevances = {};
};

[[nodiscard]] inline float checked_range(float range) {
  if (!(range > 0)) throw_error({"bert::data::ranking_options", "a positive .score_range", cat(range), {}});
  return range;
}

}  // namespace detail

/// Reads and tokenizes a TSV or CSV file of a query, a text and its relevance a row:
///
///     bert::data::rankings_tsv("train.tsv", tokenizer, {.query_column = "query", .text_column = "passage", .score_column =
///     "relevant"});
///
/// Rows of the same query that follow each other are an example; with .group_column, all rows of the same field there are.
/// Throws bert::error with path and line as `tsv` does, for a relevance that is no number, and for a group of two queries.
template <tokenizing Tokenizer>
[[nodiscard]] ranking_set rankings_tsv(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                       const ranking_options& options = {}) {
  const float range = detail::checked_range(options.score_range);
  tsv_reader reader(path, {.text_column = options.query_column,
                           .second_column = options.text_column,
                           .label_column = options.score_column,
                           .header = options.header,
                           .max_tokens = options.max_tokens,
                           .format = options.format,
                           .uneven = options.uneven});
  std::vector<detail::ranked_texts> all;
  std::unordered_map<std::string, std::size_t> groups;
  while (reader.next([](std::string_view text) { return finite_number(text).has_value(); })) {
    const auto relevance = finite_number(reader.label());
    if (!relevance)
      throw_error({reader.where(), "a number (.score_column)", cat('"', reader.label(), '"'), "check .score_column"});
    std::size_t g = all.size();
    if (options.group_column) {
      const auto column = reader.numbered(*options.group_column, ".group_column");
      g = groups.try_emplace(std::string(reader.at(column, ".group_column")), g).first->second;
    } else if (!all.empty() && all.back().query == reader.text()) {
      --g;
    }
    if (g == all.size()) all.push_back({std::string(reader.text())});
    if (all[g].query != reader.text())
      throw_error({reader.where(), cat("the query of its group (.group_column), \"", all[g].query, '"'),
                   cat('"', reader.text(), '"'), "give each query a group of its own"});
    all[g].texts.emplace_back(reader.second());
    all[g].relevances.push_back(*relevance / range);
  }
  if (all.empty()) throw_error({path_text(path), "at least one example", "none", "check the file"});
  ranking_set_builder<Tokenizer> set(tokenizer, options.max_tokens);
  std::unordered_set<std::string_view> seen;
  std::uint64_t again = 0;
  for (const auto& group : all) {
    again += seen.insert(group.query).second ? 0 : 1;
    set.add(group.query, group.texts, group.relevances);
  }
  for (const auto& text : reader.notes()) set.note(text);
  if (again != 0 && !options.group_column)
    set.note(cat(path_text(path), ": ", again, again == 1 ? " query comes" : " queries come",
                 " again after others; only rows that follow each other are ranked together, unless a column names the group"));
  return std::move(set).build();
}

/// Reads and tokenizes a file of one JSON object a line:
///
///     {"query": "how do birds fly", "texts": ["Wings lift them.", "Fish swim."], "scores": [1, 0]}
///
/// Other keys are skipped. Of `options`, the columns are not read. Throws bert::error with path and line for a line that is no
/// such object, and for a file without examples.
template <tokenizing Tokenizer>
[[nodiscard]] ranking_set rankings_jsonl(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                         const ranking_options& options = {}) {
  const float range = detail::checked_range(options.score_range);
  io::line_reader lines(path);
  ranking_set_builder<Tokenizer> set(tokenizer, options.max_tokens);
  const auto blank = [](std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; };
  for (std::string_view line; lines.next(line);) {
    if (blank(line)) continue;
    const std::string where = cat(path_text(path), ", line ", lines.line());
    const io::json j = io::parse_json(line, where);
    const auto query = io::require<std::string>(j, "query", where);
    const auto texts = io::require<std::vector<std::string>>(j, "texts", where);
    auto scores = io::require<std::vector<float>>(j, "scores", where);
    if (blank(query)) throw_error({cat(where, ", \"query\""), "a text", "an empty one", {}});
    if (texts.empty() || std::any_of(texts.begin(), texts.end(), blank))
      throw_error({cat(where, ", \"texts\""), "one text or more", texts.empty() ? "none" : "an empty one", {}});
    if (scores.size() != texts.size())
      throw_error({cat(where, ", \"scores\""), cat(texts.size(), " numbers, one a text"), cat(scores.size()), {}});
    for (float& score : scores) score /= range;
    set.add(query, texts, scores);
  }
  if (set.size() == 0) throw_error({path_text(path), "at least one example", "none", "check the file"});
  return std::move(set).build();
}

/// `rankings_jsonl` for a file whose name ends in .jsonl or .json, else `rankings_tsv`.
template <tokenizing Tokenizer>
[[nodiscard]] ranking_set rankings(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                   const ranking_options& options = {}) {
  if (path.extension() == ".jsonl" || path.extension() == ".json") return rankings_jsonl(path, tokenizer, options);
  return rankings_tsv(path, tokenizer, options);
}

}  // namespace bert::data

#endif  // BERT_DATA_RANKINGS_HPP
