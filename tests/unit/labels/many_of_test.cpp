#include "bert/labels/many_of.hpp"

#include <doctest/doctest.h>

#include "bert/labels/label_set.hpp"

namespace {
struct emotions : bert::labels::many_of<"joy", "anger", "fear"> {};
static_assert(bert::labels::static_label_set<emotions>);
static_assert(emotions::count == 3 && emotions::index<"fear"> == 2);
}  // namespace

TEST_CASE("a set of labels that may apply together has its names numbered in order") {
  CHECK(emotions::name(1) == "anger");
  CHECK(emotions::parse("fear") == 2);
  CHECK(!emotions::parse("Fear"));
}
