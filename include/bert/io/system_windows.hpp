// io::system by calls of Windows; see system.hpp.
// Layer: io. Test: tests/unit/io/system_test.cpp
#ifndef BERT_IO_SYSTEM_WINDOWS_HPP
#define BERT_IO_SYSTEM_WINDOWS_HPP

#if defined(_WIN32)

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/core/windows.hpp"
#include "bert/io/file_status.hpp"

namespace bert::inline BERT_ISA::io::system {

using handle = void*;
inline const handle none = INVALID_HANDLE_VALUE;

namespace detail {

// Every file is open for others to read, to write, to rename and to remove, as on POSIX.
inline constexpr DWORD shared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

[[nodiscard]] inline int errno_of(DWORD code) noexcept {
  switch (code) {
    case ERROR_SUCCESS: return 0;
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_DRIVE:
    case ERROR_BAD_NETPATH:
    case ERROR_BAD_NET_NAME:
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME: return ENOENT;
    case ERROR_DIRECTORY: return ENOTDIR;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
    case ERROR_USER_MAPPED_FILE:
    case ERROR_WRITE_PROTECT:
    case ERROR_CURRENT_DIRECTORY: return EACCES;
    case ERROR_LOCK_VIOLATION: return EWOULDBLOCK;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS: return EEXIST;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL: return ENOSPC;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT: return ENOMEM;
    case ERROR_DIR_NOT_EMPTY: return ENOTEMPTY;
    case ERROR_TOO_MANY_OPEN_FILES: return EMFILE;
    case ERROR_INVALID_HANDLE: return EBADF;
    case ERROR_NOT_SAME_DEVICE: return EXDEV;
    case ERROR_FILENAME_EXCED_RANGE: return ENAMETOOLONG;
    case ERROR_BROKEN_PIPE: return EPIPE;
    default: return windows_codes + static_cast<int>(code);
  }
}
inline bool done(BOOL ok) noexcept {
  if (ok == 0) errno = errno_of(::GetLastError());
  return ok != 0;
}

/// The path as Windows takes it: from 240 characters on in the form without a limit of 260, "\\?\C:\…".
[[nodiscard]] inline std::wstring native(const std::filesystem::path& path) {
  const std::wstring& given = path.native();
  if (given.empty() || given.starts_with(L"\\\\?\\") || given.starts_with(L"\\\\.\\")) return given;
  std::error_code failed;
  std::filesystem::path whole = std::filesystem::absolute(path, failed);
  if (failed || whole.native().size() < 240) return given;
  whole = whole.lexically_normal().make_preferred();
  const std::wstring& text = whole.native();
  return text.starts_with(L"\\\\") ? L"\\\\?\\UNC" + text.substr(1) : L"\\\\?\\" + text;
}

[[nodiscard]] inline handle open(const std::wstring& path, DWORD access, DWORD how, DWORD flags) noexcept {
  const handle file = ::CreateFileW(path.c_str(), access, shared, nullptr, how, flags, nullptr);
  if (file == none) errno = errno_of(::GetLastError());
  return file;
}
[[nodiscard]] inline bool is_folder(const std::wstring& path) noexcept {
  const DWORD attributes = ::GetFileAttributesW(path.c_str());
  return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}
[[nodiscard]] inline bool status_by(const std::filesystem::path& path, DWORD flags, file_status& status);

[[nodiscard]] inline handle create(const std::filesystem::path& folder, const char* prefix, DWORD flags,
                                   std::filesystem::path& path) {
  static std::atomic<unsigned> count{0};
  for (int i = 0; i < 100; ++i) {
    LARGE_INTEGER ticks{};
    ::QueryPerformanceCounter(&ticks);
    const std::string ending = cat(::GetCurrentProcessId(), '-', ticks.QuadPart % 1'000'000, '-', count++);
    path = folder / path_with(path_from(prefix), ending);
    const handle file = open(native(path), GENERIC_READ | GENERIC_WRITE, CREATE_NEW, flags);
    if (file != none || errno != EEXIST) return file;
  }
  return none;
}

inline bool move(const std::wstring& from, const std::wstring& to, DWORD flags) noexcept {
  return ::MoveFileExW(from.c_str(), to.c_str(), flags | MOVEFILE_WRITE_THROUGH) != 0;
}
[[nodiscard]] inline std::wstring aside_of(const std::wstring& path) { return path + L".bert-old"; }
/// Whether `code` may say that a file is open or mapped elsewhere.
[[nodiscard]] inline bool is_held(const std::wstring& file, DWORD code) noexcept {
  return (code == ERROR_ACCESS_DENIED || code == ERROR_SHARING_VIOLATION || code == ERROR_USER_MAPPED_FILE) &&
         (::GetFileAttributesW(file.c_str()) & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_READONLY)) == 0;
}

}  // namespace detail

