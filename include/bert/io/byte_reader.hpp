// Reads numbers of binary formats from bytes, never beyond their end.
// Layer: io. Test: tests/unit/io/byte_reader_test.cpp
#ifndef BERT_IO_BYTE_READER_HPP
#define BERT_IO_BYTE_READER_HPP

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::io {

namespace detail {
inline constexpr const char* damaged = "the file is damaged; fetch or write it again";
}  // namespace detail

[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A position in bytes. Every function throws bert::error naming `where` and the position if fewer bytes are left than it
/// takes. Owns neither the bytes nor `where`.
class byte_reader {
 public:
  byte_reader(std::span<const std::byte> bytes, const std::string& where) noexcept : bytes_(bytes), where_(&where) {}

  [[nodiscard]] std::size_t at() const noexcept { return at_; }
  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() - at_; }
  [[nodiscard]] bool done() const noexcept { return left() == 0; }

  std::span<const std::byte> take(std::uint64_t n) {
    if (n > left())
      throw_error({cat(*where_, ", byte ", at_), cat(n, n == 1 ? " byte more" : " bytes more"),
                   left() == 0 ? std::string("the end") : cat(left(), " left"), detail::damaged});
    const auto taken = bytes_.subspan(at_, static_cast<std::size_t>(n));
    at_ += static_cast<std::size_t>(n);
    return taken;
  }
  /// A number stored with its least byte first.
  template <std::integral T>
  T little() {
    static_assert(std::endian::native == std::endian::little);
    T value{};
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::uint8_t byte() { return little<std::uint8_t>(); }
  /// A base-128 varint, seven bits a byte, the least first. Throws for one beyond 64 bits.
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const std::uint8_t b = byte();
      if (shift == 63 && b > 1)
        throw_error({cat(*where_, ", byte ", at_ - 1), "a number of at most 64 bits", "more", detail::damaged});
      value |= static_cast<std::uint64_t>(b & 127u) << shift;
      if (b < 128) return value;
    }
  }
  /// The text up to a line feed, which is taken and not returned.
  std::string_view line() {
    const std::string_view rest = as_text(bytes_.subspan(at_));
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) throw_error({cat(*where_, ", byte ", at_), "a line", "no end of it", detail::damaged});
    at_ += end + 1;
    return rest.substr(0, end);
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string* where_;
  std::size_t at_ = 0;
};

}  // namespace bert::io

#endif  // BERT_IO_BYTE_READER_HPP
