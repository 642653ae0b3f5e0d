#include "bert/tensor/token_lexicon.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/tensor/token_synonyms.hpp"

namespace {

using namespace bert;  // NOLINT
using ids = std::vector<token_id>;

std::vector<word_part> words(std::size_t n) { return std::vector<word_part>(n, word_part::begins); }

token_lexicon lexicon_of(const std::vector<ids>& entries) {
  token_lexicon_builder builder;
  for (const auto& e : entries) builder.add(e);
  return std::move(builder).build();
}

// The longest entry at a place, by comparing with each.
token_lexicon::match by_comparing(const std::vector<ids>& entries, const ids& text, const std::vector<word_part>& parts,
                                  std::size_t at) {
  token_lexicon::match best;
  for (std::size_t e = 0; e < entries.size(); ++e) {
    const std::size_t n = entries[e].size();
    if (at + n > text.size() || n <= best.length) continue;
    bool same = true;
    for (std::size_t i = 0; i < n; ++i)
      same = same && text[at + i] == entries[e][i] && (i == 0 || parts[at + i] != word_part::special);
    if (same && (at + n == text.size() || parts[at + n] != word_part::continues)) best = {static_cast<std::uint32_t>(e), n};
  }
  return best;
}

TEST_CASE("an empty lexicon finds nothing") {
  const token_lexicon none;
  CHECK(none.size() == 0);
  CHECK(none.longest_entry() == 0);
  CHECK(none.longest(ids{1, 2}, words(2), 0) == token_lexicon::match{});
  CHECK(none.find(ids{1}) == token_lexicon::none);
  CHECK(none.find({}) == token_lexicon::none);
}

TEST_CASE("the longest entry is found, not the first, and only where its last word ends") {
  const auto lexicon = lexicon_of({{5, 6}, {5, 6, 7, 8}, {5}, {6, 7}});
  using match = token_lexicon::match;
  CHECK(lexicon.longest(ids{5, 6, 7, 8, 9}, words(5), 0) == match{1, 4});
  CHECK(lexicon.longest(ids{5, 6, 7, 9}, words(4), 0) == match{0, 2});
  CHECK(lexicon.longest(ids{5, 9}, words(2), 0) == match{2, 1});
  CHECK(lexicon.longest(ids{5, 6, 7}, words(3), 1) == match{3, 2});
  CHECK(lexicon.longest(ids{5, 6, 7}, words(3), 2) == match{});
  auto parts = words(4);
  parts[2] = word_part::continues;  // "6 ##7" is one word, so "5 6" does not end with a word
  CHECK(lexicon.longest(ids{5, 6, 7, 9}, parts, 0) == match{2, 1});
  parts[2] = word_part::special;
  CHECK(lexicon.longest(ids{5, 6, 7, 8}, parts, 0) == match{0, 2});
}

TEST_CASE("an entry that is added again keeps its number; entries are numbered as they come") {
  token_lexicon_builder builder;
  CHECK(builder.add(ids{3, 4}) == 0);
  CHECK(builder.add(ids{3}) == 1);
  CHECK(builder.add(ids{3, 4}) == 0);
  CHECK(builder.add(ids{3, 4, 5}) == 2);
  const auto lexicon = std::move(builder).build();
  REQUIRE(lexicon.size() == 3);
  CHECK(std::ranges::equal(lexicon[2], ids{3, 4, 5}));
  CHECK(lexicon.longest_entry() == 3);
  CHECK(lexicon.find(ids{3}) == 1);
  CHECK(lexicon.find(ids{4}) == token_lexicon::none);
  CHECK(lexicon.find(ids{3, 4, 5, 6}) == token_lexicon::none);
}

TEST_CASE("what is found agrees with comparing every entry, over many random texts") {
  random_stream random(7, draw::user);
  std::vector<ids> entries;
  std::set<ids> known;
  while (entries.size() < 3'000) {
    ids entry(1 + random.below(6));
    for (auto& id : entry) id = static_cast<token_id>(random.below(12));
    if (known.insert(entry).second) entries.push_back(std::move(entry));
  }
  const auto lexicon = lexicon_of(entries);
  std::size_t found = 0;
  for (int round = 0; round < 40; ++round) {
    ids text(30);
    std::vector<word_part> parts(30);
    for (std::size_t i = 0; i < text.size(); ++i) {
      text[i] = static_cast<token_id>(random.below(13));
      const auto part = random.below(10);
      parts[i] = part == 0 ? word_part::special : part < 3 ? word_part::continues : word_part::begins;
    }
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (parts[at] == word_part::special) continue;
      const auto expected = by_comparing(entries, text, parts, at), got = lexicon.longest(text, parts, at);
      CHECK(got == expected);
      found += got.length > 1 ? 1 : 0;
    }
  }
  CHECK(found > 300);
  for (std::size_t e = 0; e < entries.size(); ++e) CHECK(lexicon.find(entries[e]) == e);
}

TEST_CASE("the hash of a lexicon depends on each entry and on where one ends") {
  const auto hash = [](const std::vector<ids>& entries) { return lexicon_of(entries).content().value(); };
  CHECK(hash({{1, 2}, {3}}) == hash({{1, 2}, {3}}));
  CHECK(hash({{1, 2}, {3}}) != hash({{1}, {2, 3}}));
  CHECK(hash({{1, 2}, {3}}) != hash({{1, 2}, {4}}));
  CHECK(hash({{1, 2}}) != hash({{1, 2}, {3}}));
}

TEST_CASE("synonyms have as many tokens as their word, and none is the word itself or there twice") {
  token_synonyms_builder builder;
  CHECK(builder.add(ids{1, 2}, ids{3, 4}));
  CHECK(!builder.add(ids{1, 2}, ids{3, 4}));
  CHECK(!builder.add(ids{1, 2}, ids{1, 2}));
  CHECK(!builder.add(ids{1, 2}, ids{5}));
  CHECK(builder.add(ids{1, 2}, ids{5, 6}));
  CHECK(builder.add(ids{7}, ids{8}));
  const auto synonyms = std::move(builder).build();
  CHECK(synonyms.pairs() == 3);
  const auto entry = synonyms.words().find(ids{1, 2});
  REQUIRE(entry != token_lexicon::none);
  const auto of = synonyms.of(entry);
  REQUIRE(of.size() == 2);
  CHECK(std::ranges::equal(synonyms.words()[of[0]], ids{3, 4}));
  CHECK(std::ranges::equal(synonyms.words()[of[1]], ids{5, 6}));
  CHECK(synonyms.of(synonyms.words().find(ids{3, 4})).empty());
  CHECK(synonyms.of_length(2).size() == 3);
  CHECK(synonyms.of_length(1).size() == 2);
  CHECK(synonyms.of_length(3).empty());
  CHECK(synonyms.of_length(0).empty());
  CHECK(token_synonyms().of_length(1).empty());
  token_synonyms_builder other;
  other.add(ids{1, 2}, ids{3, 4});
  other.add(ids{1, 2}, ids{5, 6});
  other.add(ids{8}, ids{7});
  CHECK(std::move(other).build().content().value() != synonyms.content().value());
}

}  // namespace
