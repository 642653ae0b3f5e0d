// A file that can be read many times: a regular file itself, or a temporary copy of a pipe.
// Layer: io. Test: tests/unit/io/spooled_file_test.cpp
#ifndef BERT_IO_SPOOLED_FILE_HPP
#define BERT_IO_SPOOLED_FILE_HPP

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/mapped_file.hpp"

namespace bert::inline BERT_ISA::io {

/// `path()` can be opened many times: the path given, or, for a pipe or a terminal, a copy in the folder for temporary files,
/// removed with the object. Reads a pipe to its end at construction.
///
/// Throws bert::error for a path that cannot be read, and for a device, which may have no end.
class spooled_file {
 public:
  explicit spooled_file(std::filesystem::path path) : path_(std::move(path)) {
    struct stat info {};
    if (::stat(path_.c_str(), &info) != 0) fail(reason(errno));
    const bool terminal = S_ISCHR(info.st_mode) && path_ == "/dev/stdin";
    if (S_ISREG(info.st_mode)) return;
    if (!S_ISFIFO(info.st_mode) && !terminal) fail(kind_of_file(info.st_mode));
    copy();
  }
  spooled_file(const spooled_file&) = delete;
  spooled_file& operator=(const spooled_file&) = delete;
  ~spooled_file() { drop(); }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return copy_.empty() ? path_ : copy_; }
  [[nodiscard]] bool copied() const noexcept { return !copy_.empty(); }

 private:
  void copy() {
    std::error_code ignored;
    std::string name = (std::filesystem::temp_directory_path(ignored) / "bert-spool-XXXXXX").string();
    const int out = ::mkstemp(name.data());
    if (out < 0) fail(cat("a pipe, and no temporary file for its copy: ", name, ": ", reason(errno)));
    copy_ = name;
    const int in = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    const int code = in < 0 ? errno : pass(in, out);
    if (in >= 0) ::close(in);
    ::close(out);
    if (code == 0) return;
    drop();
    fail(cat("a pipe, copied to ", name, ": ", reason(code)));
  }

  // Copies all bytes. Returns the errno of a failure, or 0.
  static int pass(int in, int out) {
    std::vector<std::byte> block(std::size_t{1} << 18);
    for (;;) {
      const ssize_t got = ::read(in, block.data(), block.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return got < 0 ? errno : 0;
      for (ssize_t done = 0; done < got;) {
        const ssize_t put = ::write(out, block.data() + done, static_cast<std::size_t>(got - done));
        if (put < 0 && errno != EINTR) return errno;
        if (put > 0) done += put;
      }
    }
  }
  void drop() noexcept {
    if (!copy_.empty()) ::unlink(copy_.c_str());
    copy_.clear();
  }
  [[noreturn]] void fail(std::string found) const {
    throw error({path_.string(), "a file or a pipe to read", std::move(found), "check the path and its permissions"});
  }

  std::filesystem::path path_, copy_;
};

}  // namespace bert::io

#endif  // BERT_IO_SPOOLED_FILE_HPP
