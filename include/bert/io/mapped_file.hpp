// A file mapped read-only; its pages are read when they are first touched.
// Layer: io. Test: tests/unit/io/mapped_file_test.cpp
#ifndef BERT_IO_MAPPED_FILE_HPP
#define BERT_IO_MAPPED_FILE_HPP

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/file_status.hpp"
#include "bert/io/system.hpp"

namespace bert::inline BERT_ISA::io {

/// Maps a regular file for the object's lifetime. Movable, not copyable; an empty file is an empty span.
///
/// Throws bert::error with path and reason. Refuses a pipe or a device at once, without waiting for its writer. Nothing can
/// check for a program that shortens the file while it is mapped: replace files by renaming (see atomic_file), never by writing
/// into them.
class mapped_file {
 public:
  explicit mapped_file(std::filesystem::path path) : path_(std::move(path)) {
    const system::handle file = system::open_without_waiting(path_);
    if (file == system::none) fail(reason(errno));
    file_status info;
    if (!system::status_of(file, info)) fail_closing(file, reason(errno));
    if (info.kind != file_kind::regular) fail_closing(file, kind_of_file(info) + ", no regular file");
    size_ = static_cast<std::size_t>(info.size);
    if (size_ != 0) {
      data_ = static_cast<const std::byte*>(system::map(file, size_));
      if (data_ == nullptr) fail_closing(file, reason(errno));
    }
    system::close(file);
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
    if (data_ != nullptr) system::unmap(data_, size_);
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  [[nodiscard]] std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  [[noreturn]] void fail(std::string found) const {
    throw_error({path_text(path_), "a file to read", std::move(found), "check the path and its permissions"});
  }
  [[noreturn]] void fail_closing(system::handle file, std::string found) const {
    system::close(file);
    fail(std::move(found));
  }

  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace bert::io

#endif  // BERT_IO_MAPPED_FILE_HPP
