// io::system by POSIX calls; see system.hpp.
// Layer: io. Test: tests/unit/io/system_test.cpp
#ifndef BERT_IO_SYSTEM_POSIX_HPP
#define BERT_IO_SYSTEM_POSIX_HPP

#if !defined(_WIN32)

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "bert/core/isa.hpp"
#include "bert/io/file_status.hpp"

namespace bert::inline BERT_ISA::io::system {

using handle = int;
inline constexpr handle none = -1;

[[nodiscard]] inline handle open_to_read(const std::filesystem::path& path) noexcept {
  return ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
}
[[nodiscard]] inline handle open_without_waiting(const std::filesystem::path& path) noexcept {
  return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}
[[nodiscard]] inline handle open_to_replace(const std::filesystem::path& path) noexcept {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0666);
}
/// The file `folder`/`prefix`XXXXXX; `path` becomes its path, or what was tried.
[[nodiscard]] inline handle create_temporary(const std::filesystem::path& folder, const char* prefix,
                                             std::filesystem::path& path) {
  std::string name = (folder / (std::string(prefix) + "XXXXXX")).string();
  const handle file = ::mkstemp(name.data());
  path = name;
  return file;
}
[[nodiscard]] inline handle create_scratch(const std::filesystem::path& folder) {
  std::filesystem::path path;
  const handle file = create_temporary(folder, "bert-", path);
  if (file != none) ::unlink(path.c_str());
  return file;
}
inline void close(handle file) noexcept { ::close(file); }

/// Up to `size` bytes; 0 at the end of the file, -1 on failure.
[[nodiscard]] inline std::ptrdiff_t read(handle file, void* to, std::size_t size) noexcept {
  std::ptrdiff_t got = 0;
  do got = ::read(file, to, size);
  while (got < 0 && errno == EINTR);
  return got;
}
/// The number of bytes written, at most `size`; -1 on failure.
[[nodiscard]] inline std::ptrdiff_t write(handle file, const void* from, std::size_t size) noexcept {
  std::ptrdiff_t put = 0;
  do put = ::write(file, from, std::min(size, std::size_t{1} << 30));
  while (put < 0 && errno == EINTR);
  return put;
}
[[nodiscard]] inline bool seek(handle file, std::uint64_t offset) noexcept {
  return ::lseek(file, static_cast<off_t>(offset), SEEK_SET) >= 0;
}
/// To no bytes.
[[nodiscard]] inline bool truncate(handle file) noexcept { return ::ftruncate(file, 0) == 0; }
/// To the disk.
[[nodiscard]] inline bool flush(handle file) noexcept { return ::fsync(file) == 0; }

/// The first `size` bytes of a file, read-only; valid after `close`.
[[nodiscard]] inline const void* map(handle file, std::size_t size) noexcept {
  void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}
inline void unmap(const void* memory, std::size_t size) noexcept { ::munmap(const_cast<void*>(memory), size); }

/// Whole pages alone: the rest may be in use.
inline void give_back(const void* memory, std::size_t size) noexcept {
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(memory), first = (begin + page - 1) / page * page,
             last = (begin + size) / page * page;
  if (first < last)
    ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);  // NOLINT(performance-no-int-to-ptr)
}

[[nodiscard]] inline bool lock(handle file) noexcept { return ::flock(file, LOCK_EX | LOCK_NB) == 0; }
/// Fails with EWOULDBLOCK if another writer has the lock. On a file system without locks it is an open folder.
[[nodiscard]] inline handle lock_folder(const std::filesystem::path& folder) noexcept {
  const handle file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file != none && !lock(file) && errno == EWOULDBLOCK) {
    ::close(file);
    errno = EWOULDBLOCK;
    return none;
  }
  return file;
}

namespace detail {
inline void to_status(const struct stat& from, file_status& to) noexcept {
  const auto mode = from.st_mode;
  to.kind = S_ISREG(mode)    ? file_kind::regular
            : S_ISDIR(mode)  ? file_kind::folder
            : S_ISFIFO(mode) ? file_kind::pipe
            : S_ISSOCK(mode) ? file_kind::socket
            : S_ISCHR(mode)  ? file_kind::characters
                             : file_kind::other;
  to.size = static_cast<std::uint64_t>(from.st_size);
  to.device = static_cast<std::uint64_t>(from.st_dev);
  to.number = static_cast<std::uint64_t>(from.st_ino);
}
}  // namespace detail

[[nodiscard]] inline bool status_of(handle file, file_status& status) noexcept {
  struct stat info {};
  if (::fstat(file, &info) != 0) return false;
  detail::to_status(info, status);
  return true;
}
[[nodiscard]] inline bool status_of(const std::filesystem::path& path, file_status& status) noexcept {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return false;
  detail::to_status(info, status);
  return true;
}
[[nodiscard]] inline bool link_status_of(const std::filesystem::path& path, file_status& status) noexcept {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return false;
  detail::to_status(info, status);
  return true;
}
[[nodiscard]] inline bool is_writable(const std::filesystem::path& folder) noexcept {
  return ::access(folder.c_str(), W_OK | X_OK) == 0;
}

[[nodiscard]] inline bool rename(const std::filesystem::path& from, const std::filesystem::path& to) noexcept {
  return ::rename(from.c_str(), to.c_str()) == 0;
}
[[nodiscard]] inline bool exchange([[maybe_unused]] const std::filesystem::path& a,
                                   [[maybe_unused]] const std::filesystem::path& b) noexcept {
#if defined(RENAME_EXCHANGE)
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
#else
  errno = ENOSYS;
  return false;
#endif
}
inline bool remove(const std::filesystem::path& path) noexcept { return ::unlink(path.c_str()) == 0; }
[[nodiscard]] inline bool make_folder(const std::filesystem::path& path) noexcept { return ::mkdir(path.c_str(), 0777) == 0; }
inline bool remove_folder(const std::filesystem::path& path) noexcept { return ::rmdir(path.c_str()) == 0; }

/// Flushes a folder's entries to disk. Errors are ignored: some file systems cannot.
inline void flush_folder(const std::filesystem::path& folder) noexcept {
  if (const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); file >= 0) {
    ::fsync(file);
    ::close(file);
  }
}

}  // namespace bert::io::system

#endif

#endif  // BERT_IO_SYSTEM_POSIX_HPP
