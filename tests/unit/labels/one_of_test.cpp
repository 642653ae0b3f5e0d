#include "bert/labels/one_of.hpp"

#include <doctest/doctest.h>

#include "bert/labels/label_set.hpp"

namespace {

struct urgency : bert::labels::one_of<"routine", "soon", "urgent"> {};

static_assert(bert::labels::static_label_set<urgency>);
static_assert(urgency::count == 3);
static_assert(urgency::index<"routine"> == 0 && urgency::index<"urgent"> == 2);
static_assert(urgency::name(1) == "soon");
static_assert(urgency::parse("urgent") == 2);
static_assert(!urgency::parse("Urgent") && !urgency::parse(""));

TEST_CASE("one_of numbers its names in the order they are written") {
  for (int i = 0; i < urgency::count; ++i) CHECK(urgency::parse(urgency::name(i)) == i);
  CHECK_FALSE(urgency::parse("urgnet").has_value());
  CHECK(bert::labels::listed(urgency{}) == R"("routine", "soon", "urgent")");
}

}  // namespace
