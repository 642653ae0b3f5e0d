#include "bert/text/unicode/properties.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace bert::text;
using reference::google;
using reference::transformers;

namespace {
template <class R>
std::vector<char32_t> decomposed(char32_t c) {
  char32_t out[4];
  const unsigned n = unicode::decompose<R>(c, out);
  return {out, out + n};
}
}  // namespace

static_assert(unicode::table_bytes < 64 * 1024);
static_assert(unicode::kind_of<transformers>(' ') == kind::space);
static_assert(unicode::kind_of<transformers>('$') == kind::punctuation);
static_assert(unicode::kind_of<transformers>(0x4E2D) == kind::cjk);
static_assert(unicode::kind_of<google>(0) == kind::drop);

TEST_CASE("The two references differ in their versions of Unicode and their ranges") {
  CHECK(unicode::kind_of<google>(0x2B820) == kind::cjk);  // extension E, its first 256
  CHECK(unicode::kind_of<transformers>(0x2B820) == kind::letter);
  CHECK(unicode::kind_of<transformers>(0x2B920) == kind::cjk);
  CHECK(unicode::kind_of<google>(0xE000) == kind::letter);  // private use
  CHECK(unicode::kind_of<transformers>(0xE000) == kind::drop);
  CHECK(unicode::kind_of<google>(0x2E44) == kind::punctuation);  // Unicode 9
  CHECK(unicode::kind_of<transformers>(0x2E44) == kind::letter);
  CHECK(unicode::kind_of<google>(0x8D4) == kind::mark);  // Unicode 9
  CHECK(unicode::kind_of<transformers>(0x8D4) == kind::letter);
  CHECK(unicode::kind_of<google>(0x166D) == kind::letter);  // punctuation until Unicode 12
  CHECK(unicode::kind_of<transformers>(0x166D) == kind::punctuation);
}

TEST_CASE("Decompositions are complete, and those newer than the reference are not applied") {
  CHECK(decomposed<transformers>('a') == std::vector<char32_t>{'a'});
  CHECK(decomposed<transformers>(0xE9) == std::vector<char32_t>{'e', 0x301});
  CHECK(decomposed<transformers>(0x1EA5) == std::vector<char32_t>{'a', 0x302, 0x301});
  CHECK(decomposed<transformers>(0xAC00) == std::vector<char32_t>{0x1100, 0x1161});
  CHECK(decomposed<transformers>(0xD7A3) == std::vector<char32_t>{0x1112, 0x1175, 0x11C2});
  CHECK(decomposed<transformers>(0x1F82) == std::vector<char32_t>{0x3B1, 0x313, 0x300, 0x345});
  CHECK(decomposed<transformers>(0x11938) == std::vector<char32_t>{0x11938});
  CHECK(decomposed<google>(0x11938) == std::vector<char32_t>{0x11935, 0x11930});
}

TEST_CASE("Lower case is that of Unicode 17, one character per character") {
  CHECK(unicode::lower('A') == 'a');
  CHECK(unicode::lower('[') == '[');
  CHECK(unicode::lower(0xC9) == 0xE9);
  CHECK(unicode::lower(0x100) == 0x101);
  CHECK(unicode::lower(0x101) == 0x101);
  CHECK(unicode::lower(0x1E9E) == 0xDF);
  CHECK(unicode::lower(0x13A0) == 0xAB70);
  CHECK(unicode::lower(0x16EA0) == 0x16EBB);
  CHECK(unicode::lower<google>(0x16EA0) == 0x16EA0);  // Unicode 17: unassigned for this reference
  CHECK(unicode::lower<google>(0x1C89) == 0x1C89);    // Unicode 16
  CHECK(unicode::lower<google>(0xC9) == 0xE9);
  CHECK(unicode::lower(0x130) == 'i');
}

TEST_CASE("A range contains its ends and what lies between, nothing before the first and after the last") {
  static constexpr unicode::code_range ranges[]{{5, 9}, {20, 20}};
  static_assert(!unicode::contains(ranges, 0) && !unicode::contains(ranges, 4) && unicode::contains(ranges, 5));
  static_assert(unicode::contains(ranges, 9) && !unicode::contains(ranges, 10) && unicode::contains(ranges, 20));
  CHECK_FALSE(unicode::contains(ranges, 21));
}

TEST_CASE("Combining classes begin with the grave accent") {
  CHECK(unicode::combining_class<transformers>(0x2FF) == 0);
  CHECK(unicode::combining_class<transformers>(0x300) == 230);
}

TEST_CASE("Combining classes newer than the reference are 0") {
  CHECK(unicode::combining_class<transformers>(0x301) == 230);
  CHECK(unicode::combining_class<transformers>(0x34F) == 0);
  CHECK(unicode::combining_class<transformers>(0x1DF9) == 0);  // Unicode 10
  CHECK(unicode::combining_class<google>(0x1DF9) == 220);
}
