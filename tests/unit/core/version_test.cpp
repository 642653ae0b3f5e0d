#include "bert/version.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>

TEST_CASE("the version is its three numbers with points between them") {
  CHECK(bert::version == std::to_string(BERT_VERSION_MAJOR) + '.' + std::to_string(BERT_VERSION_MINOR) + '.' +
                             std::to_string(BERT_VERSION_PATCH));
}

TEST_CASE("CHANGELOG has a heading for the version of the headers") {
  std::ifstream file(BERT_SOURCE_DIR "/CHANGELOG.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto chapter = text.find("\n## [");
  REQUIRE(chapter != std::string::npos);
  const std::string first = text.substr(chapter + 1, text.find('\n', chapter + 1) - chapter - 1);
  CAPTURE(first);
  CHECK(first.find(bert::version) != std::string::npos);
}
