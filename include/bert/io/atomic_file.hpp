// Atomic writes: a reader sees the old file or the new one, never half of one.
// Layer: io. Test: tests/unit/io/atomic_file_test.cpp
#ifndef BERT_IO_ATOMIC_FILE_HPP
#define BERT_IO_ATOMIC_FILE_HPP

#include <cerrno>
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
#include "bert/io/file_status.hpp"
#include "bert/io/system.hpp"

namespace bert::inline BERT_ISA::io {

namespace detail {

[[nodiscard]] inline std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

[[noreturn]] inline void cannot_write(const std::filesystem::path& path, std::string found) {
  throw_error({path_text(path), "a file to write", std::move(found), "check the folder, its permissions and the free space"});
}

}  // namespace detail

/// Throws bert::error unless atomic_file could write `path`: its folder exists and is writable, and the path is a regular file
/// or does not exist. For programs that check their output before long work.
inline void check_output_file(const std::filesystem::path& path) {
  const std::filesystem::path folder = detail::folder_of(path);
  file_status info;
  if (!system::status_of(folder, info)) detail::cannot_write(path, cat(reason(errno), ": ", path_text(folder)));
  if (info.kind != file_kind::folder) detail::cannot_write(path, cat(path_text(folder), " is ", kind_of_file(info)));
  if (!system::is_writable(folder)) detail::cannot_write(path, reason(errno));
  if (system::status_of(path, info) && info.kind != file_kind::regular) detail::cannot_write(path, kind_of_file(info));
}

/// Writes to `path` + ".part" in the same folder; `commit()` flushes it to disk and renames it to `path`.
///
/// Whatever happens before `commit()` returns (an exception, SIGKILL, a full disk, a power cut) leaves the old file unchanged.
/// The next writer overwrites a ".part" that a killed one has left. Of two writers of one path at once, the second throws. If
/// `path` is a symbolic link, its target is replaced, not the link; a pipe or a device is refused. Failures are bert::error.
class atomic_file {
 public:
  explicit atomic_file(const std::filesystem::path& path) : path_(resolve(path)), part_(path_with(path_, ".part")) {
    file_status mine, named;
    if (system::status_of(path_, named) && named.kind != file_kind::regular) fail(kind_of_file(named));
    for (;;) {
      // Not blocking, and never through a link: ".part" may be any kind of file.
      file_ = system::open_to_replace(part_);
      if (file_ == system::none) fail(reason(errno));
      if (!system::lock(file_)) {
        const int code = errno;
        system::close(std::exchange(file_, system::none));
        fail(code == EWOULDBLOCK ? "that another writer is at work on it" : reason(code));
      }
      // Its previous writer may have renamed the file between its opening and its lock; it must then not be truncated.
      if (system::status_of(file_, mine) && system::status_of(part_, named) && mine.same_file(named)) break;
      system::close(std::exchange(file_, system::none));
    }
    if (mine.kind != file_kind::regular) {
      system::close(std::exchange(file_, system::none));
      fail(cat(kind_of_file(mine), " at ", path_text(part_)));
    }
    if (!system::truncate(file_)) fail(reason(errno));
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
    if (!system::flush(file_)) fail(reason(errno));
  }

  /// `sync()`, then renames ".part" to the path. Nothing can be written afterwards.
  void commit() {
    sync();
    if (!system::rename(part_, path_)) fail(reason(errno));
    system::close(std::exchange(file_, system::none));
    system::flush_folder(detail::folder_of(path_));  // the rename too must survive a power cut
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
    file_status info;
    const bool old = system::link_status_of(path_, info);
    if (old) {
      if (system::exchange(part_, path_)) {
        installed_ = installed::exchanged;
        return;
      }
      if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) fail(reason(errno));
    }
    if (!system::rename(part_, path_)) fail(reason(errno));
    installed_ = old ? installed::overwritten : installed::new_name;
  }
  // Undoes `install`. If that fails, ".part" is never removed.
  void roll_back() noexcept {
    bool undone = installed_ == installed::not_yet;
    if (installed_ == installed::exchanged) undone = system::exchange(part_, path_);
    if (installed_ == installed::new_name) undone = system::rename(path_, part_);
    installed_ = undone ? installed::not_yet : installed::overwritten;
  }
  // Removes ".part": the uncommitted bytes, or after `install` the old file.
  void drop() noexcept {
    if (file_ == system::none) return;
    if (installed_ == installed::not_yet || installed_ == installed::exchanged) system::remove(part_);
    system::close(std::exchange(file_, system::none));
  }

  void flush() {
    put(pending_);
    pending_.clear();
  }
  void put(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const std::ptrdiff_t done = system::write(file_, bytes.data(), bytes.size());
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
  system::handle file_ = system::none;
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
