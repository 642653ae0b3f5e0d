#include "bert/data/rewriting.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

namespace {
namespace data = bert::data;
using strings = std::vector<std::string>;

struct candidate {
  std::string piece;
  float probability;
};
/// Gives the same candidates for every mask, of at most `most`, and records what it was asked.
struct fake_fill {
  std::vector<candidate> candidates{{"##ing", 0.4f}, {"good", 0.2f}, {"[UNK]", 0.1f},
                                    {",", 0.1f},     {"new", 0.15f}, {"old", 0.05f}};
  std::size_t most = 100;
  mutable std::string asked = {};

  [[nodiscard]] std::vector<std::vector<candidate>> operator()(const std::string& text) const {
    asked = text;
    std::size_t masks = 0;
    for (std::size_t at = text.find("[MASK]"); at != std::string::npos; at = text.find("[MASK]", at + 1)) ++masks;
    return std::vector<std::vector<candidate>>(std::min(masks, most), candidates);
  }
};
}  // namespace

TEST_CASE("a share of the words becomes candidates, drawn by probability, without pieces, marks and the word itself") {
  const fake_fill fill;
  const data::rewriter rewrite(fill, {.share = 0.4f, .seed = 3});
  std::map<std::string, int> seen;
  for (std::uint64_t key = 0; key < 400; ++key) {
    const std::string text = rewrite("The good film, a big (town)!", {.key = key});
    CHECK(text == rewrite("The good film, a big (town)!", {.key = key}));
    std::size_t masks = 0;
    for (std::size_t at = fill.asked.find("[MASK]"); at != std::string::npos; at = fill.asked.find("[MASK]", at + 1)) ++masks;
    CHECK(masks == 2);  // of 6 words
    CHECK(text.starts_with("The "));
    CHECK(text.find(", a ") != std::string::npos);
    CHECK(text.ends_with(")!"));
    CHECK(text.find("##") == std::string::npos);
    CHECK(text.find('[') == std::string::npos);
    for (const char* word : {"good film", "new film", "old film"}) seen[word] += text.find(word) != std::string::npos ? 1 : 0;
  }
  CHECK(seen["new film"] > seen["old film"]);
  CHECK(seen["old film"] > 10);
}

TEST_CASE("words beyond the model's positions and words without a candidate stay") {
  const fake_fill none{.candidates = {{"##s", 1.0f}, {".", 0.5f}}}, one{.candidates = {{"new", 1.0f}}, .most = 1};
  CHECK(data::rewriter(none, {.share = 1})("big town", {}) == "big town");
  CHECK(data::rewriter(one, {.share = 1})("big town", {}) == "new town");
  const fake_fill fill;
  CHECK(data::rewriter(fill, {.share = 1})("...", {}) == "...");
  CHECK(data::rewriter(fill, {.share = 1})("the", {}) == "the");
  CHECK_THROWS_WITH_AS(data::rewriter(fill, {.share = 0}), doctest::Contains("a share above 0"), bert::error);
}

TEST_CASE("a Chinese word is masked character by character and keeps its length") {
  const fake_fill fill{.candidates = {{"新", 1.0f}, {"。", 0.5f}}};
  data::word_list words;
  words.add("北京");
  CHECK(data::rewriter(fill, {.share = 1}, words)("在北京。", {}) == "在新新。");
  CHECK(fill.asked == "在[MASK][MASK]。");
}

TEST_CASE("of tagged words those outside of entities are written anew, each by one word") {
  const fake_fill fill{.candidates = {{"new", 1.0f}}};
  strings words{"Anna", "left", "the", "town", "."}, tags{"B-PER", "O", "O", "O", "O"};
  data::rewriter(fill, {.share = 1}).tagged(words, tags, {});
  CHECK(words == strings{"Anna", "new", "the", "new", "."});
  CHECK(tags == strings{"B-PER", "O", "O", "O", "O"});
  CHECK(fill.asked == "Anna [MASK] the [MASK] .");
}
