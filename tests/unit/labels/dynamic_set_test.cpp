#include "bert/labels/dynamic_set.hpp"

#include <doctest/doctest.h>

#include "bert/labels/label_set.hpp"

namespace {

using bert::labels::dynamic_set;

static_assert(bert::labels::label_set<dynamic_set> && !bert::labels::static_label_set<dynamic_set>);
static_assert(!bert::labels::label_set<bert::labels::number>);

TEST_CASE("a dynamic set numbers its names in the given order and finds them again") {
  const dynamic_set set{"b", "a", "c"};
  CHECK(set.size() == 3);
  CHECK(set.name(1) == "a");
  CHECK(set.parse("c") == 2);
  CHECK_FALSE(set.parse("d").has_value());
  CHECK(set == dynamic_set{"b", "a", "c"});
  CHECK_FALSE(set == dynamic_set{"a", "b", "c"});
}

TEST_CASE("an empty dynamic set, an empty name and a name given twice are errors") {
  CHECK_THROWS_AS(dynamic_set(std::vector<std::string>{}), bert::error);
  CHECK_THROWS_AS((dynamic_set{"a", ""}), bert::error);
  CHECK_THROWS_WITH_AS((dynamic_set{"a", "b", "a"}),
                       "bert::labels::dynamic_set: expected names that all differ, found \"a\" twice; name each class once",
                       bert::error);
}

TEST_CASE("a message lists the first twelve names of a longer set") {
  std::vector<std::string> names;
  for (int i = 0; i < 13; ++i) names.push_back(std::to_string(i));
  const std::string text = bert::labels::listed(dynamic_set(names));
  CHECK(text.starts_with(R"("0", "1")"));
  CHECK(text.ends_with(R"("11", …)"));
}

}  // namespace
