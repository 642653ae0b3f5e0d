#include "bert/data/tsv_many.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bert/labels/many_of.hpp"
#include "support/shared_data.hpp"
#include "support/temporary_file.hpp"
#include "support/toy_tokenizer.hpp"

namespace {
using namespace bert::data;  // NOLINT
using support::temporary_file;
struct emotions : bert::labels::many_of<"joy", "anger", "fear"> {};
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
template <class Set>
std::vector<float> labels_of(const Set& set, std::size_t i) {
  return {set.applies(i).begin(), set.applies(i).end()};
}
}  // namespace

TEST_CASE("labels are listed in one column, with a header or without, with any separator, or none applies") {
  for (const char* text :
       {"text\tlabels\ni laughed\tjoy\nwhat\tfear, joy\nwell\t\n", "i laughed\tjoy\nwhat\tfear,joy\nwell\t\n"}) {
    const temporary_file file(text);
    const auto set = tsv_many<emotions>(file.path(), tokenizer);
    REQUIRE(set.size() == 3);
    CHECK(labels_of(set, 0) == std::vector<float>{1, 0, 0});
    CHECK(labels_of(set, 1) == std::vector<float>{1, 0, 1});
    CHECK(labels_of(set, 2) == std::vector<float>{0, 0, 0});
    CHECK(set.notes().size() == (std::string(text).starts_with("text") ? 1 : 0));
  }
  const temporary_file numbers("a\t0;2\nb\t1\n");
  CHECK(labels_of(tsv_many<emotions>(numbers.path(), tokenizer, {.separator = ';'}), 0) == std::vector<float>{1, 0, 1});
  const temporary_file pairs("a,b,joy\n", ".csv");
  const auto set = tsv_many<emotions>(pairs.path(), tokenizer, {.second_column = 1, .separator = '|'});
  CHECK(set[0].size() == 5);
}

TEST_CASE("a column of 0 and 1 a label is found by the label's name, in any order") {
  const temporary_file file("fear\ttext\tjoy\tid\tanger\n1\ti laughed\t0\t7\t0\n0\twhat\t1\t8\t1\n");
  const auto set = tsv_many<emotions>(file.path(), tokenizer, {.text_column = "text", .layout = label_layout::columns});
  CHECK(labels_of(set, 0) == std::vector<float>{0, 0, 1});
  CHECK(labels_of(set, 1) == std::vector<float>{1, 1, 0});
}

TEST_CASE("labels that are known only from the file are its names, or its header's") {
  const temporary_file file("text\tlabels\ni laughed\tjoy\nwhat\tfear,joy\n");
  const auto set = tsv_many(file.path(), tokenizer, {.text_column = "text", .labels_column = "labels"});
  CHECK(set.names().names() == std::vector<std::string>{"fear", "joy"});
  CHECK(labels_of(set, 0) == std::vector<float>{0, 1});
  const temporary_file unnamed("text\tlabels\ni laughed\tjoy\nwhat\tfear,joy\n");
  CHECK(tsv_many(unnamed.path(), tokenizer).names().names() == std::vector<std::string>{"fear", "joy"});
  const temporary_file columns("text\tb\ta\nx\t1\t0\n");
  const auto flags = tsv_many(columns.path(), tokenizer, {.layout = label_layout::columns});
  CHECK(flags.names().names() == std::vector<std::string>{"b", "a"});
  CHECK(labels_of(flags, 0) == std::vector<float>{1, 0});
}

TEST_CASE("faults of a file name its line: a label that is none, a field that is neither 0 nor 1, a missing column") {
  const temporary_file listed("a\tjoy\nb\tjoy,hope\n");
  CHECK(has(message([&] { return tsv_many<emotions>(listed.path(), tokenizer); }),
            listed.path().string() + ", line 2: expected labels of \"joy\", \"anger\", \"fear\", found \"hope\""));
  const temporary_file flags("text\tjoy\tanger\tfear\nx\t1\t0\t0\ny\tyes\t0\t0\n");
  CHECK(has(message([&] { return tsv_many<emotions>(flags.path(), tokenizer, {.layout = label_layout::columns}); }),
            "line 3: expected 0 or 1 in column \"joy\", found \"yes\""));
  const temporary_file fewer("text\tjoy\tanger\nx\t1\t0\n");
  CHECK(has(message([&] { return tsv_many<emotions>(fewer.path(), tokenizer, {.layout = label_layout::columns}); }),
            "a header with the column \"fear\" (a label)"));
  const temporary_file one("a\tjoy\nb\tjoy\n");
  CHECK(has(message([&] { return tsv_many(one.path(), tokenizer); }), "two labels or more"));
  const temporary_file empty("text\tlabels\n");
  CHECK(has(message([&] { return tsv_many<emotions>(empty.path(), tokenizer); }), "at least one example"));
}

TEST_CASE("emotions of real comments, several a text") {
  const auto folder = support::shared_data("goemotions");
  if (!folder) return;
  const auto set =
      tsv_many(*folder / "dev.tsv", tokenizer, {.text_column = "text", .labels_column = "labels", .max_tokens = 64});
  CHECK(set.size() == 5414);
  CHECK(set.names().size() == 28);
  std::size_t several = 0;
  for (std::size_t i = 0; i < set.size(); ++i) {
    float sum = 0;
    for (const float x : set.applies(i)) sum += x;
    CHECK(sum >= 1);
    several += sum > 1 ? 1 : 0;
  }
  CHECK(several > 500);
}
