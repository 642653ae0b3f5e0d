// A text file as documents of paragraphs, read from disk on every pass, in bounded memory.
// Layer: data. Test: tests/unit/data/corpus_test.cpp
#ifndef BERT_DATA_CORPUS_HPP
#define BERT_DATA_CORPUS_HPP

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/lines.hpp"
#include "bert/io/spooled_file.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::data {

/// Where a document ends: at a blank line, or after each line (reviews, messages, one a line).
enum class document_end : std::uint8_t { blank_line, every_line };

/// What is done with a line that is not valid UTF-8: an error that names it, or U+FFFD in place of each invalid part.
enum class invalid_utf8 : std::uint8_t { refuse, replace };

struct corpus_options {
  document_end documents = document_end::blank_line;
  invalid_utf8 invalid = invalid_utf8::refuse;
};

/// Whether the line has only spaces, tabs and carriage returns.
[[nodiscard]] inline bool blank(std::string_view line) noexcept {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

/// One paragraph a line, a blank line between documents; "\n" or "\r\n".
///
/// Holds the path only: every pass reads the file again, in blocks of 256 KiB. A pipe is copied to a temporary file first.
/// Throws bert::error for a file that is missing, unreadable or empty, and, naming the line, for text that is not UTF-8.
class corpus {
 public:
  explicit corpus(std::filesystem::path path, corpus_options options = {})
      : path_(std::move(path)), file_(std::make_shared<const io::spooled_file>(path_)), options_(options) {
    std::string_view line;
    if (!io::line_reader(file_->path()).next(line))
      throw_error({path_text(path_), "text, one paragraph a line", "an empty file", "check the path"});
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] document_end documents() const noexcept { return options_.documents; }

  /// Calls `use(std::string_view)` with each line, blank ones too, without its end.
  template <class F>
  void for_each_line(F&& use) const {
    io::line_reader lines(file_->path());
    for (std::string_view line; lines.next(line);) {
      if (options_.invalid == invalid_utf8::refuse)
        if (const auto bad = text::utf8::first_invalid(line); bad != std::string_view::npos)
          throw_error({cat(path_text(path_), ", line ", lines.line()), "text in UTF-8",
                       cat("an invalid byte at column ", bad + 1),
                       "convert the file, as by iconv -f LATIN1 -t UTF-8, or have invalid bytes replaced"});
      use(line);
    }
  }

  /// Calls `use(std::span<const std::string_view>)` with the paragraphs of each document. Holds one document at a time.
  template <class F>
  void for_each_document(F&& use) const {
    std::string text;
    std::vector<std::size_t> ends;
    std::vector<std::string_view> paragraphs;
    const auto finish = [&] {
      if (ends.empty()) return;
      paragraphs.clear();
      for (std::size_t i = 0, begin = 0; i < ends.size(); begin = ends[i++])
        paragraphs.push_back(std::string_view(text).substr(begin, ends[i] - begin));
      use(std::span<const std::string_view>(paragraphs));
      text.clear();
      ends.clear();
    };
    for_each_line([&](std::string_view line) {
      if (blank(line)) return finish();
      text += line;
      ends.push_back(text.size());
      if (options_.documents == document_end::every_line) finish();
    });
    finish();
  }

 private:
  std::filesystem::path path_;
  std::shared_ptr<const io::spooled_file> file_;
  corpus_options options_;
};

}  // namespace bert::data

#endif  // BERT_DATA_CORPUS_HPP
