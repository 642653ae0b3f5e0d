// Windows of whole words over a text that is longer than a model reads, and the window that a word is best read in.
// Layer: text. Test: tests/unit/text/windows_test.cpp. Paper: Devlin et al. 2019, run_squad.py ("max context").
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/text/encoding.hpp"

namespace bert::inline BERT_ISA::text {

/// Words [first, last) of each window: as many as have `capacity` pieces or fewer, the last words of a window again in the next
/// where they have `stride` pieces or fewer. `sizes` are the pieces of each word, none more than `capacity`.
///
/// Every window ends later than the one before it: where the next word would not fit behind what is shared, less is shared.
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

/// The window in which `item` has the most context: max_w min(item - w.first, w.last - 1 - item) over the windows that hold it,
/// the first of equals. `windows` are in ascending order and one of them holds the item.
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
