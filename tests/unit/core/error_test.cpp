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

TEST_CASE("what an error does not know leaves no trace in its sentence") {
  CHECK(std::string(bert::error({"a", "", "c", ""}).what()) == "a: c");
  CHECK(std::string(bert::error({"a", "b", "", ""}).what()) == "a: expected b");
  CHECK(std::string(bert::error({"a", "", "", "d"}).what()) == "a; d");
  CHECK(std::string(bert::error("just text").what()) == "just text");
}

TEST_CASE("an error is caught as std::runtime_error") { CHECK_THROWS_AS(throw bert::error("x"), std::runtime_error); }

TEST_CASE("cat writes its arguments as a stream does") { CHECK(bert::cat("n = ", 3, ", x = ", 0.5) == "n = 3, x = 0.5"); }
