// An array that grows in an unlinked temporary file and is then mapped read-only.
// Layer: data. Test: tests/unit/data/scratch_array_test.cpp
#ifndef BERT_DATA_SCRATCH_ARRAY_HPP
#define BERT_DATA_SCRATCH_ARRAY_HPP

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/file_status.hpp"
#include "bert/io/system.hpp"

namespace bert::inline BERT_ISA::data {

/// `append`, then `seal` once, then `items`. Holds 256 KiB until sealed, then only mapped pages.
///
/// The file has no name, so nothing remains however the program ends. Throws bert::error if the folder cannot be written to or
/// is full.
template <class T>
class scratch_array {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit scratch_array(std::filesystem::path folder) : folder_(std::move(folder)) {
    file_ = io::system::create_scratch(folder_);
    if (file_ == io::system::none) fail("a folder to write to");
    pending_.reserve(block);
  }
  scratch_array(scratch_array&& other) noexcept
      : folder_(std::move(other.folder_)),
        file_(std::exchange(other.file_, io::system::none)),
        pending_(std::move(other.pending_)),
        size_(other.size_),
        data_(std::exchange(other.data_, nullptr)) {}
  scratch_array& operator=(scratch_array&&) = delete;
  ~scratch_array() {
    if (data_ != nullptr) io::system::unmap(data_, size_ * sizeof(T));
    if (file_ != io::system::none) io::system::close(file_);
  }

  void append(const T& item) {
    pending_.push_back(item);
    ++size_;
    if (pending_.size() == block) flush();
  }

  /// Ends writing and maps the file.
  void seal() {
    flush();
    pending_ = {};
    if (size_ == 0) return;
    data_ = static_cast<const T*>(io::system::map(file_, size_ * sizeof(T)));
    if (data_ == nullptr) fail("memory to map a temporary file");
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Empty before `seal`.
  [[nodiscard]] std::span<const T> items() const noexcept { return {data_, data_ == nullptr ? 0 : size_}; }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return data_[i]; }

 private:
  static constexpr std::size_t block = (std::size_t{1} << 18) / sizeof(T);

  void flush() {
    const auto* from = reinterpret_cast<const char*>(pending_.data());
    for (std::size_t left = pending_.size() * sizeof(T); left > 0;) {
      const std::ptrdiff_t written = io::system::write(file_, from, left);
      if (written <= 0) fail(cat("space for a temporary file of more than ", size_ * sizeof(T) >> 20, " MiB"));
      from += written;
      left -= static_cast<std::size_t>(written);
    }
    pending_.clear();
  }

  [[noreturn]] void fail(std::string expected) {
    throw_error({path_text(folder_), std::move(expected), io::reason(errno), "name another folder as .scratch, or set TMPDIR"});
  }

  std::filesystem::path folder_;
  io::system::handle file_ = io::system::none;
  std::vector<T> pending_;
  std::size_t size_ = 0;
  const T* data_ = nullptr;
};

}  // namespace bert::data

#endif  // BERT_DATA_SCRATCH_ARRAY_HPP
