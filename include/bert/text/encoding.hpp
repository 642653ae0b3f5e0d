// All that is known of every token: where it stands in the text, in which word, in which sequence.
// Layer: text. Test: tests/unit/text/tokenizer_test.cpp
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/text/added_tokens.hpp"
#include "bert/text/scanner.hpp"
#include "bert/text/utf8.hpp"

namespace bert::inline BERT_ISA::text {

/// The unit in which a token's place in the text is told.
namespace offsets {

struct none {};  ///< not told, and nothing spent on it
struct bytes {};
struct code_points {};  ///< as Python's str counts; a replaced part of invalid UTF-8 is one
struct utf16 {};        ///< as JavaScript, Java and C# count

}  // namespace offsets

/// [first, last) in the text given.
struct text_range {
  std::size_t first = 0, last = 0;
  friend bool operator==(const text_range&, const text_range&) = default;
};

inline constexpr std::int32_t no_word = -1;

/// Tokens of one sequence or pair, [CLS] and [SEP] included; one entry a token in every field.
template <class Offsets>
struct encoding {
  std::vector<token_id> ids;
  std::vector<segment_id> segments;
  std::vector<text_range> ranges;        ///< in the token's own text; {0, 0} for [CLS] and [SEP]; empty with offsets::none
  std::vector<std::int32_t> words;       ///< number of the word in its text, no_word for [CLS] and [SEP]
  std::vector<std::uint8_t> special;     ///< 1 for [CLS] and [SEP]
  std::size_t cut = 0;                   ///< tokens of the texts that are not in `ids`

  [[nodiscard]] std::size_t size() const noexcept { return ids.size(); }
  /// As a batch of one.
  [[nodiscard]] token_batch batch() const {
    token_batch out;
    out.add(ids, segments);
    return out;
  }
};

namespace detail {

/// One text's tokens before anything is cut or put around them.
struct token_list {
  std::vector<token_id> ids;
  std::vector<text_range> ranges;
  std::vector<std::int32_t> words;

  void clear() noexcept {
    ids.clear();
    ranges.clear();
    words.clear();
  }
};

/// Fills a token_list; the places in bytes.
template <bool Tracks>
class list_sink {
 public:
  static constexpr bool tracks = Tracks;
  list_sink(const vocabulary& v, const char* text, token_list& out) : vocabulary_(v), text_(text), out_(out) {}

  void operator()(const scanned_word& w) {
    out_.ids.insert(out_.ids.end(), w.ids, w.ids + w.count);
    out_.words.insert(out_.words.end(), w.count, word_++);
    if constexpr (Tracks) {
      const auto base = static_cast<std::size_t>(w.begin - text_);
      std::size_t from = 0;
      for (std::size_t i = 0; i < w.count; ++i) {
        std::size_t to = w.bytes;
        if (w.known && w.count > 1) to = from + vocabulary_.piece(w.ids[i]).size() - (i == 0 ? 0 : 2);
        if (w.map == nullptr) out_.ranges.push_back({base + from, base + to});
        else out_.ranges.push_back({base + w.map->first[from], base + w.map->last[to - 1]});
        from = to;
      }
    }
  }
  void special(const added_token& t, const char* first, const char* last) {
    out_.ids.push_back(t.id);
    out_.words.push_back(word_++);
    if constexpr (Tracks) out_.ranges.push_back({static_cast<std::size_t>(first - text_), static_cast<std::size_t>(last - text_)});
  }

 private:
  const vocabulary& vocabulary_;
  const char* text_;
  token_list& out_;
  std::int32_t word_ = 0;
};

/// Byte offsets of one text to another unit. Offsets come almost in order, so each is counted from the one before.
template <class Offsets>
class offset_counter {
 public:
  explicit offset_counter(std::string_view text) : text_(text) {}

  std::size_t operator()(std::size_t byte) {
    if constexpr (std::is_same_v<Offsets, offsets::bytes>) return byte;
    if (byte < at_) at_ = units_ = 0;
    const char* const end = text_.data() + text_.size();
    while (at_ < byte) {
      const auto [code, bytes] = utf8::decode(text_.data() + at_, end);
      at_ += bytes;
      units_ += std::is_same_v<Offsets, offsets::utf16> && code > 0xFFFF ? 2 : 1;
    }
    return units_;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0, units_ = 0;
};

/// The parts that a text of `size` tokens is cut into: `room` tokens each, `stride` shared with the next; the first is kept.
inline std::vector<text_range> window_ranges(std::size_t size, std::size_t room, std::size_t stride, bool from_left) {
  if (size <= room) return {{0, size}};
  if (stride >= room)
    throw error({"bert::text::tokenizer::windows", cat("a stride below the ", room, " tokens of a window"), cat(stride),
                 "a window has max_tokens less the special tokens and the other sequence"});
  std::vector<text_range> out;
  if (!from_left) {
    for (std::size_t first = 0;; first += room - stride) {
      out.push_back({first, std::min(first + room, size)});
      if (out.back().last == size) return out;
    }
  }
  for (std::size_t last = size;; last -= room - stride) {
    out.push_back({last < room ? 0 : last - room, last});
    if (out.back().first == 0) return out;
  }
}

}  // namespace detail
}  // namespace bert::text
