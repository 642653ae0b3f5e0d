#include "bert/data/many_set.hpp"

#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "bert/data/class_weights.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/labels/many_of.hpp"
#include "support/toy_tokenizer.hpp"

namespace {
struct emotions : bert::labels::many_of<"joy", "anger", "fear"> {};
const toy::tokenizer tokenizer;

auto three_texts() {
  bert::data::many_set_builder<emotions, toy::tokenizer> notes(tokenizer, {}, 16);
  notes.add("i laughed", {}, {emotions::index<"joy">});
  notes.add("i laughed", "and cried", {emotions::index<"joy">, emotions::index<"fear">});
  notes.add("nothing", {}, {});
  return std::move(notes).build();
}
}  // namespace

TEST_CASE("a batch of texts with several labels has a 1 or 0 for each label of each text") {
  const auto set = three_texts();
  static_assert(std::same_as<decltype(set.batches(2))::targets, bert::target_list<bert::target::many, bert::target::value>>);
  const auto batches = set.batches(3, {.order = bert::data::order::sequential});
  bert::training_batch batch;
  batches.load(0, batch);
  CHECK(batch.width == 3);
  CHECK(batch.values == std::vector<float>{1, 0, 0, 1, 0, 1, 0, 0, 0});
  CHECK(batch.labels.empty());
  CHECK(batch.tokens[1].size() == 8);
  CHECK(set.applies(1)[2] == 1);
  CHECK(set.names().size() == 3);
  const auto [first, rest] = set.split(0.67f, {.seed = 1});
  CHECK(first.size() == 2);
  CHECK(rest.size() == 1);
}

TEST_CASE("a label that the set does not have is an error, and nothing is added") {
  bert::data::many_set_builder<bert::labels::dynamic_set, toy::tokenizer> notes(tokenizer, {"a", "b"}, 16);
  CHECK_THROWS_WITH_AS(notes.add("x", {}, {0, 2}), doctest::Contains("labels of 0 to 1, found 2"), bert::error);
  CHECK(notes.size() == 0);
}

TEST_CASE("the fingerprint of such a set tells its labels") {
  bert::data::many_set_builder<emotions, toy::tokenizer> a(tokenizer, {}, 16), b(tokenizer, {}, 16);
  a.add("x", {}, {0});
  b.add("x", {}, {1});
  CHECK(std::move(a).build().batches(1).fingerprint() != std::move(b).build().batches(1).fingerprint());
}

TEST_CASE("labels of several are counted where they apply, and weighed by how often they do not") {
  const auto set = three_texts();
  CHECK(bert::data::class_counts(set) == std::vector<std::uint64_t>{2, 0, 1});
  CHECK(bert::data::positive_weights(set) == std::vector<float>{0.5f, 1.0f, 2.0f});
}
