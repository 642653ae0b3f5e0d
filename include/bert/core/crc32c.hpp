// CRC-32C, the checksum of LevelDB's tables and of TensorFlow's checkpoints and event files.
// Layer: core. Test: tests/unit/core/crc32c_test.cpp
#ifndef BERT_CORE_CRC32C_HPP
#define BERT_CORE_CRC32C_HPP

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

namespace detail {

/// tables[k][b]: the remainder of byte b followed by k zero bytes, by the polynomial 0x1EDC6F41, bits reversed.
inline constexpr auto crc32c_tables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1u) != 0 ? 0x82F63B78u : 0u);
    tables[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t b = 0; b < 256; ++b) tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 255u];
  return tables;
}();

}  // namespace detail

/// The CRC-32C of bytes: of "123456789" it is 0xE3069283. `before` is that of the bytes in front of them. Eight bytes a step.
[[nodiscard]] inline std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0) noexcept {
  static_assert(std::endian::native == std::endian::little);
  const auto& t = detail::crc32c_tables;
  std::uint32_t crc = ~before;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    word ^= crc;
    const auto at = [&](unsigned i) { return static_cast<std::size_t>((word >> (8 * i)) & 255u); };
    crc = t[7][at(0)] ^ t[6][at(1)] ^ t[5][at(2)] ^ t[4][at(3)] ^ t[3][at(4)] ^ t[2][at(5)] ^ t[1][at(6)] ^ t[0][at(7)];
  }
  for (const std::byte b : bytes) crc = (crc >> 8) ^ t[0][(crc ^ static_cast<std::uint32_t>(b)) & 255u];
  return ~crc;
}

/// As such files store it: rotated and shifted, so that the checksum of bytes with a checksum in them is no special case.
[[nodiscard]] constexpr std::uint32_t mask_crc32c(std::uint32_t crc) noexcept { return std::rotr(crc, 15) + 0xA282EAD8u; }
[[nodiscard]] inline std::uint32_t masked_crc32c(std::span<const std::byte> bytes) noexcept {
  return mask_crc32c(crc32c(bytes));
}

}  // namespace bert

#endif  // BERT_CORE_CRC32C_HPP
