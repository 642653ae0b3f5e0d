// Layer: tests. Of: include/bert/data/pairs.hpp
#include "bert/data/pairs.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "support/temporary_file.hpp"
#include "support/toy_tokenizer.hpp"

namespace {

using namespace bert::data;  // NOLINT
const toy::tokenizer tokenizer;

std::string message(const std::string& text, const pair_options& options = {}) {
  const support::temporary_file file(text);
  try {
    (void)scored_pairs(file.path(), tokenizer, options);
  } catch (const bert::error& e) {
    return e.what();
  }
  return {};
}

static_assert(bert::batch_source<labeled_batches<text_pairs::targets>>);
static_assert(lists_values<scored_text_pairs::targets> && !lists_values<text_pairs::targets>);

}  // namespace

TEST_CASE("each text of a pair is a sequence of its own, and the pair is a group") {
  const support::temporary_file file("one two\tthree\nfour\tfive six\n");
  const auto set = pairs(file.path(), tokenizer);
  REQUIRE(set.size() == 2);
  CHECK(set.text(0, 0).size() == 4);
  CHECK(set.text(0, 1).size() == 3);
  CHECK(set.text(0, 0).front() == 1);
  CHECK(set.text(0, 0).back() == 2);
  CHECK(set.text(1, 0)[1] == tokenizer.piece("four", false));
  bert::training_batch batch;
  set.batches(2, {.order = order::sequential}).load(0, batch);
  CHECK(batch.groups == std::vector<std::size_t>{0, 2, 4});
  CHECK(batch.tokens.sequences() == 4);
  CHECK(batch.values.empty());
  for (const auto segment : batch.tokens.segments()) CHECK(segment == 0);
  CHECK(batch.parts.size() == batch.tokens.tokens());
}

TEST_CASE("triplets have their negative, by the names of the columns") {
  const support::temporary_file file("id\tanchor\tgood\tbad\n1\ta\tb\tc d\n2\te\tf\tg\n");
  const auto set =
      triplets(file.path(), tokenizer, {.first_column = "anchor", .second_column = "good", .negative_column = "bad"});
  REQUIRE(set.size() == 2);
  CHECK(set.text(0, 2).size() == 4);
  CHECK(set.text(1, 2)[1] == tokenizer.piece("g", false));
}

TEST_CASE("scored pairs have a value in their range for both sequences; a header is found by its score") {
  const support::temporary_file file("left\tright\tscore\na\tb\t5.0\nc\td\t1.25\n");
  const auto set = scored_pairs(file.path(), tokenizer, {.score_range = 5});
  REQUIRE(set.size() == 2);
  CHECK(set.score(0) == 1.0f);
  CHECK(set.score(1) == 0.25f);
  CHECK(set.notes().size() == 1);
  bert::training_batch batch;
  set.batches(2, {.order = order::sequential}).load(0, batch);
  CHECK(batch.values == std::vector<float>{1, 1, 0.25f, 0.25f});
}

TEST_CASE("a long text is cut to the limit and counted") {
  const support::temporary_file file("a b c d e f g h i j\tk\n");
  const auto set = pairs(file.path(), tokenizer, {.max_tokens = 8});
  CHECK(set.text(0, 0).size() == 8);
  CHECK(set.text(0, 0)[6] == tokenizer.piece("f", false));
  CHECK(set.text(0, 0)[7] == 2);
  CHECK(set.truncated() == 1);
}

TEST_CASE("what a file lacks is said with its line") {
  CHECK(message("a\tb\t1\nc\td\tx\n").find("line 2") != std::string::npos);
  CHECK(message("a\tb\t1\n\td\t1\n").find("an empty field") != std::string::npos);
  CHECK(message("a\tb\t1\n", {.score_column = "score"}).find("a header with the column \"score\"") != std::string::npos);
  CHECK(message("a\tb\t1\n", {.score_range = 0}).find(".score_range") != std::string::npos);
  CHECK(message("").find("at least one example") != std::string::npos);
  const support::temporary_file file("a\tb\t \n");
  CHECK_THROWS_WITH_AS((void)triplets(file.path(), tokenizer), doctest::Contains(".negative_column"), bert::error);
}

TEST_CASE("the facts of a set tell texts, scores and limits apart") {
  const auto facts = [](const std::string& text, const pair_options& options) {
    const support::temporary_file file(text);
    return scored_pairs(file.path(), tokenizer, options).batches(2).fingerprint();
  };
  const auto base = facts("a\tb\t1\nc\td\t0\n", {});
  CHECK(base == facts("a\tb\t1\nc\td\t0\n", {}));
  CHECK(base != facts("a\tb\t1\nc\te\t0\n", {}));
  CHECK(base != facts("a\tb\t1\nc\td\t0.5\n", {}));
  CHECK(base != facts("a\tb\t1\nc\td\t0\n", {.score_range = 2}));
  CHECK(base != facts("a\tb\t1\nc\td\t0\n", {.max_tokens = 64}));
}

TEST_CASE("a split has every pair once") {
  text_groups_builder<text_pairs, toy::tokenizer> builder(tokenizer, 16);
  for (int i = 0; i < 50; ++i) builder.add({"l" + std::to_string(i), "r" + std::to_string(i)});
  const auto set = std::move(builder).build();
  const auto [train, test] = set.split(0.8f, {.seed = 3});
  CHECK(train.size() == 40);
  CHECK(test.size() == 10);
  std::vector<bert::token_id> firsts;
  for (std::size_t i = 0; i < 40; ++i) firsts.push_back(train.text(i, 0)[1]);
  for (std::size_t i = 0; i < 10; ++i) firsts.push_back(test.text(i, 0)[1]);
  std::vector<bert::token_id> all;
  for (std::size_t i = 0; i < 50; ++i) all.push_back(set.text(i, 0)[1]);
  std::sort(firsts.begin(), firsts.end());
  std::sort(all.begin(), all.end());
  CHECK(firsts == all);
  CHECK_THROWS_AS((void)set.split(1.0f), bert::error);
}
