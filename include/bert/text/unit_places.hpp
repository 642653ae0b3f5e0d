// Places in bytes told in code points or UTF-16 units.
// Layer: text. Test: tests/unit/text/unit_places_test.cpp
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/text/encoding.hpp"
#include "bert/text/utf8.hpp"

namespace bert::inline BERT_ISA::text::detail {

/// units(b) = how many units of `Offsets` the bytes [0, b) of a text are.
///
/// A bit for every unit, at the byte where it begins (the second half of a surrogate pair at the byte after that), and for every 64
/// bytes the number of units before them: places may be asked for in any order, and each costs a count of bits.
template <class Offsets>
class unit_places {
 public:
  /// Whether `text` is all ASCII: then a place in bytes is one in units.
  static bool same_as_bytes(std::string_view text) noexcept {
    const char *p = text.data(), *const end = p + text.size();
    while (end - p >= 8 && ascii(p)) p += 8;
    while (p < end && static_cast<unsigned char>(*p) < 0x80) ++p;
    return p == end;
  }

  /// Reads `text`, in place of what was read before. Allocates only while the longest text grows.
  void read(std::string_view text) {
    blocks_.assign(text.size() / 64 + 2, {});  // a unit's bits may run over into a block of which no byte is
    const char *const begin = text.data(), *const end = begin + text.size();
    for (const char* p = begin; p < end;) {
      const auto at = static_cast<std::size_t>(p - begin);
      if (end - p >= 8 && ascii(p)) {
        mark(at, 0xFF);
        p += 8;
        continue;
      }
      const auto [code, bytes] = utf8::decode(p, end);
      mark(at, std::is_same_v<Offsets, offsets::utf16> && code > 0xFFFF ? 3 : 1);
      p += bytes;
    }
    std::size_t before = 0;
    for (block& b : blocks_) {
      b.before = before;
      before += static_cast<std::size_t>(std::popcount(b.units));
    }
  }

  /// `byte` is at most the size of the text that was read.
  [[nodiscard]] std::size_t operator()(std::size_t byte) const noexcept {
    const block& b = blocks_[byte / 64];
    return b.before + static_cast<std::size_t>(std::popcount(b.units & ((std::uint64_t{1} << byte % 64) - 1)));
  }

 private:
  struct block {
    std::uint64_t units = 0;
    std::size_t before = 0;
  };

  static bool ascii(const char* p) noexcept {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    return (word & 0x8080808080808080u) == 0;
  }
  void mark(std::size_t at, std::uint64_t bits) noexcept {
    blocks_[at / 64].units |= bits << at % 64;
    if (at % 64 > 56) blocks_[at / 64 + 1].units |= bits >> (64 - at % 64);
  }

  std::vector<block> blocks_;
};

}  // namespace bert::text::detail
