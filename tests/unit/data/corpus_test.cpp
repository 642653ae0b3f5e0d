#include "bert/data/corpus.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "support/temporary_file.hpp"

namespace {

using bert::data::corpus;
using documents = std::vector<std::vector<std::string>>;

documents read(const corpus& text) {
  documents all;
  text.for_each_document(
      [&](std::span<const std::string_view> paragraphs) { all.emplace_back(paragraphs.begin(), paragraphs.end()); });
  return all;
}

TEST_CASE("documents are separated by one or more blank lines, with either line end, and are never empty") {
  const support::temporary_file file("\n\na one\na two\r\n \t\r\nb\n\n\nc\n\n");
  CHECK(read(corpus{file.path()}) == documents{{"a one", "a two"}, {"b"}, {"c"}});
}

TEST_CASE("the last line needs no line end") {
  const support::temporary_file file("a\n\nb");
  CHECK(read(corpus{file.path()}) == documents{{"a"}, {"b"}});
}

TEST_CASE("with document_end::every_line each line is a document") {
  const support::temporary_file file("a\nb\n\nc\n");
  CHECK(read(corpus{file.path(), {.documents = bert::data::document_end::every_line}}) == documents{{"a"}, {"b"}, {"c"}});
}

TEST_CASE("for_each_line visits every line in order, blank ones too") {
  const support::temporary_file file("\xEF\xBB\xBFx\n\ny");
  std::vector<std::string> lines;
  corpus{file.path()}.for_each_line([&](std::string_view line) { lines.emplace_back(line); });
  CHECK(lines == std::vector<std::string>{"x", "", "y"});
}

TEST_CASE("text that is not UTF-8 is refused with its line, or replaced with invalid_utf8::replace") {
  const support::temporary_file file("fine\n\ncaf\xE9 here\n");
  try {
    (void)read(corpus{file.path()});
    FAIL("no error");
  } catch (const bert::error& e) {
    CHECK(e.where() == file.path().string() + ", line 3");
    CHECK(e.found() == "an invalid byte at column 4");
  }
  CHECK(read(corpus{file.path(), {.invalid = bert::data::invalid_utf8::replace}}).size() == 2);
}

TEST_CASE("a missing or an empty corpus is an error that names it") {
  CHECK_THROWS_AS(corpus{"no-such-file.txt"}, bert::error);
  const support::temporary_file file("");
  try {
    const corpus text{file.path()};
    FAIL("no error");
  } catch (const bert::error& e) {
    CHECK(e.where() == file.path().string());
    CHECK(e.found() == "an empty file");
  }
}

}  // namespace