namespace detail {
/// Standard input under a handle of its own; a file from its start, as /dev/stdin is opened on Linux.
[[nodiscard]] inline handle open_standard_input() noexcept {
  const handle input = ::GetStdHandle(STD_INPUT_HANDLE);
  if (::GetFileType(input) == FILE_TYPE_DISK)
    if (const handle file = ::ReOpenFile(input, GENERIC_READ, shared, 0); file != none) return file;
  handle copy = none;
  const BOOL ok =
      ::DuplicateHandle(::GetCurrentProcess(), input, ::GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS);
  return done(ok) ? copy : none;
}
}  // namespace detail

/// Any file or folder; "/dev/stdin" is standard input here too.
// FILE_FLAG_BACKUP_SEMANTICS opens folders, so that the status can say what they are.
[[nodiscard]] inline handle open_to_read(const std::filesystem::path& path) {
  if (path == "/dev/stdin") return detail::open_standard_input();
  return detail::open(detail::native(path), GENERIC_READ, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS);
}
[[nodiscard]] inline handle open_without_waiting(const std::filesystem::path& path) { return open_to_read(path); }
[[nodiscard]] inline handle open_to_replace(const std::filesystem::path& path) {
  const std::wstring name = detail::native(path);
  const handle file = detail::open(name, GENERIC_WRITE, OPEN_ALWAYS, FILE_FLAG_OPEN_REPARSE_POINT);
  if (file == none && errno == EACCES && detail::is_folder(name)) errno = EISDIR;
  return file;
}
/// A new file in `folder` whose name starts with `prefix`; `path` becomes its path, or what was tried.
[[nodiscard]] inline handle create_temporary(const std::filesystem::path& folder, const char* prefix,
                                             std::filesystem::path& path) {
  return detail::create(folder, prefix, FILE_ATTRIBUTE_NORMAL, path);
}
[[nodiscard]] inline handle create_scratch(const std::filesystem::path& folder) {
  std::filesystem::path path;
  return detail::create(folder, "bert-", FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, path);
}
inline void close(handle file) noexcept { ::CloseHandle(file); }

/// Up to `size` bytes; 0 at the end of the file, -1 on failure.
[[nodiscard]] inline std::ptrdiff_t read(handle file, void* to, std::size_t size) noexcept {
  DWORD got = 0;
  if (::ReadFile(file, to, static_cast<DWORD>(std::min(size, std::size_t{1} << 30)), &got, nullptr) != 0) return got;
  const DWORD code = ::GetLastError();
  if (code == ERROR_BROKEN_PIPE || code == ERROR_HANDLE_EOF) return 0;
  errno = detail::errno_of(code);
  return -1;
}
/// The number of bytes written, at most `size`; -1 on failure.
[[nodiscard]] inline std::ptrdiff_t write(handle file, const void* from, std::size_t size) noexcept {
  DWORD put = 0;
  const BOOL ok = ::WriteFile(file, from, static_cast<DWORD>(std::min(size, std::size_t{1} << 30)), &put, nullptr);
  return detail::done(ok) ? static_cast<std::ptrdiff_t>(put) : -1;
}
[[nodiscard]] inline bool seek(handle file, std::uint64_t offset) noexcept {
  LARGE_INTEGER to{};
  to.QuadPart = static_cast<LONGLONG>(offset);
  return detail::done(::SetFilePointerEx(file, to, nullptr, FILE_BEGIN));
}
/// To no bytes.
[[nodiscard]] inline bool truncate(handle file) noexcept { return seek(file, 0) && detail::done(::SetEndOfFile(file)); }
/// To the disk.
[[nodiscard]] inline bool flush(handle file) noexcept { return detail::done(::FlushFileBuffers(file)); }

/// The first `size` bytes of a file, read-only; valid after `close`.
[[nodiscard]] inline const void* map(handle file, std::size_t size) noexcept {
  const handle mapping = ::CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
  if (!detail::done(mapping != nullptr)) return nullptr;
  const void* const memory = ::MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, size);
  (void)detail::done(memory != nullptr);
  ::CloseHandle(mapping);
  return memory;
}
inline void unmap(const void* memory, std::size_t) noexcept { ::UnmapViewOfFile(memory); }
inline void give_back(const void*, std::size_t) noexcept {}

