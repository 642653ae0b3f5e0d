#include "bert/text/wordpiece/train_wordpiece.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

using namespace bert::text;
using strings = std::vector<std::string>;

namespace {

strings corpus(std::size_t lines, unsigned seed) {
  const strings stems{"walk", "talk", "jump", "play", "read", "light", "house", "water", "stone", "green"};
  const strings ends{"", "s", "ed", "ing", "er", "ers", "less", "ness"};
  std::mt19937 draw(seed);
  strings out;
  for (std::size_t i = 0; i < lines; ++i) {
    std::string line;
    for (int w = 0; w < 8; ++w) line += stems[draw() % stems.size()] + ends[draw() % ends.size()] + ' ';
    out.push_back(line + "\xE4\xB8\xAD.");
  }
  return out;
}

struct lines_of {
  const strings& lines;
  template <class F>
  void for_each_line(F&& f) const {
    for (const auto& l : lines) f(std::string_view(l));
  }
};

}  // namespace

TEST_CASE("The vocabulary does not depend on threads, on the order of lines or on the kind of source") {
  auto text = corpus(2000, 1);
  const wordpiece_options options{.vocab = 120, .threads = 1};
  const auto one = train_wordpiece(text, options).vocabulary();
  CHECK(train_wordpiece(text, {.vocab = 120, .threads = 3}).vocabulary() == one);
  CHECK(train_wordpiece(lines_of{text}, {.vocab = 120, .threads = 2}).vocabulary() == one);
  std::shuffle(text.begin(), text.end(), std::mt19937(5));
  CHECK(train_wordpiece(text, options).vocabulary() == one);
  CHECK(train_wordpiece(text, options, bert::execution::serial{}).vocabulary() == one);
}

TEST_CASE("Frequent words become pieces, whole, and every word of the text can be spelt") {
  const auto text = corpus(500, 2);
  wordpiece_report report;
  const auto t = train_wordpiece(text, {.vocab = 150}, &report);
  CHECK(t.size() == 150);
  CHECK(t.tokens("walking") == strings{"walking"});
  for (const auto& line : text)
    for (const auto& piece : t.tokens(line)) REQUIRE(piece != "[UNK]");
  CHECK(report.words == 500 * 10);
  CHECK(report.words_left_out == 0);
  CHECK(report.alphabet == report.characters);
  CHECK(report.pieces_per_word >= 1.0);
}

TEST_CASE("Learning more and dropping the least used takes fewer pieces a word than merging alone") {
  const auto text = corpus(2000, 3);
  wordpiece_report plain, pruned;
  (void)train_wordpiece(text, {.vocab = 80, .surplus = 0}, &plain);
  (void)train_wordpiece(text, {.vocab = 80}, &pruned);
  CHECK(pruned.pieces_per_word <= plain.pieces_per_word);
}

TEST_CASE("Both scoring policies learn the words of a text, in ways of their own") {
  const auto text = corpus(500, 4);
  const auto counts = train_wordpiece<scoring::pair_counts>(text, {.vocab = 90, .surplus = 0}).vocabulary();
  const auto likelihood = train_wordpiece<scoring::likelihood_gain>(text, {.vocab = 90, .surplus = 0}).vocabulary();
  CHECK(counts.size() == likelihood.size());
  CHECK_FALSE(counts == likelihood);
}

TEST_CASE("Special tokens lie where Google's files have them") {
  const auto text = corpus(100, 5);
  const auto plain = train_wordpiece(text, {.vocab = 100}).vocabulary();
  CHECK(plain.piece(0) == "[PAD]");
  CHECK(plain.piece(4) == "[MASK]");
  const auto google = train_wordpiece(text, {.vocab = 1100, .unused = 994}).vocabulary();
  CHECK(google.id("[unused0]") == 1);
  CHECK(google.id("[UNK]") == 100);
  CHECK(google.id("[MASK]") == 103);
  CHECK(google.id("[unused99]") == 104);
  CHECK(google.id("[unused993]") == 998);
}

TEST_CASE("The alphabet is limited to the most frequent characters, and words with others are counted as left out") {
  strings text(50, "aa bb");
  text.push_back("zz");
  wordpiece_report report;
  const auto t = train_wordpiece(text, {.vocab = 20, .alphabet_limit = 2}, &report);
  CHECK(report.characters == 3);
  CHECK(report.alphabet == 2);
  CHECK(report.words_left_out == 1);
  CHECK_FALSE(t.vocabulary().id("z").has_value());
  CHECK_THROWS_AS((void)train_wordpiece(text, {.vocab = 6}), bert::error);
}

TEST_CASE("Words are counted as the tokenizer splits them") {
  const strings text{"Caf\xC3\xA9, cafe caf\xC3\xA9!", std::string(101, 'x')};
  const auto counted = count_words(text, {}, bert::execution::serial{});
  CHECK(counted == std::vector<counted_word>{{"!", 1}, {",", 1}, {"cafe", 3}});
}
