// Splits a text of any length into overlapping windows of whole words, for taggers.
// Layer: pipeline. Test: tests/unit/pipeline/tagging_test.cpp
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/pipeline/example.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/windows.hpp"
#include "bert/text/words.hpp"

namespace bert::inline BERT_ISA::pipelines {

/// Windows of whole words, joined as by text::join_words. A decoding of your own, for a head with a row a token, may derive
/// from it.
///
/// A word of more pieces than a window is cut at its end; its byte range stays whole.
struct word_windows {
  /// Throws bert::error for a pair of texts, or if a window cannot have 8 tokens.
  [[nodiscard]] static std::vector<text_encoding> windows(const text::tokenizer& tokenizer, std::string_view text,
                                                          std::optional<std::string_view> second,
                                                          const pipeline_options& options) {
    if (second)
      throw error(
          {"bert::pipeline", "one text, as the head gives each of its words a result", "a pair of texts", "call it twice"});
    if (options.max_tokens < 8)
      throw error({"bert::pipeline_options", ".max_tokens of at least 8", cat(options.max_tokens), {}});
    auto all = tokenizer.encode<text::offsets::bytes>(text, {.special_tokens = false});
    text::join_words(all, text);
    const std::size_t capacity = options.max_tokens - 2;
    std::vector<std::size_t> sizes, starts{0};  // each word's pieces in a window, and its first token in `all`
    for (std::size_t t = 0; t < all.size(); ++t)
      if (t + 1 == all.size() || all.words[t + 1] != all.words[t]) {
        sizes.push_back(std::min(t + 1 - starts.back(), capacity));
        all.ranges[starts.back() + sizes.back() - 1].last = all.ranges[t].last;
        starts.push_back(t + 1);
      }
    std::vector<text_encoding> out;
    for (const auto& window : text::word_windows(sizes, capacity, std::min(options.stride, capacity / 2))) {
      text_encoding& w = out.emplace_back();
      const auto put = [&](token_id id, text::text_range range, std::int32_t word, bool special) {
        w.ids.push_back(id);
        w.segments.push_back(0);
        w.ranges.push_back(range);
        w.words.push_back(word);
        w.special.push_back(special ? 1 : 0);
      };
      put(tokenizer.cls_id(), {}, text::no_word, true);
      for (std::size_t word = window.first; word < window.last; ++word)
        for (std::size_t t = starts[word]; t < starts[word] + sizes[word]; ++t)
          put(all.ids[t], all.ranges[t], all.words[t], false);
      put(tokenizer.sep_id(), {}, text::no_word, true);
    }
    return out;
  }
};

}  // namespace bert::pipelines
