#include "bert/text/unicode/spaces.hpp"

#include <doctest/doctest.h>

#include <string_view>

#include "bert/text/unicode/properties.hpp"

using namespace bert::text;

TEST_CASE("white space is Python's: 29 code points, among them U+001C to U+001F, not U+200B and U+FEFF") {
  std::size_t n = 0;
  for (char32_t c = 0; c < 0x110000; ++c) n += unicode::is_white_space(c) ? 1 : 0;
  CHECK(n == 29);
  for (const char32_t c : {0x9, 0xD, 0x1C, 0x1F, 0x20, 0x85, 0xA0, 0x1680, 0x2000, 0x200A, 0x2028, 0x202F, 0x205F, 0x3000})
    CHECK(unicode::is_white_space(c));
  for (const char32_t c : {0x0, 0x8, 0xE, 0x1B, 0x21, 0x180E, 0x200B, 0x2060, 0xFEFF}) CHECK_FALSE(unicode::is_white_space(c));
}

TEST_CASE("white space is stripped from both ends, also of several bytes") {
  CHECK(stripped("") == "");
  CHECK(stripped(" \t\u3000\n") == "");
  CHECK(stripped("\u00A0a b\u2003") == "a b");
  CHECK(stripped("\u200Ba") == "\u200Ba");
  CHECK(stripped("\xE3\x80 a\xE3\x80") == "\xE3\x80 a\xE3\x80");  // not UTF-8: kept
}

TEST_CASE("letters and numbers are those of str.isalnum: numbers of all kinds, no marks") {
  for (const char32_t c : {U'a', U'Z', U'0', U'½', U'²', U'Ⅲ', U'北', U'〇', U'あ', U'한', U'é', U'\U00020000'})
    CHECK(unicode::contains(unicode::alphanumeric, c));
  for (const char32_t c : {U'_', U'€', U'\u0301', U'\u093E', U'·', U'-', U' ', U'\u200D', U'ⓐ'})
    CHECK_FALSE(unicode::contains(unicode::alphanumeric, c));
}
