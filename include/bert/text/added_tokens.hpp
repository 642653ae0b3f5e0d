// Finds special and added tokens, such as [MASK], in text before it is split into words.
// Layer: text. Test: tests/unit/text/added_tokens_test.cpp
#ifndef BERT_TEXT_ADDED_TOKENS_HPP
#define BERT_TEXT_ADDED_TOKENS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/text/unicode/properties.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::text {

/// A token that is matched in the text itself; the fields are those of tokenizer.json.
struct added_token {
  std::string content;
  token_id id = 0;
  bool single_word = false;  ///< matches only where no word character adjoins it
  bool lstrip = false;       ///< includes the white space before it
  bool rstrip = false;       ///< includes the white space after it
  bool normalized = false;   ///< matched in the normalized text
  bool special = true;       ///< omitted by decode with decode_options::skip_special
};

/// Matches added tokens: the leftmost first, and of those that begin there the longest.
class added_tokens {
 public:
  added_tokens() = default;
  explicit added_tokens(std::vector<added_token> tokens) : tokens_(std::move(tokens)) {
    for (const auto& t : tokens_) {
      if (t.content.empty()) throw_error({"bert::text::added_tokens", "a token with content", "an empty one", "leave it out"});
      first_[static_cast<unsigned char>(t.content[0])] = true;
    }
    for (std::size_t i = 0; i < tokens_.size(); ++i) by_length_.push_back(i);
    std::sort(by_length_.begin(), by_length_.end(), [this](std::size_t a, std::size_t b) {
      const std::size_t x = tokens_[a].content.size(), y = tokens_[b].content.size();
      return x != y ? x > y : a < b;
    });
    if (std::count(first_.begin(), first_.end(), true) == 1)
      only_ = static_cast<int>(std::find(first_.begin(), first_.end(), true) - first_.begin());
  }

  [[nodiscard]] const std::vector<added_token>& all() const noexcept { return tokens_; }
  [[nodiscard]] bool empty() const noexcept { return tokens_.empty(); }

  /// Calls `on_token(token, first, last)` for every token and `on_text(first, last)` for the text between, in order.
  template <class OnText, class OnToken>
  void split(const char* const begin, const char* const end, OnText&& on_text, OnToken&& on_token) const {
    const char* done = begin;  // end of what has been passed on
    for (const char* p = next_candidate(begin, end); p < end;) {
      const added_token* const found = longest_at(p, end);
      if (found == nullptr) {
        p = next_candidate(p + 1, end);
        continue;
      }
      const char *first = p, *last = p + found->content.size();
      p = last;
      if (!found->single_word || (!ends_with_word(begin, first) && !starts_with_word(last, end))) {
        if (found->lstrip) first = std::max(done, spaces_before(begin, first));
        if (found->rstrip) last = spaces_after(last, end);
        if (done < first) on_text(done, first);
        on_token(*found, first, last);
        done = last;
      }
      p = next_candidate(p, end);
    }
    if (done < end) on_text(done, end);
  }

 private:
  [[nodiscard]] const char* next_candidate(const char* p, const char* end) const noexcept {
    if (tokens_.empty() || p >= end) return end;
    if (only_ >= 0) {
      const void* const hit = std::memchr(p, only_, static_cast<std::size_t>(end - p));
      return hit == nullptr ? end : static_cast<const char*>(hit);
    }
    while (p < end && !first_[static_cast<unsigned char>(*p)]) ++p;
    return p;
  }
  [[nodiscard]] const added_token* longest_at(const char* p, const char* end) const noexcept {
    const std::string_view rest(p, static_cast<std::size_t>(end - p));
    for (const std::size_t i : by_length_)
      if (rest.starts_with(tokens_[i].content)) return &tokens_[i];
    return nullptr;
  }

  static bool is_space(char32_t c) noexcept {
    return (c >= 9 && c <= 13) || c == 0x85 || unicode::kind_of<reference::transformers>(c) == kind::space;
  }
  static bool ends_with_word(const char* begin, const char* p) noexcept {
    return p > begin && unicode::contains(unicode::word_characters, utf8::decode(utf8::previous(begin, p), p).code);
  }
  static bool starts_with_word(const char* p, const char* end) noexcept {
    return p < end && unicode::contains(unicode::word_characters, utf8::decode(p, end).code);
  }
  static const char* spaces_before(const char* begin, const char* p) noexcept {
    while (p > begin) {
      const char* const q = utf8::previous(begin, p);
      if (!is_space(utf8::decode(q, p).code)) break;
      p = q;
    }
    return p;
  }
  static const char* spaces_after(const char* p, const char* end) noexcept {
    while (p < end) {
      const auto [code, bytes] = utf8::decode(p, end);
      if (!is_space(code)) break;
      p += bytes;
    }
    return p;
  }

  std::vector<added_token> tokens_;
  std::vector<std::size_t> by_length_;
  std::array<bool, 256> first_{};  // bytes with which a token begins
  int only_ = -1;                  // that byte if there is one only
};

}  // namespace bert::text

#endif  // BERT_TEXT_ADDED_TOKENS_HPP
