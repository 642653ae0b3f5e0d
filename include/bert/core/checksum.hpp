// A 64-bit checksum of bytes, at the speed of memory.
// Layer: core. Test: tests/unit/core/checksum_test.cpp
#ifndef BERT_CORE_CHECKSUM_HPP
#define BERT_CORE_CHECKSUM_HPP

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// The checksum of bytes given in any number of pieces. It detects every change within one aligned word of 8 bytes, because
/// each step is a bijection of the word, and any other change with probability 1 - 2^-64. It guards against accidents, not
/// against forgery.
///
///     checksum sum;
///     sum.add(bytes);
///     sum.text();   // "0123456789abcdef"
class checksum {
 public:
  void add(std::span<const std::byte> bytes) noexcept {
    length_ += bytes.size();
    if (held_ != 0) {
      const std::size_t take = std::min(bytes.size(), block - held_);
      if (take != 0) std::memcpy(held_bytes_.data() + held_, bytes.data(), take);
      held_ += take;
      bytes = bytes.subspan(take);
      if (held_ < block) return;
      mix(held_bytes_.data());
      held_ = 0;
    }
    for (; bytes.size() >= block; bytes = bytes.subspan(block)) mix(bytes.data());
    if (!bytes.empty()) std::memcpy(held_bytes_.data(), bytes.data(), held_ = bytes.size());
  }
  void add(std::string_view text) noexcept { add(std::as_bytes(std::span<const char>(text.data(), text.size()))); }

  [[nodiscard]] std::uint64_t value() const noexcept {
    checksum whole = *this;
    if (held_ != 0) {
      std::fill(whole.held_bytes_.begin() + static_cast<std::ptrdiff_t>(held_), whole.held_bytes_.end(), std::byte{0});
      whole.mix(whole.held_bytes_.data());
    }
    std::uint64_t h = length_;
    for (const std::uint64_t lane : whole.lanes_) {
      h ^= lane;
      for (int round = 0; round < 2; ++round) h = (h ^ h >> 32) * factor;
    }
    return h;
  }
  /// `value()` as 16 hexadecimal digits.
  [[nodiscard]] std::string text() const {
    std::string digits;
    for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[value() >> shift & 15u];
    return digits;
  }

 private:
  static constexpr std::size_t block = 32;                      // four lanes hide the latency of the multiplication
  static constexpr std::uint64_t factor = 0x9E3779B97F4A7C15u;  // odd, hence a bijection

  void mix(const std::byte* bytes) noexcept {
    for (std::size_t i = 0; i < 4; ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes + 8 * i, sizeof word);
      word ^= lanes_[i];
      word ^= word >> 32;  // carries go upward only: without this shift, flipping the highest bit would flip one bit alone
      lanes_[i] = std::rotl(word * factor, 29);
    }
  }

  std::array<std::uint64_t, 4> lanes_{1, 2, 3, 4};
  std::array<std::byte, block> held_bytes_{};
  std::size_t held_ = 0;
  std::uint64_t length_ = 0;
};

/// `checksum` of one text.
[[nodiscard]] inline std::string checksum_of(std::string_view text) {
  checksum sum;
  sum.add(text);
  return sum.text();
}

}  // namespace bert

#endif  // BERT_CORE_CHECKSUM_HPP
