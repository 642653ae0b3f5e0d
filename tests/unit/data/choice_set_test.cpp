#include "bert/data/choice_set.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string_view>
#include <vector>

#include "support/toy_tokenizer.hpp"

namespace {
using namespace std::string_view_literals;
const toy::tokenizer tokenizer;

auto two_questions() {
  bert::data::choice_set_builder<toy::tokenizer> notes(tokenizer, 16);
  notes.add("why", std::array{"rain"sv, "the sun"sv}, 1);
  notes.add("how many", std::vector<std::string_view>{"one", "two", "three"}, 0);
  return std::move(notes).build();
}
}  // namespace

TEST_CASE("an example of choices is a group of pairs, one of them labeled 1") {
  const auto set = two_questions();
  static_assert(std::same_as<decltype(set.batches(2))::targets, bert::target_list<bert::target::choice>>);
  CHECK(set.size() == 2);
  CHECK(set.answer(0) == 1);
  CHECK(set.answer(1) == 0);
  CHECK(set.choices_of(1) == 3);
  bert::training_batch batch;
  set.batches(2, {.order = bert::data::order::sequential}).load(0, batch);
  CHECK(batch.groups == std::vector<std::size_t>{0, 2, 5});
  CHECK(batch.labels == std::vector<std::int32_t>{0, 1, 1, 0, 0});
  CHECK(batch.tokens[1].size() == 6);  // [CLS] why [SEP] the sun [SEP]
  CHECK(batch.tokens.segments(1)[3] == 1);
  CHECK(batch.examples() == 2);
}

TEST_CASE("fewer than two choices, an empty one, and an answer out of range are errors") {
  bert::data::choice_set_builder<toy::tokenizer> notes(tokenizer, 16);
  CHECK_THROWS_WITH_AS(notes.add("x", std::array{"a"sv}, 0), doctest::Contains("found 1 choices, answer 0"), bert::error);
  CHECK_THROWS_WITH_AS(notes.add("x", std::array{"a"sv, "b"sv}, 2), doctest::Contains("found 2 choices, answer 2"),
                       bert::error);
  CHECK_THROWS_WITH_AS(notes.add("x", std::array{"a"sv, ""sv}, 0), doctest::Contains("found an empty one"), bert::error);
  CHECK(notes.size() == 0);
}

TEST_CASE("the fingerprint of choices tells texts and answers") {
  const auto facts = [](std::size_t answer) {
    bert::data::choice_set_builder<toy::tokenizer> notes(tokenizer, 16);
    notes.add("x", std::array{"a"sv, "b"sv}, answer);
    return std::move(notes).build().batches(1).fingerprint();
  };
  CHECK(facts(0) == facts(0));
  CHECK(facts(0) != facts(1));
}
