#include "bert/text/unicode/ascii.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cctype>

using namespace bert::text;

TEST_CASE("Every byte is classified in every position as by the C library") {
  std::array<char, ascii::block_bytes> bytes;
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(first + i * 7);
    const auto classes = ascii::classify(bytes.data());
    for (unsigned i = 0; i < bytes.size(); ++i) {
      const auto c = static_cast<unsigned char>(bytes[i]);
      const bool word = c < 0x80 && std::isalnum(c) != 0, space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
      const bool punctuation = c < 0x80 && std::ispunct(c) != 0;
      REQUIRE((classes.words >> i & 1u) == word);
      REQUIRE((classes.spaces >> i & 1u) == space);
      REQUIRE((classes.others >> i & 1u) == !(word || space || punctuation));
    }
  }
}

TEST_CASE("Lower case of eight bytes changes A to Z and nothing else") {
  for (unsigned c = 0; c < 128; ++c) {
    const std::uint64_t ones = 0x0101010101010101u;
    CHECK(ascii::lower(ones * c) == ones * static_cast<unsigned>(std::tolower(static_cast<int>(c))));
  }
  CHECK(ascii::first_bytes(0x1122334455667788u, 3) == 0x667788u);
  CHECK(ascii::first_bytes(0x1122334455667788u, 8) == 0x1122334455667788u);
  CHECK(ascii::first_bytes(0x1122334455667788u, 0) == 0);
}
