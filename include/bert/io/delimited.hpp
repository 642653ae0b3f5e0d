// Rows of fields: tab-separated as in GLUE, and CSV with quotes (RFC 4180).
// Layer: io. Test: tests/unit/io/delimited_test.cpp
#ifndef BERT_IO_DELIMITED_HPP
#define BERT_IO_DELIMITED_HPP

#include <algorithm>
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
#include "bert/core/path.hpp"
#include "bert/io/lines.hpp"

namespace bert::inline BERT_ISA::io {

/// What a double quote means. `none`: text. `doubled`: a field that starts with one ends at the next quote that is not doubled;
/// it may contain separators and line ends.
enum class quoting : std::uint8_t { none, doubled };

struct delimited_format {
  char separator = '\t';
  quoting quotes = quoting::none;
  line_limits limits{};  ///< of a line, and of a quoted row
};

/// GLUE's .tsv files: tabs separate, a quote is text.
inline constexpr delimited_format tsv{};
inline constexpr delimited_format csv{.separator = ',', .quotes = quoting::doubled};

/// Reads rows of any number of fields, in bounded memory; a blank line is a row of one empty field.
///
///     io::row_reader rows("train.tsv");
///     while (rows.next()) use(rows[0], rows[1]);
///
/// Throws bert::error with path and line: for a quote left open, and for text between a closing quote and a separator.
class row_reader {
 public:
  explicit row_reader(std::filesystem::path path, delimited_format format = tsv)
      : lines_(std::move(path), format.limits), format_(format) {}

  /// Goes to the next row; false if there is none. Fields are valid until the next call.
  bool next() {
    std::string_view text;
    fields_.clear();
    if (!lines_.next(text)) return false;
    line_ = lines_.line();
    if (format_.quotes == quoting::none) split(text);
    else split_quoted(text);
    return true;
  }

  [[nodiscard]] std::span<const std::string_view> fields() const noexcept { return fields_; }
  [[nodiscard]] std::size_t size() const noexcept { return fields_.size(); }
  /// Field `i`. Throws bert::error with path and line if the row has fewer fields.
  [[nodiscard]] std::string_view operator[](std::size_t i) const {
    if (i >= fields_.size())
      throw_error(
          {where(), cat("at least ", i + 1, " columns"), cat(fields_.size()), "check the column number and the separator"});
    return fields_[i];
  }
  /// Line on which the row starts, from 1.
  [[nodiscard]] std::uint64_t line() const noexcept { return line_; }
  /// "path, line N", for messages about this row.
  [[nodiscard]] std::string where() const { return cat(path_text(lines_.path()), ", line ", line_); }

 private:
  void split(std::string_view text) {
    for (;;) {
      const std::size_t end = text.find(format_.separator);
      fields_.push_back(text.substr(0, end));
      if (end == std::string_view::npos) return;
      text.remove_prefix(end + 1);
    }
  }

  // Collects the unquoted text in row_; fields become views into it only when it no longer grows.
  void split_quoted(std::string_view text) {
    row_.clear();
    ends_.clear();
    for (;;) {
      if (text.starts_with('"')) {
        quoted(text);
        if (!text.empty() && text.front() != format_.separator)
          throw_error({where(), "a separator after a closing quote", cat('"', text.substr(0, 16), '"'),
                       "double the quotes inside a quoted field"});
      } else {
        const std::size_t end = std::min(text.find(format_.separator), text.size());
        row_ += text.substr(0, end);
        text.remove_prefix(end);
      }
      ends_.push_back(row_.size());
      if (text.empty()) break;
      text.remove_prefix(1);
    }
    std::size_t begin = 0;
    for (const std::size_t end : ends_) {
      fields_.push_back(std::string_view(row_).substr(begin, end - begin));
      begin = end;
    }
  }

  // Appends the quoted field at the start of `text` to row_ and leaves in `text` what follows it, perhaps on a later line.
  void quoted(std::string_view& text) {
    text.remove_prefix(1);
    for (;;) {
      const std::size_t quote = text.find('"');
      row_ += text.substr(0, quote);
      if (quote == std::string_view::npos) {
        row_ += '\n';
        if (row_.size() > format_.limits.longest || !lines_.next(text))
          throw_error({where(), "a closing quote", "none", "is a quote inside the text not doubled, or the file cut short?"});
      } else if (text.substr(quote + 1).starts_with('"')) {
        row_ += '"';
        text.remove_prefix(quote + 2);
      } else {
        text.remove_prefix(quote + 1);
        return;
      }
    }
  }

  line_reader lines_;
  delimited_format format_;
  std::vector<std::string_view> fields_;
  std::string row_;
  std::vector<std::size_t> ends_;
  std::uint64_t line_ = 0;
};

}  // namespace bert::io

#endif  // BERT_IO_DELIMITED_HPP
