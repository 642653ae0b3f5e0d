// Reads a text file line by line, in bounded memory.
// Layer: io. Test: tests/unit/io/lines_test.cpp
#ifndef BERT_IO_LINES_HPP
#define BERT_IO_LINES_HPP

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/file_status.hpp"
#include "bert/io/system.hpp"

namespace bert::inline BERT_ISA::io {

struct line_limits {
  std::size_t longest = std::size_t{1} << 26;  ///< bytes of the longest line allowed: 64 MiB
};

/// Reads lines that end in "\n" or "\r\n"; the last may end with the file. Skips a byte order mark at the start. Refuses a file
/// in UTF-16, and one whose lines end in "\r" alone.
///
///     io::line_reader lines("corpus.txt");
///     for (std::string_view line; lines.next(line);) …
///
/// Holds 256 KiB, or twice the longest line if that is more. Reads any path, also a pipe; only `seek` needs a regular file.
/// Throws bert::error with path and reason, or path, line number and limit.
class line_reader {
 public:
  explicit line_reader(std::filesystem::path path, line_limits limits = {}) : path_(std::move(path)), limits_(limits) {
    file_ = system::open_to_read(path_);
    if (file_ == system::none) fail(reason(errno));
    file_status info;
    if (system::status_of(file_, info) && info.kind == file_kind::folder) {
      system::close(std::exchange(file_, system::none));
      fail("a folder");
    }
    buffer_.resize(block);
  }
  line_reader(line_reader&& other) noexcept
      : path_(std::move(other.path_)),
        limits_(other.limits_),
        file_(std::exchange(other.file_, system::none)),
        buffer_(std::move(other.buffer_)),
        first_(other.first_),
        last_(other.last_),
        scanned_(other.scanned_),
        base_(other.base_),
        offset_(other.offset_),
        line_(other.line_),
        ended_(other.ended_) {}
  line_reader& operator=(line_reader&&) = delete;
  ~line_reader() {
    if (file_ != system::none) system::close(file_);
  }

  /// Writes the next line, without its line end, to `line` (valid until the next call); false if there is none.
  bool next(std::string_view& line) {
    for (;;) {
      const char* from = buffer_.data() + scanned_;
      if (const auto* end = static_cast<const char*>(std::memchr(from, '\n', last_ - scanned_)); end != nullptr)
        return emit(line, static_cast<std::size_t>(end - buffer_.data()), 1);
      scanned_ = last_;
      if (ended_) return last_ > first_ && emit(line, last_, 0);
      if (last_ - first_ > limits_.longest) too_long();
      fill();
    }
  }

  /// Number of the line returned last, from 1; after `seek`, counted from there.
  [[nodiscard]] std::uint64_t line() const noexcept { return line_; }
  /// Byte offset of the line returned last.
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// Goes to byte `offset`, which should start a line.
  void seek(std::uint64_t offset) {
    if (!system::seek(file_, offset)) fail(cat(reason(errno), " on seeking byte ", offset));
    first_ = last_ = scanned_ = 0;
    base_ = offset_ = offset;
    line_ = 0;
    ended_ = false;
  }

 private:
  static constexpr std::size_t block = std::size_t{1} << 18;

  bool emit(std::string_view& line, std::size_t end, std::size_t newline) {
    std::size_t begin = first_;
    if (base_ + begin == 0) {
      check_encoding({buffer_.data(), last_}, {buffer_.data(), end}, newline == 0);
      if (std::string_view(buffer_.data(), end).starts_with("\xEF\xBB\xBF")) begin += 3;
    }
    offset_ = base_ + begin;
    first_ = scanned_ = end + newline;
    if (end > begin && buffer_[end - 1] == '\r') --end;
    if (end - begin > limits_.longest) too_long();
    ++line_;
    line = {buffer_.data() + begin, end - begin};
    return true;
  }

  // `start`: what has been read of the file; `line`: its first line; `whole`: whether that is all of the file.
  void check_encoding(std::string_view start, std::string_view line, bool whole) const {
    const auto fail = [&](const char* expected, const std::string& found, const char* hint) {
      throw_error({path_text(path_), expected, found, hint});
    };
    const char* const convert = "convert it, as by iconv -f UTF-16 -t UTF-8";
    if (start.starts_with("\xFF\xFE") || start.starts_with("\xFE\xFF"))
      fail("text in UTF-8", "the byte order mark of UTF-16", convert);
    // Without a byte order mark: in UTF-16 of a European text, one byte of each two is nearly always zero.
    start = start.substr(0, 256);
    std::size_t zeros[2] = {0, 0};
    for (std::size_t i = 0; i < start.size(); ++i) zeros[i % 2] += start[i] == '\0' ? 1 : 0;
    const auto [few, many] = std::minmax(zeros[0], zeros[1]);
    if (start.size() >= 8 && 4 * many >= start.size() && 8 * few <= many)
      fail("text in UTF-8", cat(many, " zero bytes in the first ", start.size(), ", as UTF-16 has them"), convert);
    if (const auto end = line.find('\r'); whole && end != std::string_view::npos && end + 1 < line.size())
      fail("lines that end in \\n or \\r\\n", cat("one line, with carriage returns (\\r) in place of line ends"),
           "convert it, as by tr '\\r' '\\n'");
  }

  void fill() {
    if (first_ > 0) {
      std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(first_), buffer_.begin() + static_cast<std::ptrdiff_t>(last_),
                buffer_.begin());
      base_ += first_;
      last_ -= first_;
      scanned_ -= first_;
      first_ = 0;
    }
    if (last_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
    const std::ptrdiff_t got = system::read(file_, buffer_.data() + last_, buffer_.size() - last_);
    if (got < 0) fail(reason(errno));
    if (got == 0) ended_ = true;
    last_ += static_cast<std::size_t>(got);
  }

  [[noreturn]] void fail(std::string found) const {
    throw_error({path_text(path_), "a file to read", std::move(found), "check the path and its permissions"});
  }
  [[noreturn]] void too_long() const {
    throw_error({cat(path_text(path_), ", line ", line_ + 1), cat("a line of at most ", limits_.longest, " bytes"),
                 "a longer one", "is this a text file? if so, break its paragraphs into lines"});
  }

  std::filesystem::path path_;
  line_limits limits_;
  system::handle file_ = system::none;
  std::vector<char> buffer_;
  std::size_t first_ = 0, last_ = 0, scanned_ = 0;  // unread bytes [first_, last_), no newline in [first_, scanned_)
  std::uint64_t base_ = 0;                          // the buffer's offset in the file
  std::uint64_t offset_ = 0, line_ = 0;
  bool ended_ = false;
};

}  // namespace bert::io

#endif  // BERT_IO_LINES_HPP
