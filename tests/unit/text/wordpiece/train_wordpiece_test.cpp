#include "bert/text/wordpiece/train_wordpiece.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
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

// The definition: recounts and rescores every pair before every merge; of equal scores takes the pair of the oldest pieces.
template <class Scoring>
strings merged_by_definition(const std::vector<counted_word>& words, std::size_t size) {
  std::set<char> letters, inside;
  for (const auto& w : words) {
    letters.insert(w.text.begin(), w.text.end());
    inside.insert(w.text.begin() + 1, w.text.end());
  }
  strings pieces;
  for (const char c : letters) pieces.emplace_back(1, c);
  for (const char c : inside) pieces.push_back(std::string("##") + c);
  std::vector<std::vector<std::size_t>> spelled;
  for (const auto& w : words) {
    auto& s = spelled.emplace_back();
    for (std::size_t i = 0; i < w.text.size(); ++i) {
      const std::string piece = (i == 0 ? "" : "##") + w.text.substr(i, 1);
      s.push_back(static_cast<std::size_t>(std::find(pieces.begin(), pieces.end(), piece) - pieces.begin()));
    }
  }
  while (pieces.size() < size) {
    std::vector<double> uses(pieces.size());
    std::map<std::pair<std::size_t, std::size_t>, double> pairs;
    double all = 0;
    for (std::size_t w = 0; w < words.size(); ++w) {
      const auto n = static_cast<double>(words[w].count);
      for (std::size_t i = 0; i < spelled[w].size(); ++i) {
        uses[spelled[w][i]] += n;
        all += n;
        if (i > 0) pairs[{spelled[w][i - 1], spelled[w][i]}] += n;
      }
    }
    if (pairs.empty()) break;
    const auto score = [&](const auto& p) { return Scoring::score(p.second, uses[p.first.first], uses[p.first.second], all); };
    auto best = pairs.begin();
    for (auto p = pairs.begin(); p != pairs.end(); ++p)
      if (score(*p) > score(*best)) best = p;
    const auto [left, right] = best->first;
    for (auto& s : spelled)
      for (std::size_t i = 0; i + 1 < s.size(); ++i)
        if (s[i] == left && s[i + 1] == right) {
          s[i] = pieces.size();
          s.erase(s.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
    pieces.push_back(pieces[left] + pieces[right].substr(2));
  }
  return pieces;
}

template <class Scoring>
void check_merges(unsigned seed) {
  std::mt19937 draw(seed);
  std::map<std::string, std::uint64_t> made;
  for (std::size_t n = 2 + draw() % 30; n > 0; --n) {
    std::string word;
    for (std::size_t size = 1 + draw() % 7; size > 0; --size) word += static_cast<char>('a' + draw() % 3);
    made[word] = 1 + draw() % 40;
  }
  std::vector<counted_word> words;
  for (const auto& [text, count] : made) words.push_back({text, count});
  const std::size_t size = 8 + draw() % 20;
  detail::merger<Scoring> merger(words, {}, 1'000);
  merger.run(size, 1);
  CAPTURE(seed);
  REQUIRE(merger.pieces() == merged_by_definition<Scoring>(words, std::max(size, merger.given())));
}

}  // namespace

TEST_CASE("Pairs are merged in the order of the definition, for random words and both scoring policies") {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    check_merges<scoring::pair_counts>(seed);
    check_merges<scoring::likelihood_gain>(seed);
  }
}

TEST_CASE("A pair that occurs less often than min_frequency is not merged") {
  const std::vector<counted_word> words{{"ab", 3}, {"cd", 2}};
  detail::merger<scoring::pair_counts> merger(words, {}, 1'000);
  merger.run(100, 3);
  CHECK(merger.pieces() == strings{"a", "b", "c", "d", "##b", "##d", "ab"});
}

TEST_CASE("Uses are counted again after a piece is dropped") {
  // abcd is used least; without it abc is used 5 times, more often than xy.
  strings pieces{"a", "x", "##b", "##c", "##d", "##y", "abc", "xy", "abcd"};
  detail::drop_least_used(pieces, {{"abc", 3}, {"abcd", 2}, {"xy", 4}}, 6, 7);
  CHECK(pieces == strings{"a", "x", "##b", "##c", "##d", "##y", "abc"});
  detail::drop_least_used(pieces, {{"xy", 4}}, 6, 7);
  CHECK(pieces.size() == 7);
}

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

TEST_CASE("Frequent words become one piece, and no word of the text is [UNK]") {
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

TEST_CASE("A surplus, dropped by use, gives fewer pieces per word than merging alone") {
  const auto text = corpus(2000, 3);
  wordpiece_report plain, pruned;
  (void)train_wordpiece(text, {.vocab = 80, .surplus = 0}, &plain);
  (void)train_wordpiece(text, {.vocab = 80}, &pruned);
  CHECK(pruned.pieces_per_word <= plain.pieces_per_word);
}

TEST_CASE("Without a surplus the pieces are the first ones that merging gives; a surplus is a share of what is merged") {
  const auto text = corpus(2000, 3);
  const auto plain = train_wordpiece(text, {.vocab = 80, .surplus = 0}).vocabulary();
  const auto more = train_wordpiece(text, {.vocab = 110, .surplus = 0}).vocabulary();
  for (bert::token_id i = 0; i < 80; ++i) REQUIRE(plain.piece(i) == more.piece(i));
  // By definition: as many merges as the share says, of which the least used are dropped.
  const auto words = count_words(text, {}, bert::execution::serial{});
  detail::merger<scoring::pair_counts> merger(words, detail::special_pieces(0), 1'000);
  const std::size_t given = merger.given();
  merger.run(80 + (80 - given) / 2, wordpiece_options{}.min_frequency);
  strings pieces = merger.pieces();
  detail::drop_least_used(pieces, words, given, 80);
  CHECK(train_wordpiece(text, {.vocab = 80, .surplus = 0.5f}).vocabulary() == vocabulary(pieces));
}

TEST_CASE("Both scoring policies learn the words of a text, with different pieces") {
  const auto text = corpus(500, 4);
  const auto counts = train_wordpiece<scoring::pair_counts>(text, {.vocab = 90, .surplus = 0}).vocabulary();
  const auto likelihood = train_wordpiece<scoring::likelihood_gain>(text, {.vocab = 90, .surplus = 0}).vocabulary();
  CHECK(counts.size() == likelihood.size());
  CHECK_FALSE(counts == likelihood);
}

TEST_CASE("Special tokens have the ids of Google's files") {
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
  (void)train_wordpiece(text, {.vocab = 9, .alphabet_limit = 2}, &report);  // no id left for a merge: aa is a and ##a
  CHECK(report.words == 101);
  CHECK(report.distinct_words == 3);
  CHECK(report.pieces_per_word == doctest::Approx((2 * 100 + 1) / 101.0));
  CHECK_THROWS_AS((void)train_wordpiece(text, {.vocab = 6}), bert::error);
}

TEST_CASE("Words are counted as the tokenizer splits them") {
  const strings text{"Caf\xC3\xA9, cafe caf\xC3\xA9!", std::string(101, 'x')};
  const auto counted = count_words(text, {}, bert::execution::serial{});
  CHECK(counted == std::vector<counted_word>{{"!", 1}, {",", 1}, {"cafe", 3}});
}

TEST_CASE("A text of many blocks is counted to the last word on several threads") {
  std::string line;
  while (line.size() < (std::size_t{1} << 20)) line += "the cat ";
  const std::uint64_t in_a_line = line.size() / 8;
  strings text(10, line);  // two threads count eight at a time
  std::string many;
  for (int i = 1000; i < 2500; ++i) many += 'w' + std::to_string(i) + ' ';
  text.push_back(many);
  text.push_back(many);
  const auto counted = count_words(text, {}, bert::execution::threads{2});
  CHECK(count_words(text, {}, bert::execution::threads{5}) == counted);
  REQUIRE(counted.size() == 1502);
  CHECK(counted[0] == counted_word{"cat", 10 * in_a_line});
  CHECK(counted[1] == counted_word{"the", 10 * in_a_line});
  for (std::size_t i = 2; i < counted.size(); ++i) REQUIRE(counted[i] == counted_word{'w' + std::to_string(i + 998), 2});
}
