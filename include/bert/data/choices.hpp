// Questions with choices from JSONL, TSV and CSV files.
// Layer: data. Test: tests/unit/data/choices_test.cpp
#ifndef BERT_DATA_CHOICES_HPP
#define BERT_DATA_CHOICES_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/data/choice_set.hpp"
#include "bert/data/tokenizing.hpp"
#include "bert/data/tsv.hpp"
#include "bert/io/json.hpp"
#include "bert/io/lines.hpp"

namespace bert::inline BERT_ISA::data {

namespace detail {

/// The index of the right choice: `answer` as a number counted from 0, or as the text of one of the choices.
template <class Choices>
[[nodiscard]] std::optional<std::size_t> answer_of(std::string_view answer, const Choices& choices) {
  std::size_t number = 0;
  if (const auto [end, failed] = std::from_chars(answer.data(), answer.data() + answer.size(), number);
      failed == std::errc{} && end == answer.data() + answer.size() && number < choices.size())
    return number;
  const auto at = std::find(choices.begin(), choices.end(), answer);
  if (at == choices.end()) return std::nullopt;
  return static_cast<std::size_t>(at - choices.begin());
}

[[nodiscard]] inline bool blank(std::string_view text) noexcept {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace detail

/// Reads and tokenizes a file of one JSON object a line:
///
///     {"question": "Why did it rain?", "choices": ["Clouds.", "Sun."], "answer": 0}
///
/// | key | what |
/// |---|---|
/// | "context", "question" | the text; one of them, or both: then the context is the first text of each sequence, and the
/// question stands before each choice in the second | | "choices" | an array of two texts or more | | "answer" or "label" | the
/// right choice: its index from 0, or its text |
///
/// Other keys are skipped. Throws bert::error with path and line for a line that is no such object, and for a file without
/// examples.
template <tokenizing Tokenizer>
[[nodiscard]] choice_set choices_jsonl(const std::filesystem::path& path, const Tokenizer& tokenizer, int max_tokens = 128) {
  io::line_reader lines(path);
  choice_set_builder<Tokenizer> set(tokenizer, max_tokens);
  for (std::string_view line; lines.next(line);) {
    if (detail::blank(line)) continue;
    const std::string where = cat(path_text(path), ", line ", lines.line());
    const io::json j = io::parse_json(line, where);
    const auto context = io::value_or<std::string>(j, "context", where, {});
    const auto question = io::value_or<std::string>(j, "question", where, {});
    const auto choices = io::require<std::vector<std::string>>(j, "choices", where);
    if (detail::blank(context) && detail::blank(question))
      throw_error({where, "the key \"context\" or \"question\" with a text", "none", {}});
    if (choices.size() < 2 || std::any_of(choices.begin(), choices.end(), detail::blank))
      throw_error({where,
                   "two \"choices\" or more, each a text",
                   choices.size() < 2 ? cat(choices.size()) : std::string("an empty one"),
                   {}});
    const auto key = j.find("answer") != j.end() ? "answer" : "label";
    const auto given = io::require<io::json>(j, key, where);
    const auto answer = detail::answer_of(
        given.is_string() ? given.as_text() : cat(io::json_as<std::int64_t>(given, cat(where, ", \"", key, '"'))), choices);
    if (!answer)
      throw_error({cat(where, ", \"", key, '"'),
                   cat("an index from 0 to ", choices.size() - 1, ", or the text of a choice"),
                   given.dump(),
                   {}});
    if (context.empty() || question.empty()) {
      set.add(context.empty() ? question : context, choices, *answer);
    } else {
      std::vector<std::string> asked;
      asked.reserve(choices.size());
      for (const auto& choice : choices) asked.push_back(cat(question, ' ', choice));
      set.add(context, asked, *answer);
    }
  }
  if (set.size() == 0) throw_error({path_text(path), "at least one example", "none", "check the file"});
  return std::move(set).build();
}

struct choices_options {
  column text_column = 0;
  std::optional<column> question_column{};  ///< of a text that stands before each choice
  std::vector<column> choice_columns{};     ///< an empty field: the row has no such choice
  column answer_column = -1;                ///< the right choice: its index from 0, or its text
  header_row header = header_row::present;
  int max_tokens = 128;
  std::optional<io::delimited_format> format{};  ///< as of tsv_options
  uneven_rows uneven = uneven_rows::refuse;
};

/// Reads and tokenizes a TSV or CSV file with a column a choice:
///
///     bert::data::choices_tsv("copa.tsv", tokenizer, {.text_column = "premise", .choice_columns = {"choice0", "choice1"},
///                                                     .answer_column = "answer"});
///
/// Throws bert::error with path and line as `tsv` does, for fewer than two choices, and for an answer that is none of them.
template <tokenizing Tokenizer>
[[nodiscard]] choice_set choices_tsv(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                     const choices_options& options) {
  if (options.choice_columns.size() < 2)
    throw_error({"bert::data::choices_tsv", "two .choice_columns or more", cat(options.choice_columns.size()), {}});
  tsv_reader reader(path, {.text_column = options.text_column,
                           .label_column = options.answer_column,
                           .header = options.header,
                           .max_tokens = options.max_tokens,
                           .format = options.format,
                           .uneven = options.uneven});
  choice_set_builder<Tokenizer> set(tokenizer, options.max_tokens);
  std::vector<column> columns;
  std::vector<std::string> choices;
  const auto is_index = [&](std::string_view text) {
    std::size_t number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    return failed == std::errc{} && end == text.data() + text.size();
  };
  while (reader.next(is_index)) {
    if (columns.empty())
      for (const auto& c : options.choice_columns) columns.push_back(reader.numbered(c, ".choice_columns"));
    choices.clear();
    for (const auto& c : columns)
      if (const auto text = reader.at(c, ".choice_columns"); !text.empty()) choices.emplace_back(text);
    if (choices.size() < 2)
      throw_error({reader.where(), "two choices or more (.choice_columns)", cat(choices.size()), "remove the line"});
    const auto answer = detail::answer_of(reader.label(), choices);
    if (!answer)
      throw_error({reader.where(), cat("an index from 0 to ", choices.size() - 1, ", or the text of a choice (.answer_column)"),
                   cat('"', reader.label(), '"'), "check .answer_column"});
    if (options.question_column) {
      const auto question = reader.at(reader.numbered(*options.question_column, ".question_column"), ".question_column");
      for (auto& choice : choices) choice = cat(question, ' ', choice);
    }
    set.add(reader.text(), choices, *answer);
  }
  if (set.size() == 0) throw_error({path_text(path), "at least one example", "none", "check the file"});
  for (const auto& text : reader.notes()) set.note(text);
  return std::move(set).build();
}

}  // namespace bert::data

#endif  // BERT_DATA_CHOICES_HPP
