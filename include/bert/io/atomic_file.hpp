// Atomic writes: a reader sees the old file or the new one, never half of one.
// Layer: io. Test: tests/unit/io/atomic_file_test.cpp
#ifndef BERT_IO_ATOMIC_FILE_HPP
#define BERT_IO_ATOMIC_FILE_HPP

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
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

namespace detail {

/// Flushes a folder's entries to disk. Errors are ignored: some file systems cannot.
inline void sync_folder(const std::filesystem::path& folder) noexcept {
  if (const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); fd >= 0) {
    ::fsync(fd);
    ::close(fd);
  }
}

[[nodiscard]] inline std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

[[noreturn]] inline void cannot_write(const std::filesystem::path& path, std::string found) {
  throw error({path.string(), "a file to write", std::move(found), "check the folder, its permissions and the free space"});
}

}  // namespace detail

/// Throws bert::error unless atomic_file could write `path`: its folder exists and is writable, and the path is a regular file
/// or does not exist. For programs that check their output before long work.
inline void check_output_file(const std::filesystem::path& path) {
  const std::filesystem::path folder = detail::folder_of(path);
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) detail::cannot_write(path, cat(reason(errno), ": ", folder.string()));
  if (!S_ISDIR(info.st_mode)) detail::cannot_write(path, cat(folder.string(), " is ", kind_of_file(info.st_mode)));
  if (::access(folder.c_str(), W_OK | X_OK) != 0) detail::cannot_write(path, reason(errno));
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) detail::cannot_write(path, kind_of_file(info.st_mode));
}

/// Writes to `path` + ".part" in the same folder; `commit()` flushes it to disk and renames it to `path`.
///
/// Whatever happens before `commit()` returns (an exception, SIGKILL, a full disk, a power cut) leaves the old file unchanged.
/// The next writer overwrites a ".part" that a killed one has left. Of two writers of one path at once, the second throws. If
/// `path` is a symbolic link, its target is replaced, not the link; a pipe or a device is refused. Failures are bert::error.
class atomic_file {
 public:
  explicit atomic_file(const std::filesystem::path& path) : path_(resolve(path)), part_(path_.string() + ".part") {
    struct stat mine {
    }, named{};
    if (::stat(path_.c_str(), &named) == 0 && !S_ISREG(named.st_mode)) fail(kind_of_file(named.st_mode));
    for (;;) {
      // Not blocking, and never through a link: ".part" may be any kind of file.
      fd_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0666);
      if (fd_ < 0) fail(reason(errno));
      if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
        const int code = errno;
        ::close(std::exchange(fd_, -1));
        fail(code == EWOULDBLOCK ? "that another writer is at work on it" : reason(code));
      }
      // Its previous writer may have renamed the file between open and flock; it must then not be truncated.
      if (::fstat(fd_, &mine) == 0 && ::stat(part_.c_str(), &named) == 0 && mine.st_ino == named.st_ino &&
          mine.st_dev == named.st_dev)
        break;
      ::close(std::exchange(fd_, -1));
    }
    if (!S_ISREG(mine.st_mode)) {
      ::close(std::exchange(fd_, -1));
      fail(cat(kind_of_file(mine.st_mode), " at ", part_.string()));
    }
    if (::ftruncate(fd_, 0) != 0) fail(reason(errno));
    pending_.reserve(buffered);
  }
  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;
  ~atomic_file() { drop(); }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  void write(std::span<const std::byte> bytes) {
    if (pending_.size() + bytes.size() > buffered) flush();
    if (bytes.size() >= buffered) put(bytes);
    else pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  }
  void write(std::string_view text) { write(std::as_bytes(std::span<const char>(text.data(), text.size()))); }

  /// Flushes the bytes to disk, still under ".part".
  void sync() {
    flush();
    if (::fsync(fd_) != 0) fail(reason(errno));
  }

  /// `sync()`, then renames ".part" to the path. Nothing can be written afterwards.
  void commit() {
    sync();
    if (::rename(part_.c_str(), path_.c_str()) != 0) fail(reason(errno));
    ::close(std::exchange(fd_, -1));
    detail::sync_folder(detail::folder_of(path_));  // the rename too must survive a power cut
  }

 private:
  friend class atomic_folder;
  static constexpr std::size_t buffered = std::size_t{1} << 16;

  /// How `install` has put the new file at `path_`, which decides how `roll_back` undoes it.
  enum class installed : std::uint8_t { not_yet, new_name, exchanged, overwritten };

  static std::filesystem::path resolve(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::is_symlink(path, ignored) ? std::filesystem::weakly_canonical(path, ignored) : path;
  }

  // For atomic_folder: puts the new file at the path, and keeps the old file under ".part" until `drop`. Where a file system
  // cannot exchange two names, the old file is lost.
  void install() {
    struct stat info {};
    const bool old = ::lstat(path_.c_str(), &info) == 0;
#if defined(RENAME_EXCHANGE)
    if (old) {
      if (::renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0) {
        installed_ = installed::exchanged;
        return;
      }
      if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) fail(reason(errno));
    }
#endif
    if (::rename(part_.c_str(), path_.c_str()) != 0) fail(reason(errno));
    installed_ = old ? installed::overwritten : installed::new_name;
  }
  // Undoes `install`. If that fails, ".part" is never removed.
  void roll_back() noexcept {
    bool undone = installed_ == installed::not_yet;
#if defined(RENAME_EXCHANGE)
    if (installed_ == installed::exchanged)
      undone = ::renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0;
#endif
    if (installed_ == installed::new_name) undone = ::rename(path_.c_str(), part_.c_str()) == 0;
    installed_ = undone ? installed::not_yet : installed::overwritten;
  }
  // Removes ".part": the uncommitted bytes, or after `install` the old file.
  void drop() noexcept {
    if (fd_ < 0) return;
    if (installed_ == installed::not_yet || installed_ == installed::exchanged) ::unlink(part_.c_str());
    ::close(std::exchange(fd_, -1));
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
    drop();
    detail::cannot_write(path_, std::move(found));
  }

  std::filesystem::path path_;
  std::filesystem::path part_;
  int fd_ = -1;
  installed installed_ = installed::not_yet;
  std::vector<std::byte> pending_;
};

/// Replaces the file at `path` by `text`.
inline void write_file(const std::filesystem::path& path, std::string_view text) {
  atomic_file file(path);
  file.write(text);
  file.commit();
}

}  // namespace bert::io

#endif  // BERT_IO_ATOMIC_FILE_HPP
