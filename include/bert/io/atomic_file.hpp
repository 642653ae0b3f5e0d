// Writing a file so that a reader sees the old one or the new one, never half of one.
// Layer: io. Test: tests/unit/io/atomic_file_test.cpp
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/mapped_file.hpp"

namespace bert::inline BERT_ISA::io {

/// Writes to `path` + ".part" in the same folder; `commit()` puts it on the disk and renames it to `path`.
///
/// Whatever happens before `commit()` returns (an exception, SIGKILL, a full disk, a power cut) leaves the old file as it
/// was. What a killed writer left behind under ".part" is overwritten by the next. Two writers of one path at once: the
/// second throws. If `path` is a symbolic link, the file it names is replaced, not the link. Failures are bert::error.
class atomic_file {
 public:
  explicit atomic_file(const std::filesystem::path& path) : path_(resolve(path)), part_(path_.string() + ".part") {
    for (;;) {
      fd_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
      if (fd_ < 0) fail(reason(errno));
      if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
        const int code = errno;
        ::close(std::exchange(fd_, -1));
        fail(code == EWOULDBLOCK ? "that another writer is at work on it" : reason(code));
      }
      // Between open and flock the file may have been renamed by its previous owner: then it is no longer ours to empty.
      struct stat mine {
      }, named{};
      if (::fstat(fd_, &mine) == 0 && ::stat(part_.c_str(), &named) == 0 && mine.st_ino == named.st_ino &&
          mine.st_dev == named.st_dev)
        break;
      ::close(std::exchange(fd_, -1));
    }
    if (::ftruncate(fd_, 0) != 0) fail(reason(errno));
    pending_.reserve(buffered);
  }
  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;
  ~atomic_file() {
    if (fd_ < 0) return;
    ::unlink(part_.c_str());
    ::close(fd_);
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  void write(std::span<const std::byte> bytes) {
    if (pending_.size() + bytes.size() > buffered) flush();
    if (bytes.size() >= buffered) put(bytes);
    else pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  }
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  /// Forces the bytes to the disk, then makes them the file. Nothing can be written afterwards.
  void commit() {
    flush();
    if (::fsync(fd_) != 0) fail(reason(errno));
    if (::rename(part_.c_str(), path_.c_str()) != 0) fail(reason(errno));
    ::close(std::exchange(fd_, -1));
    // The name too must survive a power cut; a file system that cannot sync a folder has no more to offer.
    const auto folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    if (const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); fd >= 0) {
      ::fsync(fd);
      ::close(fd);
    }
  }

 private:
  static constexpr std::size_t buffered = std::size_t{1} << 16;

  static std::filesystem::path resolve(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::is_symlink(path, ignored) ? std::filesystem::weakly_canonical(path, ignored) : path;
  }

  void flush() {
    put(pending_);
    pending_.clear();
  }
  void put(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t done = ::write(fd_, bytes.data(), std::min(bytes.size(), std::size_t{1} << 30));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) fail(reason(errno));
      bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
  }
  [[noreturn]] void fail(std::string found) {
    if (fd_ >= 0) {
      ::unlink(part_.c_str());
      ::close(std::exchange(fd_, -1));
    }
    throw error({path_.string(), "a file to write", std::move(found), "check the folder, its permissions and the free space"});
  }

  std::filesystem::path path_;
  std::filesystem::path part_;
  int fd_ = -1;
  std::vector<std::byte> pending_;
};

/// Replaces the file at `path` by `text`.
inline void write_file(const std::filesystem::path& path, std::string_view text) {
  atomic_file file(path);
  file.write(text);
  file.commit();
}

}  // namespace bert::io
