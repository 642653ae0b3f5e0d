#include "bert/data/choices.hpp"

#include <doctest/doctest.h>

#include <string>

#include "support/shared_data.hpp"
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
}  // namespace

TEST_CASE("a line of JSON has a context, a question or both, and its answer as an index or a text") {
  const temporary_file file(
      "{\"question\": \"why\", \"choices\": [\"rain\", \"sun\"], \"answer\": 1, \"id\": 7}\n"
      "\n"
      "{\"context\": \"it rained\", \"choices\": [\"rain\", \"sun\", \"both of\"], \"label\": \"both of\"}\n"
      "{\"context\": \"it rained\", \"question\": \"what did\", \"choices\": [\"rain\", \"sun\"], \"answer\": 0}\n");
  const auto set = choices_jsonl(file.path(), tokenizer);
  REQUIRE(set.size() == 3);
  CHECK(set.answer(0) == 1);
  CHECK(set.answer(1) == 2);
  CHECK(set.choices_of(1) == 3);
  CHECK(set.answer(2) == 0);
  CHECK(set[0].size() == 10);  // twice [CLS] why [SEP] rain [SEP]
  CHECK(set[2].size() == 16);  // twice [CLS] it rained [SEP] what did rain [SEP]
}

TEST_CASE("faults of a JSONL file name its line") {
  const auto told = [](const char* line, std::string_view what) {
    const temporary_file file(std::string("{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 0}\n") + line + '\n');
    const auto text = message([&] { return choices_jsonl(file.path(), tokenizer); });
    CAPTURE(text);
    CHECK(has(text, file.path().string() + ", line 2"));
    CHECK(has(text, what));
  };
  told("[1]", "expected an object");
  told("{\"question\": ", "line 2");
  told("{\"choices\": [\"a\", \"b\"], \"answer\": 0}", "\"context\" or \"question\"");
  told("{\"question\": \"q\", \"answer\": 0}", "the key \"choices\"");
  told("{\"question\": \"q\", \"choices\": [\"a\"], \"answer\": 0}", "found 1");
  told("{\"question\": \"q\", \"choices\": [\"a\", \" \"], \"answer\": 0}", "found an empty one");
  told("{\"question\": \"q\", \"choices\": [\"a\", \"b\"]}", "the key \"label\"");
  told("{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 2}",
       "an index from 0 to 1, or the text of a choice, found 2");
  told("{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": \"c\"}", "found \"c\"");
  told("{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": -1}", "found -1");
  told("{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": [0]}", "\"answer\"");
  const temporary_file empty("\n");
  CHECK(has(message([&] { return choices_jsonl(empty.path(), tokenizer); }), "at least one example"));
}

TEST_CASE("choices stand in columns, some of them empty, with a question before each of them if there is one") {
  const temporary_file file("id\tasks\ttext\ta\tb\tc\tanswer\n1\twhy\tit rained\train\tsun\t\t1\n2\thow\tsnow\tx\ty\tz\tz\n");
  const choices_options options{.text_column = "text", .choice_columns = {"a", "b", "c"}, .answer_column = "answer"};
  const auto set = choices_tsv(file.path(), tokenizer, options);
  REQUIRE(set.size() == 2);
  CHECK(set.choices_of(0) == 2);
  CHECK(set.choices_of(1) == 3);
  CHECK(set.answer(0) == 1);
  CHECK(set.answer(1) == 2);
  CHECK(set[0].size() == 12);
  auto asked = options;
  asked.question_column = "asks";
  CHECK(choices_tsv(file.path(), tokenizer, asked)[0].size() == 14);
  const temporary_file numbered("it rained\train\tsun\t0\n");
  const auto by_number = choices_tsv(numbered.path(), tokenizer, {.choice_columns = {1, 2}, .header = header_row::absent});
  CHECK(by_number.answer(0) == 0);
}

TEST_CASE("faults of a TSV file of choices name its line") {
  const temporary_file file("text\ta\tb\tanswer\nx\tone\ttwo\t0\ny\tone\ttwo\t2\n");
  const choices_options options{.text_column = "text", .choice_columns = {"a", "b"}, .answer_column = "answer"};
  CHECK(has(message([&] { return choices_tsv(file.path(), tokenizer, options); }),
            ", line 3: expected an index from 0 to 1, or the text of a choice (.answer_column), found \"2\""));
  const temporary_file fewer("text\ta\tb\tanswer\nx\tone\t\t0\n");
  CHECK(has(message([&] { return choices_tsv(fewer.path(), tokenizer, options); }), "line 2: expected two choices or more"));
  CHECK(has(message([&] { return choices_tsv(file.path(), tokenizer, {.choice_columns = {"a"}}); }),
            "two .choice_columns or more"));
  CHECK(has(message([&] {
              return choices_tsv(file.path(), tokenizer, {.choice_columns = {"a", "none"}, .answer_column = "answer"});
            }),
            "a header with the column \"none\" (.choice_columns)"));
}

TEST_CASE("causes and effects, and questions of common sense, are read") {
  if (const auto folder = support::shared_data("balanced-copa")) {
    const auto set = choices_tsv(*folder / "test.tsv", tokenizer,
                                 {.text_column = "premise",
                                  .question_column = "asks_for",
                                  .choice_columns = {"choice0", "choice1"},
                                  .answer_column = "answer"});
    CHECK(set.size() == 200);
  }
  if (const auto folder = support::shared_data("commonsenseqa")) {
    const auto set = choices_tsv(*folder / "test.tsv", tokenizer,
                                 {.text_column = "question",
                                  .choice_columns = {"choice0", "choice1", "choice2", "choice3", "choice4"},
                                  .answer_column = "answer"});
    CHECK(set.size() == 321);
    CHECK(set.choices_of(0) == 5);
    CHECK(set.answer(0) == 2);
  }
}
