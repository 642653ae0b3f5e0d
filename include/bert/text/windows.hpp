// Windows of whole words over a text longer than a model's positions, and the window with the most context of a word.
// Layer: text. Test: tests/unit/text/windows_test.cpp. Paper: Devlin et al. 2019, run_squad.py ("max context").
#ifndef BERT_TEXT_WINDOWS_HPP
#define BERT_TEXT_WINDOWS_HPP

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/text/encoding.hpp"

namespace bert::inline BERT_ISA::text {

/// Words [first, last) of each window of at most `capacity` pieces. A window repeats the last words of the one before, at most
/// `stride` pieces. `sizes` holds the number of pieces of each word, none above `capacity`.
///
/// Every window ends later than the one before: it repeats fewer words if the next word would not fit otherwise.
[[nodiscard]] inline std::vector<text_range> word_windows(std::span<const std::size_t> sizes, std::size_t capacity,
                                                          std::size_t stride) {
  std::vector<text_range> windows;
  for (std::size_t first = 0;;) {
    std::size_t last = first, pieces = 0;
    while (last < sizes.size() && pieces + sizes[last] <= capacity) pieces += sizes[last++];
    windows.push_back({first, last});
    if (last >= sizes.size()) return windows;
    const std::size_t shared = std::min(stride, capacity - sizes[last]);
    for (first = last, pieces = 0; first > windows.back().first + 1 && pieces + sizes[first - 1] <= shared;)
      pieces += sizes[--first];
  }
}

/// argmax_w min(item - w.first, w.last - 1 - item) over the windows that contain `item`: the one with the most context.
///
/// Returns the first of equals. Pre: `windows` ascend and one of them contains `item`.
[[nodiscard]] inline std::size_t most_context(std::span<const text_range> windows, std::size_t item) noexcept {
  std::size_t best = windows.size(), most = 0;
  for (std::size_t w = 0; w < windows.size() && windows[w].first <= item; ++w) {
    if (item >= windows[w].last) continue;
    const std::size_t context = std::min(item - windows[w].first, windows[w].last - 1 - item);
    if (best == windows.size() || context > most) {
      best = w;
      most = context;
    }
  }
  return best;
}

}  // namespace bert::text

#endif  // BERT_TEXT_WINDOWS_HPP
