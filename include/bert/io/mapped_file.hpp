// A file mapped read-only; its pages are read when they are first touched.
// Layer: io. Test: tests/unit/io/mapped_file_test.cpp
#ifndef BERT_IO_MAPPED_FILE_HPP
#define BERT_IO_MAPPED_FILE_HPP

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::io {

/// The message of an errno value.
[[nodiscard]] inline std::string reason(int code) { return std::generic_category().message(code); }

/// The kind of a file by its `st_mode`, in words, for messages.
[[nodiscard]] inline std::string kind_of_file(unsigned mode) {
  if (S_ISREG(mode)) return "a regular file";
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

/// Maps a regular file for the object's lifetime. Movable, not copyable; an empty file is an empty span.
///
/// Throws bert::error with path and reason. Refuses a pipe or a device at once, without waiting for its writer. Nothing can
/// check for a program that shortens the file while it is mapped: replace files by renaming (see atomic_file), never by writing
/// into them.
class mapped_file {
 public:
  explicit mapped_file(std::filesystem::path path) : path_(std::move(path)) {
    // Not blocking: opening a pipe would wait for its writer.
    const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) fail(reason(errno));
    struct stat info {};
    if (::fstat(fd, &info) != 0) fail_closing(fd, reason(errno));
    if (!S_ISREG(info.st_mode)) fail_closing(fd, kind_of_file(info.st_mode) + ", no regular file");
    size_ = static_cast<std::size_t>(info.st_size);
    if (size_ != 0) {
      void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
      if (memory == MAP_FAILED) fail_closing(fd, reason(errno));
      data_ = static_cast<const std::byte*>(memory);
    }
    ::close(fd);
  }
  mapped_file(mapped_file&& other) noexcept
      : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  mapped_file& operator=(mapped_file&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~mapped_file() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  [[nodiscard]] std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  [[noreturn]] void fail(std::string found) const {
    throw error({path_.string(), "a file to read", std::move(found), "check the path and its permissions"});
  }
  [[noreturn]] void fail_closing(int fd, std::string found) const {
    ::close(fd);
    fail(std::move(found));
  }

  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace bert::io

#endif  // BERT_IO_MAPPED_FILE_HPP
