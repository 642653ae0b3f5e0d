#include "bert/labels/bio.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "bert/labels/label_set.hpp"

namespace {

struct entities : bert::labels::bio<"PER", "ORG", "LOC", "MISC"> {};

static_assert(bert::labels::static_label_set<entities>);
static_assert(entities::count == 9 && entities::name(0) == "O" && entities::name(8) == "I-MISC");
static_assert(entities::index<"B-ORG"> == 3 && entities::parse("I-PER") == 2 && !entities::parse("I-per"));
static_assert(not entities::allows<"O", "I-PER">);
static_assert(not entities::allows<"B-ORG", "I-PER">);
static_assert(not entities::allows<"I-ORG", "I-PER">);
static_assert(entities::allows<"B-PER", "I-PER"> && entities::allows<"I-PER", "I-PER">);
static_assert(entities::allows<"I-PER", "B-PER"> && entities::allows<"I-PER", "O"> && entities::allows<"O", "B-LOC">);
static_assert(entities::may_start(0) && entities::may_start(1) && !entities::may_start(2));

TEST_CASE("I-X may follow B-X and I-X alone, and every other tag may follow any") {
  for (int to = 0; to < entities::count; ++to) {
    int allowed = 0;
    for (int from = 0; from < entities::count; ++from) allowed += entities::may_follow(from, to) ? 1 : 0;
    CHECK(allowed == (entities::continues(to) ? 2 : entities::count));
  }
}

}  // namespace

namespace {

TEST_CASE("tags at run time have the names, numbers and types that they have in the compiler") {
  const std::vector<std::string> expected{"O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"};
  for (int tag = 0; tag < entities::count; ++tag) {
    const std::string name(entities::name(tag));
    CHECK(name == expected[static_cast<std::size_t>(tag)]);
    CHECK(entities::parse(name) == tag);
    CHECK(entities::begins(tag) == (name[0] == 'B'));
    CHECK(entities::continues(tag) == (name[0] == 'I'));
    if (tag > 0) CHECK(entities::type_names[static_cast<std::size_t>(entities::type(tag))] == name.substr(2));
  }
  CHECK(!entities::parse("B-per"));
}

}  // namespace
