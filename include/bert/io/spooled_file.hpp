// A file that can be read many times: a regular file itself, or a temporary copy of a pipe.
// Layer: io. Test: tests/unit/io/spooled_file_test.cpp
#ifndef BERT_IO_SPOOLED_FILE_HPP
#define BERT_IO_SPOOLED_FILE_HPP

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/file_status.hpp"
#include "bert/io/system.hpp"

namespace bert::inline BERT_ISA::io {

/// `path()` can be opened many times: the path given, or, for a pipe or a terminal, a copy in the folder for temporary files,
/// removed with the object. Reads a pipe to its end at construction.
///
/// Throws bert::error for a path that cannot be read, and for a device, which may have no end.
class spooled_file {
 public:
  explicit spooled_file(std::filesystem::path path) : path_(std::move(path)) {
    file_status info;
    if (!system::status_of(path_, info)) fail(reason(errno));
    const bool terminal = info.kind == file_kind::characters && path_ == "/dev/stdin";
    if (info.kind == file_kind::regular) return;
    if (info.kind != file_kind::pipe && !terminal) fail(kind_of_file(info));
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
    std::filesystem::path name;
    const system::handle out = system::create_temporary(std::filesystem::temp_directory_path(ignored), "bert-spool-", name);
    if (out == system::none) fail(cat("a pipe, and no temporary file for its copy: ", path_text(name), ": ", reason(errno)));
    copy_ = name;
    const system::handle in = system::open_to_read(path_);
    const int code = in == system::none ? errno : pass(in, out);
    if (in != system::none) system::close(in);
    system::close(out);
    if (code == 0) return;
    drop();
    fail(cat("a pipe, copied to ", path_text(name), ": ", reason(code)));
  }

  // Copies all bytes. Returns the errno of a failure, or 0.
  static int pass(system::handle in, system::handle out) {
    std::vector<std::byte> block(std::size_t{1} << 18);
    for (;;) {
      const std::ptrdiff_t got = system::read(in, block.data(), block.size());
      if (got <= 0) return got < 0 ? errno : 0;
      for (std::ptrdiff_t done = 0; done < got;) {
        const std::ptrdiff_t put = system::write(out, block.data() + done, static_cast<std::size_t>(got - done));
        if (put < 0) return errno;
        done += put;
      }
    }
  }
  void drop() noexcept {
    if (!copy_.empty()) system::remove(copy_);
    copy_.clear();
  }
  [[noreturn]] void fail(std::string found) const {
    throw_error({path_text(path_), "a file or a pipe to read", std::move(found), "check the path and its permissions"});
  }

  std::filesystem::path path_, copy_;
};

}  // namespace bert::io

#endif  // BERT_IO_SPOOLED_FILE_HPP
