// CRC-32C against its published values and bit-by-bit division.
// Layer: tests.
#include "bert/core/crc32c.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <span>
#include <string>

namespace {

std::uint32_t crc(const std::string& text, std::uint32_t before = 0) {
  return bert::crc32c(std::as_bytes(std::span(text)), before);
}

/// By the definition: the polynomial 0x1EDC6F41 with its bits reversed.
std::uint32_t plain(const std::string& text) {
  std::uint32_t sum = ~0u;
  for (const char c : text) {
    sum ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1u) != 0 ? 0x82F63B78u : 0u);
  }
  return ~sum;
}

}  // namespace

TEST_CASE("the checksums of RFC 3720 are what CRC-32C gives") {
  CHECK(crc("123456789") == 0xE3069283u);
  CHECK(crc(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(crc(std::string(32, '\xff')) == 0x62A8AB43u);
  std::string rising, falling;
  for (char i = 0; i < 32; ++i) rising += i, falling += static_cast<char>(31 - i);
  CHECK(crc(rising) == 0x46DD794Eu);
  CHECK(crc(falling) == 0x113FDB5Cu);
  CHECK(crc("") == 0u);
}

TEST_CASE("bytes in pieces of any length have the checksum of the whole") {
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>(i * 37 + 11);
  for (std::size_t n = 0; n <= text.size(); ++n) {
    CHECK(crc(text.substr(0, n)) == plain(text.substr(0, n)));
    CHECK(crc(text.substr(n), crc(text.substr(0, n))) == plain(text));
  }
}

TEST_CASE("a stored checksum is rotated by 15 bits and shifted") {
  CHECK(bert::mask_crc32c(0) == 0xA282EAD8u);
  CHECK(bert::mask_crc32c(1) == 0x00020000u + 0xA282EAD8u);
  CHECK(bert::mask_crc32c(0x8000u) == 1u + 0xA282EAD8u);
}