/// Locks one byte beyond every file's end: others may still read the file, as locks of Windows are mandatory.
[[nodiscard]] inline bool lock(handle file) noexcept {
  OVERLAPPED at{};
  at.OffsetHigh = 0x7fff'ffff;
  return detail::done(::LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at));
}
[[nodiscard]] inline bool status_of(handle file, file_status& status) noexcept {
  const DWORD type = ::GetFileType(file);
  status = {.kind = type == FILE_TYPE_PIPE   ? file_kind::pipe
                    : type == FILE_TYPE_CHAR ? file_kind::characters
                                             : file_kind::other};
  if (type != FILE_TYPE_DISK) return true;
  BY_HANDLE_FILE_INFORMATION info{};
  if (!detail::done(::GetFileInformationByHandle(file, &info))) return false;
  const bool folder = (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  status = {.kind = folder ? file_kind::folder : file_kind::regular,
            .size = std::uint64_t{info.nFileSizeHigh} << 32 | info.nFileSizeLow,
            .device = info.dwVolumeSerialNumber,
            .number = std::uint64_t{info.nFileIndexHigh} << 32 | info.nFileIndexLow};
  return true;
}
inline bool detail::status_by(const std::filesystem::path& path, DWORD flags, file_status& status) {
  const handle file =
      path == "/dev/stdin" ? open_standard_input() : open(native(path), 0, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | flags);
  if (file == none) return false;
  const bool known = status_of(file, status);
  ::CloseHandle(file);
  return known;
}
[[nodiscard]] inline bool status_of(const std::filesystem::path& path, file_status& status) {
  return detail::status_by(path, 0, status);
}
[[nodiscard]] inline bool link_status_of(const std::filesystem::path& path, file_status& status) {
  return detail::status_by(path, FILE_FLAG_OPEN_REPARSE_POINT, status);
}
/// Fails with EWOULDBLOCK if another writer of this machine has the lock: an object of the system that is named by the folder.
[[nodiscard]] inline handle lock_folder(const std::filesystem::path& folder) {
  file_status info;
  if (!status_of(folder, info)) return none;
  const std::wstring name = L"Global\\bert-folder-" + std::to_wstring(info.device) + L"-" + std::to_wstring(info.number);
  const handle lock = ::CreateEventW(nullptr, FALSE, FALSE, name.c_str());
  const DWORD code = ::GetLastError();
  if (lock != nullptr && code != ERROR_ALREADY_EXISTS) return lock;
  if (lock != nullptr) ::CloseHandle(lock);
  errno = code == ERROR_ALREADY_EXISTS || code == ERROR_ACCESS_DENIED ? EWOULDBLOCK : detail::errno_of(code);
  return none;
}
[[nodiscard]] inline bool is_writable(const std::filesystem::path& folder) {
  const handle file = detail::open(detail::native(folder), FILE_ADD_FILE, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS);
  if (file == none) return false;
  ::CloseHandle(file);
  return true;
}

/// A file that is open or mapped elsewhere and so cannot be replaced or removed is renamed to NAME.bert-old. It stays until the
/// next act on that name.
[[nodiscard]] inline bool rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  const std::wstring a = detail::native(from), b = detail::native(to), aside = detail::aside_of(b);
  if (detail::move(a, b, MOVEFILE_REPLACE_EXISTING)) return true;
  DWORD code = ::GetLastError();
  if (detail::is_held(b, code)) {
    ::DeleteFileW(aside.c_str());
    if (detail::move(b, aside, 0)) {
      if (detail::move(a, b, 0)) {
        ::DeleteFileW(aside.c_str());
        return true;
      }
      code = ::GetLastError();
      detail::move(aside, b, 0);
    }
  }
  errno = detail::errno_of(code);
  return false;
}
inline bool remove(const std::filesystem::path& path) {
  const std::wstring name = detail::native(path), aside = detail::aside_of(name);
  ::DeleteFileW(aside.c_str());
  if (detail::done(::DeleteFileW(name.c_str()))) return true;
  return detail::is_held(name, ::GetLastError()) && detail::move(name, aside, 0);
}
/// In three renames, of which a failed one is undone. A kill between them leaves the old file of `b` as NAME.bert-old.
[[nodiscard]] inline bool exchange(const std::filesystem::path& a, const std::filesystem::path& b) {
  const std::wstring one = detail::native(a), two = detail::native(b), aside = detail::aside_of(two);
  ::DeleteFileW(aside.c_str());
  DWORD code = 0;
  if (detail::move(two, aside, 0)) {
    if (detail::move(one, two, 0)) {
      if (detail::move(aside, one, 0)) return true;
      code = ::GetLastError();
      detail::move(two, one, 0);
    } else {
      code = ::GetLastError();
    }
    detail::move(aside, two, 0);
  } else {
    code = ::GetLastError();
  }
  errno = detail::errno_of(code);
  return false;
}
[[nodiscard]] inline bool make_folder(const std::filesystem::path& path) {
  return detail::done(::CreateDirectoryW(detail::native(path).c_str(), nullptr));
}
inline bool remove_folder(const std::filesystem::path& path) {
  return detail::done(::RemoveDirectoryW(detail::native(path).c_str()));
}
/// Nothing: renames are written through.
inline void flush_folder(const std::filesystem::path&) noexcept {}

}  // namespace bert::io::system

#endif

#endif  // BERT_IO_SYSTEM_WINDOWS_HPP
