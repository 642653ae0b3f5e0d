#include "bert/core/checksum.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

TEST_CASE("the checksum depends on the bytes, not on the pieces in which they were added") {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
  const std::string whole = bert::checksum_of(text);
  CHECK(whole.size() == 16);
  for (const std::size_t part : {1u, 3u, 31u, 32u, 33u, 100u, 299u}) {
    bert::checksum sum;
    for (std::size_t i = 0; i < text.size(); i += part) sum.add(std::string_view(text).substr(i, part));
    CHECK(sum.text() == whole);
  }
}

TEST_CASE("every single bit, every length and every order of words changes the checksum") {
  for (const std::size_t length : {1u, 8u, 31u, 32u, 64u, 77u}) {
    const std::string text(length, 'x');
    std::set<std::string> seen{bert::checksum_of(text)};
    for (std::size_t bit = 0; bit < 8 * length; ++bit) {
      std::string other = text;
      other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << bit % 8));
      seen.insert(bert::checksum_of(other));
    }
    CHECK(seen.size() == 8 * length + 1);
  }
  std::set<std::string> seen;
  for (std::size_t length = 0; length < 100; ++length) seen.insert(bert::checksum_of(std::string(length, '\0')));
  CHECK(seen.size() == 100);
  CHECK(bert::checksum_of(std::string(32, 'a') + std::string(32, 'b')) !=
        bert::checksum_of(std::string(32, 'b') + std::string(32, 'a')));
  CHECK(bert::checksum_of("abcdefghABCDEFGH") != bert::checksum_of("ABCDEFGHabcdefgh"));
}

TEST_CASE("the checksum of a text is the same on every machine and in every version") {
  CHECK(bert::checksum_of("") == "bf01c2b8ef078bb2");
  CHECK(bert::checksum_of("The cat sat on the mat. The cat sat on the mat.") == "66bb3b44d544cbf3");
}
