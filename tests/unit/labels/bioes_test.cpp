#include "bert/labels/bioes.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bert/labels/bmes.hpp"
#include "bert/labels/label_set.hpp"

namespace {

struct entities : bert::labels::bioes<"PER", "ORG"> {};
struct chinese : bert::labels::bmes<"NAME", "ORG"> {};

static_assert(bert::labels::static_label_set<entities> && bert::labels::static_label_set<chinese>);
static_assert(entities::count == 9 && entities::name(0) == "O" && entities::name(8) == "S-ORG");
static_assert(entities::index<"E-PER"> == 3 && entities::parse("B-ORG") == 5 && !entities::parse("M-PER"));
static_assert(chinese::index<"M-ORG"> == 6 && !chinese::parse("I-ORG") && chinese::type_names[1] == "ORG");
static_assert(entities::allows<"B-PER", "E-PER"> && entities::allows<"B-PER", "I-PER"> && entities::allows<"I-PER", "E-PER">);
static_assert(not entities::allows<"B-PER", "O"> && not entities::allows<"I-PER", "B-PER"> &&
              not entities::allows<"B-PER", "E-ORG">);
static_assert(entities::allows<"E-PER", "B-PER"> && entities::allows<"S-PER", "S-ORG"> && entities::allows<"O", "O">);
static_assert(not entities::allows<"E-PER", "I-PER"> && not entities::allows<"O", "E-ORG">);
static_assert(chinese::allows<"M-NAME", "M-NAME"> && not chinese::allows<"M-NAME", "S-NAME">);

}  // namespace

TEST_CASE("tags with ends have the names, numbers and types of their list") {
  const std::vector<std::string> expected{"O", "B-PER", "I-PER", "E-PER", "S-PER", "B-ORG", "I-ORG", "E-ORG", "S-ORG"};
  for (int tag = 0; tag < entities::count; ++tag) {
    const std::string& name = expected[static_cast<std::size_t>(tag)];
    CHECK(entities::name(tag) == name);
    CHECK(entities::parse(name) == tag);
    CHECK(entities::begins(tag) == (name[0] == 'B' || name[0] == 'S'));
    CHECK(entities::continues(tag) == (name[0] == 'I' || name[0] == 'E'));
    CHECK(entities::ends(tag) == (name[0] == 'E' || name[0] == 'S'));
    if (tag > 0) CHECK(entities::type_names[static_cast<std::size_t>(entities::type(tag))] == name.substr(2));
    CHECK(entities::may_start(tag) == (name[0] == 'O' || name[0] == 'B' || name[0] == 'S'));
    CHECK(entities::may_end(tag) == (name[0] == 'O' || name[0] == 'E' || name[0] == 'S'));
    const std::string middle = name[0] == 'I' ? "M" + name.substr(1) : name;
    if (name.ends_with("ORG") || tag == 0) CHECK(chinese::name(tag) == middle);
  }
}

TEST_CASE("an open entity is followed by its own next tags alone, anything else by whatever begins or is outside") {
  for (int from = 0; from < entities::count; ++from) {
    int allowed = 0;
    for (int to = 0; to < entities::count; ++to) allowed += entities::may_follow(from, to) ? 1 : 0;
    const bool open = entities::name(from)[0] == 'B' || entities::name(from)[0] == 'I';
    CHECK(allowed == (open ? 2 : 1 + 2 * entities::types));
  }
}
