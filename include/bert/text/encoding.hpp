// All that is known of every token: where it stands in the text, in which word, in which sequence.
// Layer: text. Test: tests/unit/text/tokenizer_test.cpp
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/text/added_tokens.hpp"
#include "bert/text/scanner.hpp"

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
  std::vector<text_range> ranges;     ///< in the token's own text; {0, 0} for [CLS] and [SEP]; empty with offsets::none
  std::vector<std::int32_t> words;    ///< number of the word in its text, no_word for [CLS] and [SEP]
  std::vector<std::uint8_t> special;  ///< 1 for [CLS] and [SEP]
  std::size_t cut = 0;                ///< tokens of the texts that are not in `ids`

  [[nodiscard]] std::size_t size() const noexcept { return ids.size(); }
  /// As a batch of one.
  [[nodiscard]] token_batch batch() const {
    token_batch out;
    out.add(ids, segments);
    return out;
  }
};

namespace detail {

template <class Offsets>
inline constexpr bool has_offsets = !std::is_same_v<Offsets, offsets::none>;

/// One text's tokens before anything is cut or put around them: the first `size` entries of columns that a thread keeps.
struct token_list {
  std::vector<token_id> ids;
  std::vector<std::int32_t> words;
  std::vector<text_range> ranges;  // left empty where nobody asks for places
  std::size_t size = 0;

  [[nodiscard]] std::span<const token_id> all_ids() const noexcept { return std::span(ids).first(size); }
};

/// Fills a token_list from its beginning; the places in bytes. Columns grow together and seldom, so that a token costs its
/// stores.
template <bool Tracks>
class list_sink {
 public:
  static constexpr bool tracks = Tracks;
  list_sink(const vocabulary& v, const char* text, token_list& out) : vocabulary_(v), text_(text), out_(out) {
    out.size = 0;
    hold(std::max(out.ids.size(), std::size_t{256}));
  }
  list_sink(const list_sink&) = delete;
  list_sink& operator=(const list_sink&) = delete;

  [[gnu::always_inline]] void operator()(const scanned_word& w) {
    if (w.count > capacity_ - held_) grow(w.count);
    if (w.count != 1) {
      several(w);
      return;
    }
    const auto base = static_cast<std::size_t>(w.begin - text_);
    if (w.map == nullptr) put(w.ids[0], base, base + w.bytes);
    else put(w.ids[0], base + w.map->first[0], base + w.map->last[w.bytes - 1]);
    ++word_;
  }
  void special(const added_token& t, const char* first, const char* last) {
    if (held_ == capacity_) grow(1);
    put(t.id, static_cast<std::size_t>(first - text_), static_cast<std::size_t>(last - text_));
    ++word_;
  }
  /// Says how many tokens there are; to be called last.
  void finish() noexcept { out_.size = held_; }

 private:
  void put(token_id id, [[maybe_unused]] std::size_t first, [[maybe_unused]] std::size_t last) noexcept {
    ids_[held_] = id;
    words_[held_] = word_;
    if constexpr (Tracks) ranges_[held_] = {first, last};
    ++held_;
  }
  [[gnu::noinline]] void several(const scanned_word& w) {
    const auto base = static_cast<std::size_t>(w.begin - text_);
    for (std::size_t i = 0, from = 0; i < w.count; ++i) {
      std::size_t to = 0;
      if constexpr (Tracks) to = from + vocabulary_.bytes(w.ids[i]) - (i == 0 ? 0 : 2);  // "##" stands in no word
      if (!Tracks || w.map == nullptr) put(w.ids[i], base + from, base + to);
      else put(w.ids[i], base + w.map->first[from], base + w.map->last[to - 1]);
      from = to;
    }
    ++word_;
  }
  [[gnu::noinline]] void grow(std::size_t more) { hold(std::max(2 * capacity_, held_ + more)); }
  void hold(std::size_t capacity) {
    out_.ids.resize(capacity);
    out_.words.resize(capacity);
    if constexpr (Tracks) out_.ranges.resize(capacity);
    ids_ = out_.ids.data();
    words_ = out_.words.data();
    ranges_ = out_.ranges.data();
    capacity_ = capacity;
  }

  const vocabulary& vocabulary_;
  const char* text_;
  token_list& out_;
  token_id* ids_ = nullptr;
  std::int32_t* words_ = nullptr;
  text_range* ranges_ = nullptr;
  std::size_t held_ = 0, capacity_ = 0;
  std::int32_t word_ = 0;
};

/// One text's tokens and those of them that an encoding holds. No list: no such text.
struct token_part {
  const token_list* list = nullptr;
  std::size_t first = 0, size = 0;
};

/// What stands around the texts, if anything does.
struct special_ids {
  bool wanted;
  token_id cls, sep;
  segment_id second = 1;  ///< of the second text
};

/// Writes `out`: [CLS] a [SEP], and b [SEP] where there is a `b`.
template <class Offsets>
void assemble(encoding<Offsets>& out, const token_part& a, const token_part& b, const special_ids& around) {
  const std::size_t n = a.size + b.size + (!around.wanted ? 0 : b.list != nullptr ? 3 : 2);
  out.ids.resize(n);
  out.words.resize(n);
  if constexpr (has_offsets<Offsets>) out.ranges.resize(n);
  out.segments.assign(n, segment_id{0});
  out.special.assign(n, std::uint8_t{0});
  std::size_t at = 0;
  const auto put_special = [&](token_id id) {
    if (!around.wanted) return;
    out.ids[at] = id;
    out.words[at] = no_word;
    if constexpr (has_offsets<Offsets>) out.ranges[at] = {};
    out.special[at] = 1;
    ++at;
  };
  const auto put = [&](const token_part& part) {
    const auto copy = [&](const auto& from, auto& to) { std::copy_n(from.data() + part.first, part.size, to.data() + at); };
    copy(part.list->ids, out.ids);
    copy(part.list->words, out.words);
    if constexpr (has_offsets<Offsets>) copy(part.list->ranges, out.ranges);
    at += part.size;
  };
  put_special(around.cls);
  put(a);
  put_special(around.sep);
  out.cut = a.list->size - a.size;
  if (b.list == nullptr) return;
  std::fill(out.segments.begin() + static_cast<std::ptrdiff_t>(at), out.segments.end(), around.second);
  put(b);
  put_special(around.sep);
  out.cut += b.list->size - b.size;
}

/// The parts that a text of `size` tokens is cut into: `capacity` tokens each, `stride` shared with the next; the first is
/// kept.
inline std::vector<text_range> window_ranges(std::size_t size, std::size_t capacity, std::size_t stride, bool from_left) {
  if (size <= capacity) return {{0, size}};
  if (stride >= capacity)
    throw error({"bert::text::tokenizer::windows", cat("a stride below the ", capacity, " tokens of a window"), cat(stride),
                 "a window has max_tokens less the special tokens and the other sequence"});
  std::vector<text_range> out;
  if (!from_left) {
    for (std::size_t first = 0;; first += capacity - stride) {
      out.push_back({first, std::min(first + capacity, size)});
      if (out.back().last == size) return out;
    }
  }
  for (std::size_t last = size;; last -= capacity - stride) {
    out.push_back({last < capacity ? 0 : last - capacity, last});
    if (out.back().first == 0) return out;
  }
}

}  // namespace detail
}  // namespace bert::text
