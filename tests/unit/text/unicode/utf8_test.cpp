#include "bert/text/unicode/utf8.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace bert::text;
using namespace std::string_literals;

namespace {
std::vector<unsigned> parts(std::string_view s) {  // bytes of each code point; plus 100 for U+FFFD
  std::vector<unsigned> out;
  for (const char *p = s.data(), *end = p + s.size(); p < end;) {
    const auto [code, bytes] = utf8::decode(p, end);
    out.push_back(bytes + (code == utf8::replacement ? 100 : 0));
    p += bytes;
  }
  return out;
}
}  // namespace

TEST_CASE("Every code point survives encoding and decoding") {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    char bytes[4];
    const unsigned n = utf8::encode(c, bytes);
    const auto back = utf8::decode(bytes, bytes + n);
    REQUIRE(back.code == c);
    REQUIRE(back.bytes == n);
  }
}

TEST_CASE("Invalid UTF-8 is replaced as Python replaces it") {
  CHECK(parts("\x80") == std::vector<unsigned>{101});
  CHECK(parts("\xC0\x80") == std::vector<unsigned>{101, 101});
  CHECK(parts("\xE1\xC0\x80") == std::vector<unsigned>{101, 101, 101});
  CHECK(parts("\xE1\x80") == std::vector<unsigned>{102});
  CHECK(parts("\xE1\x80"s + "a") == std::vector<unsigned>{102, 1});
  CHECK(parts("\xED\xA0\x80") == std::vector<unsigned>{101, 101, 101});  // a surrogate
  CHECK(parts("\xF0\x80\x80\x80") == std::vector<unsigned>{101, 101, 101, 101});
  CHECK(parts("\xF4\x90\x80\x80") == std::vector<unsigned>{101, 101, 101, 101});  // beyond U+10FFFF
  CHECK(parts("\xF0\x9F\x98") == std::vector<unsigned>{103});
  CHECK(parts("\xF0\x9F\x98"s + "\xC3\xA9") == std::vector<unsigned>{103, 2});
}

TEST_CASE("A sequence that the text's end cuts is replaced, though the bytes past it would complete it") {
  const std::string_view four = "\xF0\x9F\x98\x80", three = "\xE4\xB8\xAD", two = "\xC3\xA9";
  CHECK(parts(four.substr(0, 3)) == std::vector<unsigned>{103});
  CHECK(parts(four.substr(0, 2)) == std::vector<unsigned>{102});
  CHECK(parts(three.substr(0, 2)) == std::vector<unsigned>{102});
  for (const auto& s : {four, three, two}) CHECK(parts(s.substr(0, 1)) == std::vector<unsigned>{101});
}

TEST_CASE("The first invalid byte is found, and U+FFFD itself is valid") {
  CHECK(utf8::first_invalid("abc") == std::string_view::npos);
  CHECK(utf8::first_invalid("\xEF\xBF\xBD") == std::string_view::npos);
  CHECK(utf8::first_invalid("ab\xFF") == 2);
  CHECK(utf8::first_invalid("\xC3\xA9\xC3") == 2);
  CHECK(utf8::length("a\xC3\xA9\xFF\xF0\x9F\x98\x80") == 4);
}

TEST_CASE("going back one code point ends where going on began, over invalid bytes a byte at a time") {
  const std::string good = "a\u00e9\u4e2d\U0001F600";
  std::vector<std::ptrdiff_t> begins;
  for (const char *begin = good.data(), *p = begin + good.size(); p > begin; begins.push_back(p - begin))
    p = utf8::previous(begin, p);
  CHECK(begins == std::vector<std::ptrdiff_t>{6, 3, 1, 0});
  const std::string bad = "a\x80\x80";
  CHECK(utf8::previous(bad.data(), bad.data() + 3) == bad.data() + 2);
  CHECK(utf8::previous(bad.data(), bad.data() + 2) == bad.data() + 1);
}
