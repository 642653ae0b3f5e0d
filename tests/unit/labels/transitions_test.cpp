#include "bert/labels/transitions.hpp"

#include <doctest/doctest.h>

#include <array>
#include <initializer_list>
#include <string>
#include <vector>

#include "bert/labels/bio.hpp"
#include "bert/labels/bioes.hpp"
#include "bert/labels/bmes.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/labels/one_of.hpp"

namespace {

using bert::labels::dynamic_set, bert::labels::scheme, bert::labels::transition_table;

struct plain : bert::labels::bio<"PER", "A-B"> {};
struct with_ends : bert::labels::bioes<"PER", "A-B"> {};
struct chinese : bert::labels::bmes<"PER", "A-B"> {};
struct segments : bert::labels::one_of<"B", "M", "E", "S"> {};
struct clothes : bert::labels::one_of<"S", "M", "L"> {};

/// One that says itself what it allows: alternation.
struct taking_turns : bert::labels::one_of<"tick", "tock"> {
  static constexpr bool may_start(int tag) { return tag == 0; }
  static constexpr bool may_end(int tag) { return tag == 1; }
  static constexpr bool may_follow(int from, int to) { return from != to; }
};

template <class L>
dynamic_set names_of(const L& set) {
  std::vector<std::string> names;
  for (int i = 0; i < set.size(); ++i) names.emplace_back(set.name(i));
  return dynamic_set(names);
}

template <class L>
std::vector<std::int32_t> numbers(const L& set, std::initializer_list<const char*> tags) {
  std::vector<std::int32_t> out;
  for (const char* tag : tags) out.push_back(set.parse(tag).value_or(-1));
  return out;
}

}  // namespace

TEST_CASE("names known at run time have the transitions of the same names in a type, in any order of the names") {
  const auto check = [](const auto& set) {
    const transition_table a(set), b(names_of(set));
    CHECK(std::equal(a.allowed().begin(), a.allowed().end(), b.allowed().begin(), b.allowed().end()));
    std::vector<std::string> reversed;
    for (int i = set.size(); i-- > 0;) reversed.emplace_back(set.name(i));
    const transition_table c(dynamic_set{reversed});
    const int last = set.size() - 1;
    for (int i = 0; i <= last; ++i) {
      CHECK(a.may_start(i) == c.may_start(last - i));
      CHECK(a.may_end(i) == c.may_end(last - i));
      for (int j = 0; j <= last; ++j) CHECK(a.may_follow(i, j) == c.may_follow(last - i, last - j));
    }
  };
  check(plain{});
  check(with_ends{});
  check(chinese{});
}

TEST_CASE("the scheme is found by the letters of all names") {
  using bert::labels::scheme_of;
  CHECK(scheme_of(plain{}) == scheme::bio);
  CHECK(scheme_of(with_ends{}) == scheme::bioes);
  CHECK(scheme_of(chinese{}) == scheme::bioes);
  CHECK(scheme_of(segments{}) == scheme::bioes);
  CHECK(scheme_of(dynamic_set{"O", "B-X", "I-X", "L-X", "U-X"}) == scheme::bioes);
  CHECK(scheme_of(dynamic_set{"O", "U-X"}) == scheme::bioes);
  CHECK(scheme_of(dynamic_set{"O", "B-X"}) == scheme::bio);
  CHECK_FALSE(scheme_of(dynamic_set{"O", "I-X"}));                       // IOB1
  CHECK_FALSE(scheme_of(dynamic_set{"O", "I-X", "B-X", "I-Y"}));         // IOB1: B-Y never divides two
  CHECK_FALSE(scheme_of(dynamic_set{"O", "B-X", "E-X", "S-X", "I-Y"}));  // I-Y lacks what begins and ends it
  CHECK_FALSE(scheme_of(dynamic_set{"NOUN", "VERB"}));
  CHECK_FALSE(scheme_of(dynamic_set{"O", "B-X", "I-X", "other"}));
  CHECK_FALSE(scheme_of(clothes{}));
  CHECK_FALSE(scheme_of(dynamic_set{"O", "other"}));
}

TEST_CASE("sets of no scheme, and any set without constraints, allow everything; a set's own rules come first") {
  const transition_table words(clothes{}), none(plain{}, bert::labels::unconstrained{}), turns(taking_turns{});
  for (const float allowed : words.allowed()) CHECK(allowed == 1.0f);
  for (const float allowed : none.allowed()) CHECK(allowed == 1.0f);
  CHECK(none.tags() == 5);
  CHECK(turns.may_start(0));
  CHECK_FALSE(turns.may_start(1));
  CHECK_FALSE(turns.may_end(0));
  CHECK(turns.may_follow(0, 1));
  CHECK_FALSE(turns.may_follow(1, 1));
}

TEST_CASE("the first fault of a sentence is the word that may not stand there") {
  const transition_table bio(plain{}), ends(with_ends{});
  const auto of = [](const auto& table, const auto& set, std::initializer_list<const char*> tags) {
    return table.first_fault(numbers(set, tags));
  };
  CHECK(of(bio, plain{}, {"O", "B-PER", "I-PER", "O"}) == 4);
  CHECK(of(bio, plain{}, {"I-PER", "O"}) == 0);
  CHECK(of(bio, plain{}, {"O", "B-A-B", "I-PER"}) == 2);
  CHECK(of(bio, plain{}, {}) == 0);
  CHECK(of(ends, with_ends{}, {"S-PER", "B-PER", "E-PER"}) == 3);
  CHECK(of(ends, with_ends{}, {"S-PER", "B-PER", "I-PER"}) == 2);
  CHECK(of(ends, with_ends{}, {"B-PER", "O"}) == 1);
}

TEST_CASE("respelled tags are in the scheme of their set and keep their entities") {
  const auto check = [](const auto& set, std::initializer_list<const char*> from, std::initializer_list<const char*> to) {
    auto tags = numbers(set, from);
    bert::labels::respell(set, tags);
    CHECK(tags == numbers(set, to));
    CHECK(transition_table(set).first_fault(tags) == tags.size());
  };
  check(plain{}, {"I-PER", "I-PER", "B-PER", "O", "I-A-B", "I-PER"}, {"B-PER", "I-PER", "B-PER", "O", "B-A-B", "B-PER"});
  check(plain{}, {"O", "B-PER", "I-PER", "B-PER", "I-PER"}, {"O", "B-PER", "I-PER", "B-PER", "I-PER"});
  check(with_ends{}, {"B-PER", "O", "I-PER", "I-PER", "I-A-B", "E-A-B"}, {"S-PER", "O", "B-PER", "E-PER", "B-A-B", "E-A-B"});
  check(chinese{}, {"B-PER", "M-PER", "M-PER"}, {"B-PER", "M-PER", "E-PER"});
  check(segments{}, {"B", "M", "B", "E", "M"}, {"B", "E", "B", "E", "S"});
  std::vector<std::int32_t> some{-1, 2, -1}, speech{1, 0};
  bert::labels::respell(plain{}, some);
  CHECK(some == std::vector<std::int32_t>{-1, 1, -1});
  bert::labels::respell(dynamic_set{"NOUN", "VERB"}, speech);
  CHECK(speech == std::vector<std::int32_t>{1, 0});
}
