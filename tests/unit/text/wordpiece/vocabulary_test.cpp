#include "bert/text/wordpiece/vocabulary.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "bert/core/error.hpp"

using namespace bert::text;
using namespace std::string_literals;

namespace {
std::string complaint(auto&& f) {
  try {
    f();
  } catch (const bert::error& e) {
    return e.what();
  }
  return "";
}
bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
}  // namespace

TEST_CASE("Ids are line numbers, and a string that is no piece has none") {
  const auto v = vocabulary::parse("[UNK]\na\n##a\n\nb");
  CHECK(v.size() == 5);
  CHECK(v.id("##a") == 2);
  CHECK(v.id("") == 3);
  CHECK(v.id("b") == 4);
  CHECK_FALSE(v.id("c").has_value());
  CHECK(v.piece(1) == "a");
  CHECK(says(complaint([&] { (void)v.piece(5); }), "[0, 5)"));
  CHECK(says(complaint([&] { (void)v.piece(-1); }), "[0, 5)"));
  CHECK(says(complaint([&] { (void)v.require("[MASK]"); }), "[MASK]"));
}

TEST_CASE("In a vocabulary of any size every piece is found and no other") {
  std::vector<std::string> pieces;
  for (int n = 0; n < 140; ++n) {
    pieces.push_back("p" + std::to_string(n));
    const vocabulary v(pieces);
    for (int i = 0; i <= n; ++i) REQUIRE(v.id("p" + std::to_string(i)) == i);
    for (int i = n + 1; i < n + 40; ++i) REQUIRE_FALSE(v.id("p" + std::to_string(i)).has_value());
  }
}

TEST_CASE("Lines may end with CR LF") {
  CHECK(vocabulary::parse("a\r\nb\r\n") == vocabulary::parse("a\nb\n"));
  CHECK(vocabulary::parse("a\rb") == vocabulary::parse("a\nb"));
}

TEST_CASE("Of two equal pieces the later gives the id, both give the piece") {
  const auto v = vocabulary::parse("a\nb\na\n");
  CHECK(v.id("a") == 2);
  CHECK(v.piece(0) == "a");
}

TEST_CASE("A saved vocabulary opens again byte for byte") {
  const auto path = std::filesystem::temp_directory_path() / "bert_vocabulary_test.txt";
  const vocabulary v(std::vector<std::string>{"[PAD]", "[UNK]", "\xE4\xB8\xAD", "##s"});
  v.save(path);
  CHECK(vocabulary::open(path) == v);
  std::ifstream file(path, std::ios::binary);
  CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == "[PAD]\n[UNK]\n\xE4\xB8\xAD\n##s\n");
  file.close();  // Windows removes no open file
  std::filesystem::remove(path);
}

TEST_CASE("Bad files are errors that name file and line") {
  CHECK(says(complaint([] { (void)vocabulary::open("/nowhere/vocab.txt"); }), "/nowhere/vocab.txt"));
  CHECK(says(complaint([] { (void)vocabulary::parse("", "vocab.txt"); }), "empty"));
  CHECK(says(complaint([] { (void)vocabulary::parse("a\nb\nc\xFF\n", "vocab.txt"); }), "vocab.txt:3"));
  const vocabulary v(std::vector<std::string>{"a\nb"});
  CHECK(says(complaint([&] { v.save(std::filesystem::temp_directory_path() / "bert_vocabulary_bad.txt"); }), "line break"));
}
