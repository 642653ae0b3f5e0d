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

/// Puts a folder's names on the disk; a file system that cannot has no more to offer.
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

/// Throws bert::error unless atomic_file could write `path`: its folder is there and may be written, and what stands at the
/// path is a regular file or nothing. For programs that find out before the work, not after it.
inline void check_output_file(const std::filesystem::path& path) {
  const std::filesystem::path folder = detail::folder_of(path);
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) detail::cannot_write(path, cat(reason(errno), ": ", folder.string()));
  if (!S_ISDIR(info.st_mode)) detail::cannot_write(path, cat(folder.string(), " is ", kind_of_file(info.st_mode)));
  if (::access(folder.c_str(), W_OK | X_OK) != 0) detail::cannot_write(path, reason(errno));
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) detail::cannot_write(path, kind_of_file(info.st_mode));
}

/// Writes to `path` + ".part" in the same folder; `commit()` puts it on the disk and renames it to `path`.
///
/// Whatever happens before `commit()` returns (an exception, SIGKILL, a full disk, a power cut) leaves the old file as it
/// was. What a killed writer left behind under ".part" is overwritten by the next. Two writers of one path at once: the
/// second throws. If `path` is a symbolic link, the file it names is replaced, not the link; a pipe or a device is not
/// replaced but refused. Failures are bert::error.
class atomic_file {
 public:
  explicit atomic_file(const std::filesystem::path& path) : path_(resolve(path)), part_(path_.string() + ".part") {
    struct stat mine {
    }, named{};
    if (::stat(path_.c_str(), &named) == 0 && !S_ISREG(named.st_mode)) fail(kind_of_file(named.st_mode));
    for (;;) {
      // Not blocking, and never through a link: what lies at ".part" may be anything.
      fd_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0666);
      if (fd_ < 0) fail(reason(errno));
      if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
        const int code = errno;
        ::close(std::exchange(fd_, -1));
        fail(code == EWOULDBLOCK ? "that another writer is at work on it" : reason(code));
      }
      // Between open and flock the file may have been renamed by its previous owner: then it is no longer ours to empty.
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
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  /// Forces the bytes to the disk, still under ".part".
  void sync() {
    flush();
    if (::fsync(fd_) != 0) fail(reason(errno));
  }

  /// `sync()`, then makes the bytes the file. Nothing can be written afterwards.
  void commit() {
    sync();
    if (::rename(part_.c_str(), path_.c_str()) != 0) fail(reason(errno));
    ::close(std::exchange(fd_, -1));
    detail::sync_folder(detail::folder_of(path_));  // the name too must survive a power cut
  }

 private:
  friend class atomic_folder;
  static constexpr std::size_t buffered = std::size_t{1} << 16;

  /// What stands at `path_` while the file is there to be taken back.
  enum class placed : std::uint8_t { not_yet, new_name, exchanged, overwritten };

  static std::filesystem::path resolve(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::is_symlink(path, ignored) ? std::filesystem::weakly_canonical(path, ignored) : path;
  }

  // For atomic_folder: makes the bytes the file, and keeps the old file, now under ".part", until `drop`. Where a file system
  // cannot exchange two names, the old file is gone.
  void place() {
    struct stat info {};
    const bool old = ::lstat(path_.c_str(), &info) == 0;
#if defined(RENAME_EXCHANGE)
    if (old) {
      if (::renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0) {
        placed_ = placed::exchanged;
        return;
      }
      if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) fail(reason(errno));
    }
#endif
    if (::rename(part_.c_str(), path_.c_str()) != 0) fail(reason(errno));
    placed_ = old ? placed::overwritten : placed::new_name;
  }
  // Undoes `place`. What cannot be undone stays under ".part", never removed.
  void take_back() noexcept {
    bool undone = placed_ == placed::not_yet;
#if defined(RENAME_EXCHANGE)
    if (placed_ == placed::exchanged)
      undone = ::renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0;
#endif
    if (placed_ == placed::new_name) undone = ::rename(path_.c_str(), part_.c_str()) == 0;
    placed_ = undone ? placed::not_yet : placed::overwritten;
  }
  // Removes what lies under ".part": the bytes that never became the file, or after `place` the old file.
  void drop() noexcept {
    if (fd_ < 0) return;
    if (placed_ == placed::not_yet || placed_ == placed::exchanged) ::unlink(part_.c_str());
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
  placed placed_ = placed::not_yet;
  std::vector<std::byte> pending_;
};

/// Replaces the file at `path` by `text`.
inline void write_file(const std::filesystem::path& path, std::string_view text) {
  atomic_file file(path);
  file.write(text);
  file.commit();
}

}  // namespace bert::io
