#include "bert/data/tsv.hpp"

#include <doctest/doctest.h>

#include <string>

#include "bert/labels/one_of.hpp"
#include "bert/text/tokenizer.hpp"
#include "support/shared_data.hpp"
#include "support/temporary_file.hpp"
#include "support/toy_tokenizer.hpp"

namespace {

using namespace bert::data;  // NOLINT
namespace labels = bert::labels;
using support::temporary_file;

struct urgency : labels::one_of<"routine", "soon", "urgent"> {};
struct mood : labels::one_of<"negative", "positive"> {};
struct digits : labels::one_of<"1", "0"> {};

static_assert(tokenizing<bert::text::tokenizer> && tokenizing<toy::tokenizer>);

const toy::tokenizer tokenizer;

std::string message(auto&& f) {
  try {
    (void)f();
  } catch (const bert::error& e) {
    return e.what();
  }
  return "no error";
}

TEST_CASE("text and label are read with a header and without, with either line end, and blank lines are skipped") {
  for (const char* text : {"note\tclass\nfan hums\troutine\nsmoke\turgent\n", "fan hums\troutine\r\nsmoke\t urgent \r\n",
                           "\xEF\xBB\xBFnote\tclass\n\nfan hums\troutine\n\nsmoke\turgent"}) {
    const temporary_file file(text);
    const auto set = tsv<urgency>(file.path(), tokenizer);
    REQUIRE(set.size() == 2);
    CHECK(set.label(0) == urgency::index<"routine">);
    CHECK(set.label(1) == urgency::index<"urgent">);
    CHECK(set[0].size() == 4);
    CHECK(set[1].size() == 3);
  }
}

TEST_CASE("a quote in a TSV file is text") {
  const temporary_file file("\"open\tsoon\nit is \"quoted\" here\troutine\n");
  const auto set = tsv<urgency>(file.path(), tokenizer);
  CHECK(set.size() == 2);
  CHECK(set[0][1] == tokenizer.piece("\"open", false));
}

TEST_CASE("columns are found by index, by index from the end, and by name") {
  const temporary_file file("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tone two\tthree\n0\t9\t10\tfour\tfive six\n");
  const tsv_options by_number{.text_column = 3, .second_column = 4, .label_column = 0};
  const tsv_options from_end{.text_column = -2, .second_column = -1, .label_column = 0};
  const tsv_options by_name{.text_column = "#1 String", .second_column = "#2 String", .label_column = "Quality"};
  for (const auto& options : {by_number, from_end, by_name}) {
    const auto set = tsv<mood>(file.path(), tokenizer, options);
    REQUIRE(set.size() == 2);
    CHECK(set.label(0) == 1);
    CHECK(set[0].size() == 6);
    bert::training_batch b;
    set.batches(1, {.order = order::sequential}).load(0, b);
    CHECK(std::vector<int>(b.tokens.segments().begin(), b.tokens.segments().end()) == std::vector<int>{0, 0, 0, 0, 1, 1});
    CHECK(b.keys == std::vector<std::uint64_t>{0});
  }
}

TEST_CASE("a label may be an index if no name of the set is a number; names that are numbers are matched as names") {
  const temporary_file file("good\t1\nbad\t0\nfine\tpositive\n"), other("good\t1\nbad\t0\n");
  const auto set = tsv<mood>(file.path(), tokenizer);
  CHECK(set.label(0) == mood::index<"positive">);
  CHECK(set.label(2) == mood::index<"positive">);
  CHECK(tsv<digits>(other.path(), tokenizer).label(0) == digits::index<"1">);
  const temporary_file wrong("good\t1\nbad\t2\n");
  CHECK_THROWS_AS((void)tsv<digits>(wrong.path(), tokenizer), bert::error);
}

TEST_CASE("labels that are not given are collected and sorted, and can be given to another file") {
  const temporary_file train("text\tlabel\na\tzebra\nb\tapple\nc\tzebra\nd\tapple\n"), dev("x\tzebra\ny\tapple\n");
  const auto set = tsv(train.path(), tokenizer);
  CHECK(set.names() == labels::dynamic_set{"apple", "zebra"});
  REQUIRE(set.size() == 4);
  CHECK(set.label(0) == 1);
  CHECK(tsv(dev.path(), tokenizer, set.names(), {}).label(0) == 1);
  const temporary_file numbered("a\t10\nb\t9\nc\t10\nd\t9\n");
  CHECK(tsv_labels(numbered.path()) == labels::dynamic_set{"9", "10"});
  CHECK(tsv(numbered.path(), tokenizer).size() == 4);
  const temporary_file named("text\tlabel\na\tu\nb\tv\n");
  CHECK(tsv(named.path(), tokenizer, {.header = header_row::present}).size() == 2);
  CHECK(tsv(named.path(), tokenizer, {.text_column = "text"}).size() == 2);
  CHECK(tsv_labels(named.path(), {.header = header_row::absent}).size() == 3);
}

TEST_CASE("a detected header is noted; one that is given by name or by option is not") {
  const auto notes = [](const char* text, const tsv_options& options = {}) {
    const temporary_file file(text);
    return tsv(file.path(), tokenizer, options).notes();
  };
  const char* const rare = "odd\trare\na\tx\nb\ty\nc\tx\n";
  REQUIRE(notes(rare).size() == 1);
  CHECK(notes(rare)[0].find(", line 1: first row taken as header: odd | rare") != std::string::npos);
  CHECK(notes(rare, {.header = header_row::absent}).empty());
  CHECK(notes(rare, {.header = header_row::present}).empty());
  CHECK(notes("text\tlabel\na\tx\nb\ty\n", {.text_column = "text"}).empty());
  CHECK(notes("a\tx\nb\ty\nc\tx\n").empty());
  const temporary_file misspelled("a\troutnie\nb\troutine\n");
  CHECK(tsv<urgency>(misspelled.path(), tokenizer).notes().size() == 1);
}

TEST_CASE(
    "a file whose name ends in .csv is read with commas and quotes, which is told of, and either format can be asked for") {
  const temporary_file file("text,label\n\"one, two\",x\n\"say \"\"a\"\"\",y\nthree,x\n", ".csv");
  const auto set = tsv(file.path(), tokenizer);
  CHECK(set.size() == 3);
  CHECK(set.names() == labels::dynamic_set{"x", "y"});
  CHECK(set.notes().at(0).find("read as comma-separated") != std::string::npos);
  CHECK(message([&] {
          return tsv(file.path(), tokenizer, {.format = bert::io::tsv});
        }).find(", line 1: expected two columns or more, a text and a label with a tab between them, found one column") !=
        std::string::npos);
  const temporary_file tabs("a\tx\nb\ty\n", ".csv");
  CHECK(tsv(tabs.path(), tokenizer, {.format = bert::io::tsv}).notes().empty());
}

TEST_CASE("a row of another number of columns is refused with its line, unless uneven rows are allowed") {
  const temporary_file file("a\tx\nb\ty\nc\td\tx\n");
  CHECK(message([&] { return tsv(file.path(), tokenizer); }).find(", line 3: expected 2 columns, as line 1 has, found 3") !=
        std::string::npos);
  CHECK(tsv(file.path(), tokenizer, {.uneven = uneven_rows::allow}).size() == 3);
}

TEST_CASE("a row that is not UTF-8 is refused with its line, in the text and in the label") {
  for (const char* text : {"a\tx\nb\ty\ncaf\xE9\tx\n", "a\tx\nb\ty\nc\tbi\xE9n\n"}) {
    const temporary_file file(text);
    CHECK(message([&] { return tsv(file.path(), tokenizer); }).find(", line 3: expected text in UTF-8") != std::string::npos);
  }
}

TEST_CASE("scores as labels are refused, unless score_labels::as_names is given") {
  const temporary_file file("s\tscore\na\t0.5\nb\t3\nc\t0.5\nd\t3\n"), whole("a\t1\nb\t5\nc\t1\n");
  CHECK(message([&] {
          return tsv(file.path(), tokenizer);
        }).find("expected names of classes as labels, found numbers with fractions, such as 0.5: scores") != std::string::npos);
  CHECK(tsv(file.path(), tokenizer, {.scores = score_labels::as_names}).names() == labels::dynamic_set{"0.5", "3"});
  CHECK(tsv(whole.path(), tokenizer).names() == labels::dynamic_set{"1", "5"});
  CHECK(tsv<labels::number>(file.path(), tokenizer).size() == 4);
}

TEST_CASE("labels::number reads labels as values") {
  const temporary_file file("s1\ts2\tscore\na b\tc\t5.000\nd\te\t0.25\n");
  const auto set = tsv<labels::number>(file.path(), tokenizer, {.text_column = -3, .second_column = -2});
  REQUIRE(set.size() == 2);
  CHECK(set.label(1) == 0.25f);
  bert::training_batch b;
  set.batches(2, {.order = order::sequential}).load(0, b);
  CHECK(b.values == std::vector<float>{5, 0.25f});
  CHECK(b.labels.empty());
}

TEST_CASE("an error names file and line, what was expected and what was found") {
  const temporary_file unknown("a\troutine\nb\turgnet\n"), missing("a\troutine\nb\n"), narrow("a\nb\n"),
      empty("a\tsoon\n \tsoon\n"), none("note\tclass\n"), word("a\tb\t1.5\na\tb\tmuch\n");
  const auto at = [](const temporary_file& file, int line) {
    return file.path().string() + ", line " + std::to_string(line) + ": ";
  };
  CHECK(
      message([&] { return tsv<urgency>(unknown.path(), tokenizer); }) ==
      at(unknown, 2) +
          R"(expected a label of "routine", "soon", "urgent", found "urgnet"; check .label_column, or add the label to the set)");
  CHECK(message([&] { return tsv<urgency>(missing.path(), tokenizer); }) ==
        at(missing, 2) +
            "expected 2 columns, as line 1 has, found 1; is there a separator within a text? replace it, or allow "
            "uneven rows");
  CHECK(message([&] { return tsv<urgency>(narrow.path(), tokenizer, {.label_column = 1}); }) ==
        at(narrow, 1) +
            "expected a column 1 (.label_column, counted from 0, from the end if negative), found 1 column; check the number, "
            "and that tabs "
            "separate the columns");
  CHECK(message([&] { return tsv<urgency>(empty.path(), tokenizer); }) ==
        at(empty, 2) + "expected text in column 0 (.text_column), found an empty field; remove the line");
  CHECK(message([&] { return tsv<urgency>(none.path(), tokenizer); }) ==
        none.path().string() + ": expected at least one example, found none; check the file");
  CHECK(message([&] { return tsv<labels::number>(word.path(), tokenizer); }) ==
        at(word, 2) + R"(expected a number (.label_column), found "much"; check .label_column)");
  CHECK(message([&] { return tsv<urgency>(unknown.path(), tokenizer, {.text_column = "note"}); }) ==
        at(unknown, 1) +
            R"(expected a header with the column "note" (.text_column), found "a", "routine"; write the name as in the file)");
  CHECK(message([&] {
          return tsv<urgency>(unknown.path(), tokenizer, {.text_column = "note", .header = header_row::absent});
        }) == at(unknown, 1) + "expected columns by number, as there is no header, found a column by name; number them from 0");
  CHECK(message([&] { return tsv(none.path(), tokenizer); }).find("expected two labels or more") != std::string::npos);
  CHECK_THROWS_AS((void)tsv<urgency>("no-such.tsv", tokenizer), bert::error);
  CHECK_THROWS_AS((void)tsv<urgency>(empty.path(), tokenizer, {.max_tokens = 2}), bert::error);
}

TEST_CASE("the files of GLUE and of Chinese reviews are read completely, with headers detected") {
  struct expectation {
    const char* file;
    tsv_options options;
    std::size_t examples;
  };
  for (const auto& e :
       {expectation{"sst2/train.tsv", {}, 67'349},
        expectation{"sst2/dev.tsv", {.text_column = "sentence", .label_column = "label"}, 872},
        expectation{"sst2/test.tsv", {}, 1'821},
        expectation{"mrpc/train.tsv", {.text_column = 3, .second_column = 4, .label_column = 0}, 3'668},
        expectation{"mrpc/dev.tsv", {.text_column = "#1 String", .second_column = "#2 String", .label_column = "Quality"}, 408},
        expectation{"chnsenticorp/train.tsv", {}, 9'600}, expectation{"chnsenticorp/dev.tsv", {}, 1'200},
        expectation{"weibo/train.tsv", {.text_column = 1, .label_column = 0}, 31'041},
        expectation{"weibo/test.tsv", {.text_column = 1, .label_column = 0}, 11'987},
        expectation{"afqmc/dev.txt", {.text_column = 0, .second_column = 1}, 4'316}}) {
    const auto path = support::shared_data(e.file);
    if (!path) continue;
    CAPTURE(std::string(e.file));
    CHECK(tsv<mood>(*path, tokenizer, e.options).size() == e.examples);
    const auto collected = tsv(*path, tokenizer, e.options);
    CHECK(collected.size() == e.examples);
    const bool named = std::string(e.file).starts_with("chnsenticorp");
    CHECK(collected.names() == (named ? labels::dynamic_set{"negative", "positive"} : labels::dynamic_set{"0", "1"}));
  }
  if (const auto path = support::shared_data("stsb/train.tsv"))
    CHECK(tsv<labels::number>(*path, tokenizer,
                              {.text_column = "sentence1", .second_column = "sentence2", .label_column = "score"})
              .size() == 5'749);
}

}  // namespace

TEST_CASE("inf and nan are no numbers of a file") {
  CHECK(bert::data::finite_number("-1.5e3") == -1500.0f);
  for (const char* word : {"inf", "-inf", "nan", "1e99", "", "1 ", "0x1"}) CHECK(!bert::data::finite_number(word));
}
