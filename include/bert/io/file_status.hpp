// What a path or an open file is, and error codes of the operating system as text.
// Layer: io. Test: tests/unit/io/system_test.cpp
#ifndef BERT_IO_FILE_STATUS_HPP
#define BERT_IO_FILE_STATUS_HPP

#include <cstdint>
#include <string>
#include <system_error>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::io {

enum class file_kind : std::uint8_t { regular, folder, pipe, socket, characters, other };

struct file_status {
  file_kind kind = file_kind::other;
  std::uint64_t size = 0;                ///< bytes of a regular file
  std::uint64_t device = 0, number = 0;  ///< two paths name the same file if both are equal

  [[nodiscard]] bool same_file(const file_status& other) const noexcept {
    return device == other.device && number == other.number;
  }
};

/// The kind of a file in words, for messages.
[[nodiscard]] inline std::string kind_of_file(const file_status& file) {
  switch (file.kind) {
    case file_kind::regular: return "a regular file";
    case file_kind::folder: return "a folder";
    case file_kind::pipe: return "a pipe";
    case file_kind::socket: return "a socket";
    default: return "a device";
  }
}

/// Codes of Windows that have no errno are errno values from here on.
inline constexpr int windows_codes = 1'000'000;

/// The message of an errno value.
[[nodiscard]] inline std::string reason(int code) {
  if (code >= windows_codes) return "error " + std::to_string(code - windows_codes) + " of Windows";
  return std::generic_category().message(code);
}

}  // namespace bert::io

#endif  // BERT_IO_FILE_STATUS_HPP
