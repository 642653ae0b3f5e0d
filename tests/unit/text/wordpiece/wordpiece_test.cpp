#include "bert/text/wordpiece/wordpiece.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace bert::text;
using bert::token_id;

namespace {

// The definition: the longest matching piece, again and again.
std::vector<token_id> greedy(const vocabulary& v, std::string_view word) {
  std::vector<token_id> out;
  while (!word.empty()) {
    std::size_t n = word.size();
    for (; n > 0; --n) {
      const std::string piece = (out.empty() ? "" : "##") + std::string(word.substr(0, n));
      if (const auto id = v.id(piece)) {
        out.push_back(*id);
        break;
      }
    }
    if (n == 0) return {};
    word.remove_prefix(n);
  }
  return out;
}

std::vector<token_id> matched(const wordpiece& w, std::string_view word) {
  std::vector<token_id> out(word.size() + 1);
  out.resize(w.match(word.data(), word.size(), out.data()));
  return out;
}

}  // namespace

TEST_CASE("Every word over a small alphabet is split as the definition splits it, for random vocabularies") {
  std::mt19937 draw(1);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> pieces{"a"};
    const std::size_t letters = 2 + draw() % 3;
    for (int i = 0; i < 25; ++i) {
      std::string piece = draw() % 2 != 0 ? "##" : "";
      for (std::size_t n = 1 + draw() % 5; n > 0; --n) piece += static_cast<char>('a' + draw() % letters);
      pieces.push_back(piece);
    }
    const vocabulary v(pieces);
    const wordpiece w(v, 100);
    for (int i = 0; i < 400; ++i) {
      std::string word;
      for (std::size_t n = 1 + draw() % 12; n > 0; --n) word += static_cast<char>('a' + draw() % letters);
      REQUIRE(matched(w, word) == greedy(v, word));
    }
  }
}

TEST_CASE("Pieces may begin with a zero byte") {
  using namespace std::string_literals;
  const vocabulary v(std::vector<std::string>{"\0a"s, "\0b"s, "\0"s, "##\0"s, "##\0b"s});
  const wordpiece w(v, 100);
  for (const std::string& word : {"\0a"s, "\0b"s, "\0"s, "\0\0"s, "\0a\0b"s, "\0b\0\0b"s, "\0c"s, "a"s})
    CHECK(matched(w, word) == greedy(v, word));
}

TEST_CASE("A piece longer than any word costs no memory") {
  std::string giant(100'000, 'x');
  const vocabulary v(std::vector<std::string>{"a", "##x", giant});
  const wordpiece w(v, 100);
  CHECK(w.bytes() < 100'000);
  CHECK(matched(w, "axx") == std::vector<token_id>{0, 1, 1});
}

TEST_CASE("Failure pops of nested pieces are no longer than a word") {
  std::vector<std::string> pieces{"##a", "a"};
  pieces.push_back(std::string(100, 'a') + "b");  // dropped: 101 characters
  pieces.push_back(std::string(99, 'a') + "b");
  const vocabulary v(pieces);
  const wordpiece w(v, 100);
  const std::string word(100, 'a');
  CHECK(matched(w, word) == greedy(v, word));
  CHECK(matched(w, std::string(99, 'a') + "b") == std::vector<token_id>{3});
}

TEST_CASE("The word table finds every word-initial piece of up to 16 bytes, and nothing else") {
  std::vector<std::string> pieces{"##a", "b", "bcdefgh", "bcdefghi", "0123456789abcdef", "0123456789abcdefg"};
  for (int i = 0; i < 3000; ++i) pieces.push_back("w" + std::to_string(i));
  const vocabulary v(pieces);
  const word_table t(v);
  const auto find = [&](std::string_view s) {
    std::uint64_t both[2] = {0, 0};
    std::memcpy(both, s.data(), s.size());
    return t.find(both[0], both[1]);
  };
  for (std::size_t i = 1; i < pieces.size(); ++i)
    if (pieces[i].size() <= 16) REQUIRE(find(pieces[i]) == static_cast<token_id>(i));
  CHECK(find("##a") == -1);
  CHECK(find("w3000") == -1);
  CHECK(find("bcdefg") == -1);
}

TEST_CASE("The word table finds every word, whatever the mix of lengths") {
  for (const std::size_t size : {1u, 7u, 8u, 9u, 15u, 16u}) {
    std::vector<std::string> pieces;
    for (std::size_t i = 0; i < (size == 1 ? 26 : 200); ++i) {
      std::string word(size, 'a');
      for (std::size_t at = size, rest = i; at > 0 && rest > 0; rest /= 26) word[--at] = static_cast<char>('a' + rest % 26);
      pieces.push_back(word);
    }
    const word_table t{vocabulary(pieces)};
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      std::uint64_t both[2] = {0, 0};
      std::memcpy(both, pieces[i].data(), size);
      REQUIRE(t.find(both[0], both[1]) == static_cast<token_id>(i));
    }
  }
}
