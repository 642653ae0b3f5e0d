#include "bert/core/error.hpp"

#include <doctest/doctest.h>

TEST_CASE("an error says where, expected, found and what to try, and keeps each of them") {
  const bert::error e({"vocab.txt:7", "one piece a line", "an empty line", "delete it"});
  CHECK(std::string(e.what()) == "vocab.txt:7: expected one piece a line, found an empty line; delete it");
  CHECK(e.where() == "vocab.txt:7");
  CHECK(e.expected() == "one piece a line");
  CHECK(e.found() == "an empty line");
  CHECK(e.hint() == "delete it");
}

TEST_CASE("an empty fact is left out of an error's message") {
  CHECK(std::string(bert::error({"a", "", "c", ""}).what()) == "a: c");
  CHECK(std::string(bert::error({"a", "b", "", ""}).what()) == "a: expected b");
  CHECK(std::string(bert::error({"a", "", "", "d"}).what()) == "a; d");
  CHECK(std::string(bert::error("just text").what()) == "just text");
}

TEST_CASE("an error is caught as std::runtime_error") { CHECK_THROWS_AS(throw bert::error("x"), std::runtime_error); }

TEST_CASE("cat writes its arguments as a stream does") { CHECK(bert::cat("n = ", 3, ", x = ", 0.5) == "n = 3, x = 0.5"); }

TEST_CASE("a message is one line: control characters and bytes that are not UTF-8 are escaped, a NUL does not end it") {
  using namespace std::string_literals;
  const std::string found = "a\nb\tc\r\x1b[31m\0d\x7f\xc2\x85\xff\xed\xa0\x80 é 日本 \xf0\x9f\x98\x80"s;
  const bert::error e({"f", "", found, "try"});
  CHECK(std::string(e.what()) == R"(f: a\nb\tc\r\x1b[31m\x00d\x7f\xc2\x85\xff\xed\xa0\x80 é 日本 )"
                                 "\xf0\x9f\x98\x80; try");
  CHECK(e.found() == found);
  CHECK(std::string(bert::error("two\nlines").what()) == "two\\nlines");
}

TEST_CASE("a fact in a message is bounded, keeps its start and its end, and is cut between code points") {
  for (const std::string unit : {"x", "é", "日", "\xf0\x9f\x98\x80", "\x80"}) {
    std::string huge;
    while (huge.size() < 100'000) huge += unit;
    const std::string text = bert::error({"first" + huge + "last, line 7", "", "c", ""}).what();
    CHECK(text.starts_with("first" + (unit == "\x80" ? "\\x80" : unit)));
    CHECK(text.ends_with((unit == "\x80" ? "\\x80" : unit) + "last, line 7: c"));
    CHECK(text.size() < 4 * bert::longest_fact + 32);
    if (unit != "\x80") CHECK(text.find("\\x") == std::string::npos);
  }
  CHECK(bert::printable(std::string(1024, 'x')) == std::string(1024, 'x'));
}
