// The special and added tokens of a tokenizer: found in the text, the rest passed to a scanner.
// Layer: text. Test: tests/unit/text/tokenizer_test.cpp
#ifndef BERT_TEXT_TOKEN_SPLITTER_HPP
#define BERT_TEXT_TOKEN_SPLITTER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/text/added_tokens.hpp"
#include "bert/text/normalized_text.hpp"
#include "bert/text/scanner.hpp"
#include "bert/text/tokenizer_options.hpp"
#include "bert/text/wordpiece/vocabulary.hpp"

namespace bert::inline BERT_ISA::text::detail {

/// Tokens matched in raw text come first; between them, those matched in normalized text; between those, words.
template <class Reference>
class token_splitter {
 public:
  token_splitter(const vocabulary& v, const tokenizer_options& options, const folding<Reference>& form)
      : tokens_(special_and_added(v, options)) {
    std::vector<added_token> raw, normalized;
    normalized_text normal;
    for (const auto& t : tokens_) {
      if (t.special) special_ids_.push_back(t.id);
      if (!Reference::finds_specials && !is_added(options, t.content)) continue;
      if (!t.normalized) {
        raw.push_back(t);
        continue;
      }
      normalized.push_back(t);
      normalize(form, t.content.data(), t.content.data() + t.content.size(), normal);
      normalized.back().content = normal.text;
      if (normalized.back().content.empty()) normalized.pop_back();
    }
    std::sort(special_ids_.begin(), special_ids_.end());
    raw_ = added_tokens(std::move(raw));
    normalized_ = added_tokens(std::move(normalized));
  }

  /// The five special tokens that the vocabulary has, then those of the options.
  [[nodiscard]] const std::vector<added_token>& tokens() const noexcept { return tokens_; }
  [[nodiscard]] bool is_special(token_id id) const noexcept {
    return std::binary_search(special_ids_.begin(), special_ids_.end(), id);
  }

  /// Hash of every field that changes the ids of a text.
  [[nodiscard]] std::string fingerprint() const {
    hash64 hash;
    for (const auto& t : tokens_)
      hash.add(t.content)
          .add(static_cast<std::uint64_t>(t.id))
          .add((t.single_word ? 1u : 0u) | (t.lstrip ? 2u : 0u) | (t.rstrip ? 4u : 0u) | (t.normalized ? 8u : 0u));
    return hash.text();
  }

  /// Passes the words of `text` to `sink(word)` and its tokens to `sink.special(token, first, last)`, in order.
  template <class Sink>
  void scan(const scanner<Reference>& scanner, std::string_view text, Sink& sink) const {
    raw_.split(
        text.data(), text.data() + text.size(),
        [&](const char* first, const char* last) {
          if (normalized_.empty()) scanner.scan(first, last, sink);
          else scan_normalized(scanner, first, last, sink);
        },
        [&](const added_token& t, const char* first, const char* last) { sink.special(t, first, last); });
  }

 private:
  template <class Sink>
  void scan_normalized(const scanner<Reference>& scanner, const char* begin, const char* end, Sink& sink) const {
    static thread_local normalized_text normal;
    normalize(scanner.folding(), begin, end, normal);
    const char* const text = normal.text.data();
    const auto split = [&](auto& words) {
      normalized_.split(
          text, text + normal.text.size(), [&](const char* first, const char* last) { scanner.scan(first, last, words); },
          [&](const added_token& t, const char* first, const char* last) {
            sink.special(t, begin + normal.first[static_cast<std::size_t>(first - text)],
                         begin + normal.last[static_cast<std::size_t>(last - text) - 1]);
          });
    };
    if constexpr (Sink::tracks) {
      original_offsets original(normal, begin, sink);
      split(original);
    } else {
      split(sink);  // no offsets wanted: one scanner less to compile
    }
  }

  static bool is_added(const tokenizer_options& options, const std::string& content) {
    return std::any_of(options.added.begin(), options.added.end(), [&](const auto& t) { return t.content == content; });
  }
  static std::vector<added_token> special_and_added(const vocabulary& v, const tokenizer_options& options) {
    std::vector<added_token> all;
    for (const auto* name : {&options.unk, &options.sep, &options.pad, &options.cls, &options.mask})
      if (const auto id = v.id(*name); id && !is_added(options, *name)) all.push_back({.content = *name, .id = *id});
    all.insert(all.end(), options.added.begin(), options.added.end());
    return all;
  }

  std::vector<added_token> tokens_;
  std::vector<token_id> special_ids_;
  added_tokens raw_, normalized_;
};

}  // namespace bert::text::detail

#endif  // BERT_TEXT_TOKEN_SPLITTER_HPP
