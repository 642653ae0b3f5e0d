#include "bert/core/fixed_string.hpp"

#include <doctest/doctest.h>

#include <type_traits>

namespace {

template <bert::fixed_string Name>
struct named {};

static_assert(std::is_same_v<named<"a">, named<"a">>);
static_assert(!std::is_same_v<named<"a">, named<"b">>);
static_assert(bert::fixed_string("urgent") == bert::fixed_string("urgent"));
static_assert(!(bert::fixed_string("urgent") == bert::fixed_string("urgen")));
static_assert(bert::fixed_string("").view().empty());

TEST_CASE("a fixed string is the text of its literal, without the terminating zero") {
  constexpr bert::fixed_string name("soon");
  CHECK(name.view() == "soon");
  CHECK(name.view().size() == 4);
  const std::string_view converted = name;
  CHECK(converted == "soon");
}

}  // namespace
