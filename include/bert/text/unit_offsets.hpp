// Converts byte offsets to offsets in code points or UTF-16 units.
// Layer: text. Test: tests/unit/text/unit_offsets_test.cpp
#ifndef BERT_TEXT_UNIT_OFFSETS_HPP
#define BERT_TEXT_UNIT_OFFSETS_HPP

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/text/encoding.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::text::detail {

/// units(b) = number of units of `Offsets` in the bytes [0, b) of a text.
///
/// Stores one bit per unit at its first byte (a low surrogate at the next byte), and for every 64 bytes the number of units
/// before them. An offset costs one popcount, in any order.
template <class Offsets>
class unit_offsets {
 public:
  /// Whether `text` is all ASCII, so that byte offsets are unit offsets.
  static bool same_as_bytes(std::string_view text) noexcept {
    const char *p = text.data(), *const end = p + text.size();
    while (end - p >= 8 && ascii(p)) p += 8;
    while (p < end && static_cast<unsigned char>(*p) < 0x80) ++p;
    return p == end;
  }

  /// Reads `text`, replacing the text before. Allocates only for a text longer than all before.
  void read(std::string_view text) {
    blocks_.resize(text.size() / block_bytes + 1);
    const char *p = text.data(), *const end = p + text.size();
    const char* begin = p;
    std::size_t before = 0;
    std::uint64_t carried = 0;  // a low surrogate whose byte is the next block's first
    for (block& b : blocks_) {
      const char* const stop = begin + std::min(block_bytes, static_cast<std::size_t>(end - begin));
      b = {carried, before};
      carried = 0;
      while (p < stop) {
        const auto at = static_cast<unsigned>(p - begin);
        if (stop - p >= 8 && ascii(p)) {
          b.units |= std::uint64_t{0xFF} << at;
          p += 8;
          continue;
        }
        b.units |= std::uint64_t{1} << at;
        const unsigned bytes = bytes_of(p, end);
        if (std::is_same_v<Offsets, offsets::utf16> && bytes == 4) {
          if (at == block_bytes - 1) carried = 1;
          else b.units |= std::uint64_t{2} << at;
        }
        p += bytes;
      }
      before += static_cast<std::size_t>(std::popcount(b.units));
      begin = stop;
    }
  }

  /// Pre: `byte` is at most the size of the text.
  [[nodiscard]] std::size_t operator()(std::size_t byte) const noexcept {
    const block& b = blocks_[byte / block_bytes];
    return b.before + static_cast<std::size_t>(std::popcount(b.units & ((std::uint64_t{1} << byte % block_bytes) - 1)));
  }

 private:
  static constexpr std::size_t block_bytes = 64;
  struct block {
    std::uint64_t units = 0;
    std::size_t before = 0;
  };

  static bool ascii(const char* p) noexcept {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    return (word & 0x8080808080808080u) == 0;
  }
  // utf8::decode(p, end).bytes, with a fast path for ASCII and most characters of 3 bytes.
  static unsigned bytes_of(const char* p, const char* end) noexcept {
    const auto byte = [p](int i) { return static_cast<unsigned char>(p[i]); };
    if (byte(0) < 0x80) return 1;
    if (byte(0) > 0xE0 && byte(0) < 0xED && end - p >= 3 && (byte(1) & 0xC0u) == 0x80 && (byte(2) & 0xC0u) == 0x80) return 3;
    return utf8::decode(p, end).bytes;
  }

  std::vector<block> blocks_;
};

/// Converts byte offsets in `text` to units of `Offsets`, in place. Allocates only for a text longer than all before on this
/// thread.
template <class Offsets>
void convert_offsets([[maybe_unused]] std::string_view text, [[maybe_unused]] std::span<text_range> ranges) {
  if constexpr (!std::is_same_v<Offsets, offsets::bytes>) {
    static thread_local unit_offsets<Offsets> units;
    if (ranges.empty() || unit_offsets<Offsets>::same_as_bytes(text)) return;
    units.read(text);
    for (auto& range : ranges) range = {units(range.first), units(range.last)};
  }
}

}  // namespace bert::text::detail

#endif  // BERT_TEXT_UNIT_OFFSETS_HPP
