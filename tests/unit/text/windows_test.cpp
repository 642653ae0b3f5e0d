#include "bert/text/windows.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/words.hpp"
#include "support/golden.hpp"

using bert::text::most_context;
using bert::text::text_range;
using bert::text::word_windows;

TEST_CASE("Windows hold as many whole words as fit, and share the last of them with the next") {
  const std::vector<std::size_t> sizes{1, 2, 1, 3, 1, 1};
  CHECK(word_windows(sizes, 9, 3) == std::vector<text_range>{{0, 6}});
  CHECK(word_windows(sizes, 5, 2) == std::vector<text_range>{{0, 3}, {2, 5}, {4, 6}});
  CHECK(word_windows(sizes, 5, 0) == std::vector<text_range>{{0, 3}, {3, 6}});
  CHECK(word_windows({}, 5, 2) == std::vector<text_range>{{0, 0}});
}

TEST_CASE("Every window fits, ends later than the one before, and skips no word, whatever the stride") {
  bert::random_stream random(5, bert::draw::user);
  for (int trial = 0; trial < 300; ++trial) {
    const std::size_t capacity = 2 + random.below(12), stride = random.below(20);
    std::vector<std::size_t> sizes(1 + random.below(40));
    for (auto& size : sizes) size = 1 + random.below(static_cast<std::uint32_t>(capacity));
    const auto windows = word_windows(sizes, capacity, stride);
    CHECK(windows.front().first == 0);
    CHECK(windows.back().last == sizes.size());
    for (std::size_t w = 0; w < windows.size(); ++w) {
      std::size_t pieces = 0, shared = 0;
      for (std::size_t i = windows[w].first; i < windows[w].last; ++i) pieces += sizes[i];
      CHECK(pieces <= capacity);
      if (w == 0) continue;
      CHECK(windows[w].first <= windows[w - 1].last);
      CHECK(windows[w].first > windows[w - 1].first);
      CHECK(windows[w].last > windows[w - 1].last);
      for (std::size_t i = windows[w].first; i < windows[w - 1].last; ++i) shared += sizes[i];
      CHECK(shared <= stride);
    }
    for (std::size_t i = 0, before = 0; i < sizes.size(); ++i) {
      const std::size_t best = most_context(windows, i);
      REQUIRE(best < windows.size());
      CHECK(best >= before);
      before = best;
    }
  }
}

TEST_CASE("A word's window has the most context on the word's shorter side; of equals the first") {
  const std::vector<text_range> windows{{0, 10}, {4, 14}, {8, 18}};
  CHECK(most_context(windows, 0) == 0);
  CHECK(most_context(windows, 6) == 0);  // 3 words after it in the first, 2 before it in the second
  CHECK(most_context(windows, 7) == 1);
  CHECK(most_context(windows, 10) == 1);
  CHECK(most_context(windows, 11) == 2);
  CHECK(most_context(windows, 17) == 2);
}

namespace {

/// The words of `text` by join_words, separated by '|'.
std::string joined(const std::string& text) {
  const auto t = bert::text::tokenizer::open(golden::folder("tanh") / "vocab.txt");
  auto e = t.encode<bert::text::offsets::bytes>(text);
  bert::text::join_words(e, text);
  std::string out;
  for (std::size_t i = 0; i < e.size(); ++i) {
    if (e.special[i] != 0) continue;
    if (!out.empty() && e.words[i] != e.words[i - 1]) out += '|';
    out += text.substr(e.ranges[i].first, e.ranges[i].last - e.ranges[i].first);
  }
  return out;
}

}  // namespace

TEST_CASE("Words are joined at inner punctuation as in tagged corpora, not at punctuation at their ends") {
  CHECK(joined("Ada met Jean-Paul in London.") == "Ada|met|Jean-Paul|in|London|.");
  CHECK(joined("the U.S. (and a/b)") == "the|U.S|.|(|and|a/b|)");
  CHECK(joined("@ada_l #bert x@y.org") == "@ada_l|#bert|x@y.org");
  CHECK(joined("5,000 at 10:30, red,blue") == "5,000|at|10:30|,|red|,|blue");
  CHECK(joined("wait... a - b -c ada's") == "wait|.|.|.|a|-|b|-|c|ada|'|s");
  CHECK(joined("中国a-b") == "中|国|a-b");
  CHECK(joined("") == "");
}
