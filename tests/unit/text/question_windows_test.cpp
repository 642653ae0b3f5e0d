#include "bert/text/question_windows.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "bert/text/windows.hpp"

using bert::text::question_windows;
using bert::text::text_range;

TEST_CASE("windows begin a step apart, or as far as their capacity if the step is longer, and the last ends the context") {
  const question_windows w({.max_tokens = 20, .max_question = 8, .step = 7}, "test");
  CHECK(w.capacity(5) == 12);
  CHECK(w(5, 0) == std::vector<text_range>{{0, 0}});
  CHECK(w(5, 12) == std::vector<text_range>{{0, 12}});
  CHECK(w(5, 13) == std::vector<text_range>{{0, 12}, {7, 13}});
  CHECK(w(5, 27) == std::vector<text_range>{{0, 12}, {7, 19}, {14, 26}, {21, 27}});
  CHECK(question_windows({.max_tokens = 20, .max_question = 8}, "test")(5, 25) ==
        std::vector<text_range>{{0, 12}, {12, 24}, {24, 25}});
}

TEST_CASE("an overlap is shared by all neighbors, whatever the question's length") {
  const question_windows w({.max_tokens = 20, .max_question = 8, .overlap = 4}, "test");
  for (const std::size_t question : {0u, 3u, 8u}) {
    const auto all = w(question, 100);
    for (std::size_t i = 1; i < all.size(); ++i) CHECK(all[i - 1].last - all[i].first == 4);
    CHECK(all.back().last == 100);
  }
}

TEST_CASE("the window of most context is the longer of two that are as good, unlike text::most_context") {
  const std::vector<text_range> windows{{0, 10}, {6, 16}, {12, 15}};
  // Token 13: 2 tokens of context in the second window, 1 in the third.
  CHECK(bert::text::max_context(windows, 13) == 1);
  // Token 8: one token of context in the first window, two in the second.
  CHECK(bert::text::max_context(windows, 8) == 1);
  CHECK(bert::text::max_context(windows, 0) == 0);
  // Token 7: two in the first window, one in the second.
  CHECK(bert::text::max_context(windows, 7) == 0);
  const std::vector<text_range> longer{{0, 6}, {2, 12}};
  CHECK(bert::text::max_context(longer, 4) == 1);  // one tokens of context against two
  const std::vector<text_range> equal{{0, 6}, {3, 12}};
  CHECK(bert::text::max_context(equal, 4) == 1);  // one token in both, but the second is longer
  CHECK(bert::text::most_context(equal, 4) == 0);
  const std::vector<text_range> same{{0, 9}, {3, 12}};
  for (std::size_t t = 3; t < 9; ++t) CHECK(bert::text::max_context(same, t) == (t < 6 ? 0u : 1u));
}
