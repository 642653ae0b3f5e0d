#include "bert/text/unit_offsets.hpp"

#include <doctest/doctest.h>

#include <string>
#include <type_traits>

using namespace bert::text;

namespace {

// The definition: counts one unit after another.
template <class Offsets>
void check_every_boundary(const std::string& text) {
  detail::unit_offsets<Offsets> places;
  places.read("something else, \xC3\xA9, and longer than the block of 64 bytes that the next text may have to fill");
  places.read(text);
  const char *p = text.data(), *const end = p + text.size();
  std::size_t units = 0;
  while (p < end) {
    REQUIRE(places(static_cast<std::size_t>(p - text.data())) == units);
    const auto [code, bytes] = utf8::decode(p, end);
    units += std::is_same_v<Offsets, offsets::utf16> && code > 0xFFFF ? 2 : 1;
    p += bytes;
  }
  CHECK(places(text.size()) == units);
}

}  // namespace

TEST_CASE("Byte offsets convert to code points and UTF-16 units at every alignment of blocks") {
  for (const std::string unit : {"a", "\xC3\xA9", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80", "ab\xE4\xB8\xAD", "\xF0\x9F\x98", "\xFF",
                                 "aaaaaaaa\xC3\xA9", "\xEF\xBF\xBD"})
    for (std::size_t lead = 0; lead < 9; ++lead)
      for (std::size_t times = 0; times < 70; times += 1 + times / 5) {
        std::string text(lead, 'x');
        for (std::size_t i = 0; i < times; ++i) text += unit;
        CAPTURE(text);
        check_every_boundary<offsets::code_points>(text);
        check_every_boundary<offsets::utf16>(text);
      }
}

TEST_CASE("A text is all ASCII unless one byte of it is not") {
  using places = detail::unit_offsets<offsets::code_points>;
  for (std::size_t size = 0; size < 40; ++size) {
    std::string text(size, 'a');
    CHECK(places::same_as_bytes(text));
    for (std::size_t at = 0; at < size; ++at) {
      text[at] = '\x80';
      CHECK_FALSE(places::same_as_bytes(text));
      text[at] = 'a';
    }
  }
}
