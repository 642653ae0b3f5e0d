#include "bert/text/unicode/spaces.hpp"

#include <doctest/doctest.h>

#include <string_view>

#include "bert/text/unicode/properties.hpp"

using namespace bert::text;

TEST_CASE("white space is Python's: 29 code points, among them U+001C to U+001F, not U+200B and U+FEFF") {
  std::size_t n = 0;
  for (char32_t c = 0; c < 0x110000; ++c) n += unicode::is_white_space(c) ? 1 : 0;
  CHECK(n == 29);
  for (const char32_t c :
       {0x9u, 0xDu, 0x1Cu, 0x1Fu, 0x20u, 0x85u, 0xA0u, 0x1680u, 0x2000u, 0x200Au, 0x2028u, 0x202Fu, 0x205Fu, 0x3000u})
    CHECK(unicode::is_white_space(c));
  for (const char32_t c : {0x0u, 0x8u, 0xEu, 0x1Bu, 0x21u, 0x180Eu, 0x200Bu, 0x2060u, 0xFEFFu})
    CHECK_FALSE(unicode::is_white_space(c));
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
