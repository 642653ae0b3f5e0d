// Splits a text of any length into overlapping windows of whole words, for taggers.
// Layer: pipeline. Test: tests/unit/pipeline/tagging_test.cpp
#ifndef BERT_PIPELINE_WORD_WINDOWS_HPP
#define BERT_PIPELINE_WORD_WINDOWS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
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
      throw_error(
          {"bert::pipeline", "one text, as the head gives each of its words a result", "a pair of texts", "call it twice"});
    check(options);
    auto all = tokenizer.encode<text::offsets::bytes>(text, {.special_tokens = false});
    text::join_words(all, text);
    return cut(tokenizer, std::move(all), options);
  }

  /// The same for a text whose words are known: `words` are joined by single spaces to `text`, and each is tokenized on its
  /// own. One for which the tokenizer gives no piece becomes [UNK].
  [[nodiscard]] static std::vector<text_encoding> windows(const text::tokenizer& tokenizer,
                                                          std::span<const std::string_view> words,
                                                          const pipeline_options& options) {
    check(options);
    text_encoding all;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < words.size(); begin += words[i++].size() + 1) {
      const auto number = static_cast<std::int32_t>(i);
      const auto one = tokenizer.encode<text::offsets::bytes>(words[i], {.special_tokens = false});
      for (std::size_t t = 0; t < one.size(); ++t)
        put(all, one.ids[t], {begin + one.ranges[t].first, begin + one.ranges[t].last}, number, false);
      if (one.size() == 0) put(all, tokenizer.unk_id(), {begin, begin + words[i].size()}, number, false);
    }
    return cut(tokenizer, std::move(all), options);
  }

 private:
  static void check(const pipeline_options& options) {
    if (options.max_tokens < 8)
      throw_error({"bert::pipeline_options", ".max_tokens of at least 8", cat(options.max_tokens), {}});
  }
  static void put(text_encoding& to, token_id id, text::text_range range, std::int32_t word, bool special) {
    to.ids.push_back(id);
    to.segments.push_back(0);
    to.ranges.push_back(range);
    to.words.push_back(word);
    to.special.push_back(special ? 1 : 0);
  }
  [[nodiscard]] static std::vector<text_encoding> cut(const text::tokenizer& tokenizer, text_encoding all,
                                                      const pipeline_options& options) {
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
      put(w, tokenizer.cls_id(), {}, text::no_word, true);
      for (std::size_t word = window.first; word < window.last; ++word)
        for (std::size_t t = starts[word]; t < starts[word] + sizes[word]; ++t)
          put(w, all.ids[t], all.ranges[t], all.words[t], false);
      put(w, tokenizer.sep_id(), {}, text::no_word, true);
    }
    return out;
  }
};

}  // namespace bert::pipelines

#endif  // BERT_PIPELINE_WORD_WINDOWS_HPP
