// The command line of predict, its input and its output.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/core/cores.hpp"
#include "bert/data/tsv.hpp"
#include "bert/io/json.hpp"
#include "bert/io/lines.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/unicode/utf8.hpp"
#include "columns.hpp"
#include "support.hpp"

namespace predict {

struct settings {
  std::string model, precision = "f32", tsv, conll, squad, aggregation = "first";
  std::vector<std::string> files;
  support::columns columns;
  std::vector<float> thresholds;         // empty: the folder's
  std::optional<double> no_answer = {};  // the same
  std::size_t threads = bert::execution::available_cores(), top = 5, stride = 64, max_tokens = 0;
  bool pair = false, words = false, rerank = false;
};

/// A line's text, the second of a pair, and further ones of a list.
struct input {
  std::string text;
  std::optional<std::string> second;
  std::vector<std::string> more = {};
};

/// What a line is: a text, two separated by a TAB, a text and two choices or more, or a query and one of its texts, which
/// follow each other.
enum class line_form : std::uint8_t { text, pair, list, ranked };

/// `x` as a JSON number of the fewest digits that read back to the same float.
inline bert::io::json number(float x) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), x).ptr;
  double shortest = 0;
  std::from_chars(digits.data(), end, shortest);
  return shortest;
}

/// [first, last).
inline bert::io::json range(const bert::text::text_range& r) {
  return bert::io::json(std::vector<std::uint64_t>{std::uint64_t{r.first}, std::uint64_t{r.last}});
}

/// Calls `answer(inputs)`, which returns a JSON value each, for the lines of the files, or of standard input, some at a time,
/// all texts of a query together, and writes each on a line. The answer to an empty line is null.
template <class Answer>
void each_line(const settings& s, line_form form, const Answer& answer) {
  constexpr std::size_t at_once = 64;
  std::vector<input> inputs;
  std::vector<bool> empty;
  std::uint64_t empty_lines = 0, done = 0;
  support::progress bar("predict");
  const auto flush = [&] {
    const auto answers = answer(inputs);
    auto next = answers.begin();
    for (const bool none : empty) std::cout << (none ? bert::io::json() : *next++).dump() << '\n';
    support::flush_output();  // stops if nobody reads the output
    bar.count(done += empty.size(), "lines");
    inputs.clear();
    empty.clear();
  };
  const auto take = [&](std::optional<input> in) {
    if (empty.size() >= at_once && (form != line_form::ranked || inputs.empty() || (in && in->text != inputs.back().text)))
      flush();
    empty.push_back(!in);
    if (in) inputs.push_back(std::move(*in));
  };
  if (!s.tsv.empty()) {
    auto columns = s.columns;
    if (form != line_form::text && columns.second_column.empty()) columns.pair = true;
    const auto options = columns.options();
    bert::data::tsv_reader rows(bert::path_from(s.tsv), options);
    while (rows.next([](std::string_view) { return true; })) {
      input in{std::string(rows.text()), {}, {}};
      if (options.second_column) in.second = std::string(rows.second());
      take(std::move(in));
    }
    support::tell(rows.notes());
  }
  std::vector<std::string> files = s.files;
  if (files.empty() && s.tsv.empty()) files.push_back("/dev/stdin");
  for (const auto& path : files) {
    bert::io::line_reader lines(bert::path_from(path));
    for (std::string_view line; lines.next(line);) {
      const auto where = [&] { return bert::cat(path == "/dev/stdin" ? "standard input" : path, ", line ", lines.line()); };
      if (bert::text::utf8::first_invalid(line) != std::string_view::npos)
        throw bert::error({where(), "text in UTF-8", "an invalid byte", "convert the file, as by iconv -f LATIN1 -t UTF-8"});
      if (line.find_first_not_of(" \t") == std::string_view::npos) {
        ++empty_lines;
        take(std::nullopt);
        continue;
      }
      input in{std::string(line), {}, {}};
      if (form != line_form::text) {
        std::vector<std::string> fields;
        for (std::size_t from = 0; from <= line.size();) {
          const std::size_t tab = std::min(line.find('\t', from), line.size());
          fields.emplace_back(line.substr(from, tab - from));
          from = tab + 1;
        }
        const bool list = form == line_form::list;
        if (list ? fields.size() < 3 : fields.size() != 2)
          throw bert::error({where(),
                             list ? "a text and two choices or more, separated by TABs" : "two texts, separated by one TAB",
                             fields.size() == 1 ? "no TAB" : bert::cat(fields.size(), " fields"),
                             list                        ? "write a text and its choices a line"
                             : form == line_form::ranked ? "write a query and a text a line"
                                                         : "write a pair a line"});
        in = {std::move(fields[0]), std::move(fields[1]), {}};
        in.more.assign(std::make_move_iterator(fields.begin() + 2), std::make_move_iterator(fields.end()));
      }
      take(std::move(in));
    }
  }
  flush();
  bar.clear();
  if (empty_lines != 0)
    std::cerr << "note: " << empty_lines << (empty_lines == 1 ? " line is" : " lines are")
              << " empty; null was written for each\n";
}

/// The pipeline's answers to texts, which are run together, or to pairs.
template <class Pipeline, class E>
auto answers_of(const Pipeline& pipeline, const std::vector<input>& inputs, const E& threads) {
  std::vector<typename Pipeline::result> all;
  if (!inputs.empty() && inputs.front().second) {
    for (const auto& in : inputs) all.push_back(pipeline(in.text, *in.second));
    return all;
  }
  std::vector<std::string_view> texts;
  for (const auto& in : inputs) texts.emplace_back(in.text);
  return pipeline(texts, threads);
}

/// Counts the lines of more tokens than the model reads at once, for heads that read no windows.
class cut_lines {
 public:
  cut_lines(const settings& s, const bert::checkpoint& files, std::size_t positions)
      : tokenizer_(files.tokenizer()), most_(s.max_tokens == 0 ? positions : std::min(s.max_tokens, positions)) {}

  void count(const std::vector<input>& inputs) {
    for (const auto& in : inputs) {
      std::size_t cut =
          in.second ? tokens_cut(in.text, *in.second) : tokenizer_.encode_into(cleared(), in.text, {.max_tokens = most_});
      for (const auto& other : in.more) cut += tokens_cut(in.text, other);
      lines_ += cut != 0 ? 1 : 0;
    }
  }
  /// Says how many there were, if any.
  void tell() const {
    if (lines_ != 0)
      std::cerr << "note: " << lines_ << (lines_ == 1 ? " line was" : " lines were") << " cut to " << most_ << " tokens\n";
  }

 private:
  bert::token_batch& cleared() {
    batch_.clear();
    return batch_;
  }
  std::size_t tokens_cut(const std::string& a, const std::string& b) {
    return tokenizer_.encode_into(cleared(), a, b, {.max_tokens = most_});
  }

  bert::text::tokenizer tokenizer_;
  std::size_t most_;
  bert::token_batch batch_;
  std::uint64_t lines_ = 0;
};

/// One a head.
void classes(const settings& s, const bert::checkpoint& files);
void numbers(const settings& s, const bert::checkpoint& files);
void rankings(const settings& s, const bert::checkpoint& files);
void labels(const settings& s, const bert::checkpoint& files);
void choices(const settings& s, const bert::checkpoint& files);
void blanks(const settings& s, const bert::checkpoint& files);
void tags(const settings& s, const bert::checkpoint& files);
void answers(const settings& s, const bert::checkpoint& files);

}  // namespace predict
