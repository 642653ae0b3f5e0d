#include "bert/data/rankings.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "support/temporary_file.hpp"
#include "support/toy_tokenizer.hpp"

namespace {
using namespace bert::data;  // NOLINT
using support::temporary_file;
const toy::tokenizer tokenizer;

std::string message(auto&& f) {
  try {
    (void)f();
  } catch (const bert::error& e) {
    return e.what();
  }
  return "no error";
}
bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// The batch of all examples in the order of the file.
bert::training_batch all_of(const ranking_set& set) {
  bert::training_batch batch;
  set.batches(static_cast<int>(set.size()), {.order = order::sequential}).load(0, batch);
  return batch;
}
}  // namespace

TEST_CASE("rows of the same query that follow each other are an example, its most relevant text first") {
  const temporary_file file("why\train\t0\nwhy\tthe sun\t1\nwhy\tboth\t0\nhow\train\t1\nwhy\tsun\t0.5\n");
  const auto set = rankings(file.path(), tokenizer);
  REQUIRE(set.size() == 3);
  const auto batch = all_of(set);
  CHECK(batch.groups == std::vector<std::size_t>{0, 3, 4, 5});
  CHECK(batch.values == std::vector<float>{1, 0, 0, 1, 0.5f});
  CHECK(batch.tokens.length(0) == 6);  // [CLS] why [SEP] the sun [SEP]
  CHECK(batch.tokens.length(1) == 5);
  CHECK(batch.tokens.segments(1)[2] == 0);
  CHECK(batch.tokens.segments(1)[3] == 1);
  REQUIRE(set.notes().size() == 1);
  CHECK(has(set.notes()[0], "1 query comes again after others"));
}

TEST_CASE("a column of groups brings rows together wherever they stand, and columns have names") {
  const temporary_file file("score\tid\tpassage\tquery\n3\tq1\train\twhy\n0\tq2\tsun\thow\n1.5\tq1\tboth\twhy\n");
  const ranking_options options{
      .query_column = "query", .text_column = "passage", .score_column = "score", .group_column = "id", .score_range = 3};
  const auto set = rankings(file.path(), tokenizer, options);
  const auto batch = all_of(set);
  CHECK(batch.groups == std::vector<std::size_t>{0, 2, 3});
  CHECK(batch.values == std::vector<float>{1, 0.5f, 0});
  CHECK(set.notes().empty());
  const temporary_file twice("q1\twhy\train\t1\nq1\thow\tsun\t0\n");
  CHECK(has(
      message([&] { return rankings_tsv(twice.path(), tokenizer, {.query_column = 1, .text_column = 2, .group_column = 0}); }),
      ", line 2: expected the query of its group (.group_column), \"why\", found \"how\""));
}

TEST_CASE("a line of JSON has a query, its texts and their scores") {
  const temporary_file file(
      "{\"query\": \"why\", \"texts\": [\"rain\", \"the sun\"], \"scores\": [0, 2], \"id\": 7}\n"
      "\n"
      "{\"query\": \"how\", \"texts\": [\"rain\"], \"scores\": [1]}\n",
      ".jsonl");
  const auto set = rankings(file.path(), tokenizer, {.score_range = 2});
  const auto batch = all_of(set);
  CHECK(batch.groups == std::vector<std::size_t>{0, 2, 3});
  CHECK(batch.values == std::vector<float>{1, 0, 0.5f});
  CHECK(batch.tokens.length(0) == 6);
}

TEST_CASE("faults of a file name its line") {
  const temporary_file no_number("why\train\t1\nwhy\tsun\tyes\n");
  CHECK(has(message([&] { return rankings(no_number.path(), tokenizer); }),
            ", line 2: expected a number (.score_column), found \"yes\""));
  const temporary_file fewer("why\train\t1\nwhy\tsun\n");
  CHECK(has(message([&] { return rankings(fewer.path(), tokenizer); }), ", line 2: expected 3 columns"));
  const temporary_file empty("");
  CHECK(has(message([&] { return rankings(empty.path(), tokenizer); }), "at least one example"));
  CHECK(has(message([&] { return rankings(fewer.path(), tokenizer, {.score_range = 0}); }), "a positive .score_range"));
  const auto told = [](const char* line, std::string_view what) {
    const temporary_file file(std::string("{\"query\": \"q\", \"texts\": [\"a\"], \"scores\": [1]}\n") + line + '\n');
    return has(message([&] { return rankings_jsonl(file.path(), tokenizer); }), ", line 2") &&
           has(message([&] { return rankings_jsonl(file.path(), tokenizer); }), what);
  };
  CHECK(told("{\"texts\": [\"a\"], \"scores\": [1]}", "query"));
  CHECK(told("{\"query\": \" \", \"texts\": [\"a\"], \"scores\": [1]}", "an empty one"));
  CHECK(told("{\"query\": \"q\", \"texts\": [], \"scores\": []}", "\"texts\": expected one text or more, found none"));
  CHECK(told("{\"query\": \"q\", \"texts\": [\"a\", \"b\"], \"scores\": [1]}",
             "\"scores\": expected 2 numbers, one a text, found 1"));
  CHECK(told("{\"query\": \"q\", \"texts\": [\"a\"], \"scores\": [\"x\"]}", "scores"));
}

TEST_CASE("the builder refuses what is no query with texts and relevances") {
  ranking_set_builder<toy::tokenizer> set(tokenizer, 16);
  const std::array<std::string_view, 2> texts{"rain", ""};
  const std::array numbers{1.0f, 0.0f};
  CHECK(has(message([&] {
              set.add("why", texts, numbers);
              return 0;
            }),
            "texts that are not empty"));
  CHECK(has(message([&] {
              set.add("why", std::array{std::string_view("a")}, numbers);
              return 0;
            }),
            "1 texts, 2 relevances"));
  CHECK(has(message([&] {
              set.add("why", std::array{std::string_view("a")}, std::array{1.0f / 0.0f});
              return 0;
            }),
            "finite relevances"));
}

TEST_CASE("other relevances are another set to a state file") {
  const auto facts = [](const char* text) {
    const temporary_file file(text);
    return rankings_tsv(file.path(), tokenizer).batches(2).fingerprint();
  };
  CHECK(facts("why\train\t1\nwhy\tsun\t0\n") == facts("why\train\t1\nwhy\tsun\t0\n"));
  CHECK(facts("why\train\t1\nwhy\tsun\t0\n") != facts("why\train\t0.5\nwhy\tsun\t0\n"));
}
