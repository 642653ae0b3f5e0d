// The full encoding of a text or pair: ids, segments, offsets, words, special tokens.
// Layer: text. Test: tests/unit/text/tokenizer_test.cpp
#ifndef BERT_TEXT_ENCODING_HPP
#define BERT_TEXT_ENCODING_HPP

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

/// The unit of a token's offsets in the text.
namespace offsets {

struct none {};  ///< no offsets, at no cost
struct bytes {};
struct code_points {};  ///< as in Python's str; each U+FFFD that replaces invalid UTF-8 counts as one
struct utf16 {};        ///< as in JavaScript, Java and C#

}  // namespace offsets

/// [first, last) in the text.
struct text_range {
  std::size_t first = 0, last = 0;
  friend bool operator==(const text_range&, const text_range&) = default;
};

inline constexpr std::int32_t no_word = -1;

/// The tokens of one text or pair, [CLS] and [SEP] included; every field has one entry per token.
template <class Offsets>
struct encoding {
  std::vector<token_id> ids;
  std::vector<segment_id> segments;
  std::vector<text_range> ranges;     ///< in the token's text; {0, 0} for [CLS] and [SEP]; empty with offsets::none
  std::vector<std::int32_t> words;    ///< index of the word in its text; no_word for [CLS] and [SEP]
  std::vector<std::uint8_t> special;  ///< 1 for [CLS] and [SEP]
  std::size_t cut = 0;                ///< tokens that truncation removed

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

/// One text's tokens before truncation: the first `size` entries of vectors that a thread reuses.
struct token_list {
  std::vector<token_id> ids;
  std::vector<std::int32_t> words;
  std::vector<text_range> ranges;  // empty with offsets::none
  std::size_t size = 0;

  [[nodiscard]] std::span<const token_id> all_ids() const noexcept { return std::span(ids).first(size); }
};

/// Fills a token_list, with offsets in bytes. The vectors double together, so that a token costs only its stores.
template <bool Tracks>
class list_sink {
 public:
  static constexpr bool tracks = Tracks;
  list_sink(const vocabulary& v, const char* text, token_list& out) : vocabulary_(v), text_(text), out_(out) {
    out.size = 0;
    resize(std::max(out.ids.size(), std::size_t{256}));
  }
  list_sink(const list_sink&) = delete;
  list_sink& operator=(const list_sink&) = delete;

  [[gnu::always_inline]] void operator()(const scanned_word& w) {
    if (w.count > capacity_ - size_) grow(w.count);
    if (w.count != 1) {
      put_pieces(w);
      return;
    }
    const auto base = static_cast<std::size_t>(w.begin - text_);
    if (w.map == nullptr) put(w.ids[0], base, base + w.bytes);
    else put(w.ids[0], base + w.map->first[0], base + w.map->last[w.bytes - 1]);
    ++word_;
  }
  void special(const added_token& t, const char* first, const char* last) {
    if (size_ == capacity_) grow(1);
    put(t.id, static_cast<std::size_t>(first - text_), static_cast<std::size_t>(last - text_));
    ++word_;
  }
  /// Sets the list's size; call it last.
  void finish() noexcept { out_.size = size_; }

 private:
  void put(token_id id, [[maybe_unused]] std::size_t first, [[maybe_unused]] std::size_t last) noexcept {
    ids_[size_] = id;
    words_[size_] = word_;
    if constexpr (Tracks) ranges_[size_] = {first, last};
    ++size_;
  }
  [[gnu::noinline]] void put_pieces(const scanned_word& w) {
    const auto base = static_cast<std::size_t>(w.begin - text_);
    for (std::size_t i = 0, from = 0; i < w.count; ++i) {
      std::size_t to = 0;
      if constexpr (Tracks) to = from + vocabulary_.bytes(w.ids[i]) - (i == 0 ? 0 : 2);  // without "##"
      if (!Tracks || w.map == nullptr) put(w.ids[i], base + from, base + to);
      else put(w.ids[i], base + w.map->first[from], base + w.map->last[to - 1]);
      from = to;
    }
    ++word_;
  }
  [[gnu::noinline]] void grow(std::size_t more) { resize(std::max(2 * capacity_, size_ + more)); }
  void resize(std::size_t capacity) {
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
  std::size_t size_ = 0, capacity_ = 0;
  std::int32_t word_ = 0;
};

/// The tokens [first, first + size) of `list`; a null list means no text.
struct token_slice {
  const token_list* list = nullptr;
  std::size_t first = 0, size = 0;
};

/// The special tokens that assemble() adds, if `wanted`.
struct special_ids {
  bool wanted;
  token_id cls, sep;
  segment_id second = 1;  ///< segment of the second text
};

/// Writes [CLS] a [SEP], and b [SEP] if `b` has a list, into `out`.
template <class Offsets>
void assemble(encoding<Offsets>& out, const token_slice& a, const token_slice& b, const special_ids& special) {
  const std::size_t n = a.size + b.size + (!special.wanted ? 0 : b.list != nullptr ? 3 : 2);
  out.ids.resize(n);
  out.words.resize(n);
  if constexpr (has_offsets<Offsets>) out.ranges.resize(n);
  out.segments.assign(n, segment_id{0});
  out.special.assign(n, std::uint8_t{0});
  std::size_t at = 0;
  const auto put_special = [&](token_id id) {
    if (!special.wanted) return;
    out.ids[at] = id;
    out.words[at] = no_word;
    if constexpr (has_offsets<Offsets>) out.ranges[at] = {};
    out.special[at] = 1;
    ++at;
  };
  const auto put = [&](const token_slice& slice) {
    const auto copy = [&](const auto& from, auto& to) { std::copy_n(from.data() + slice.first, slice.size, to.data() + at); };
    copy(slice.list->ids, out.ids);
    copy(slice.list->words, out.words);
    if constexpr (has_offsets<Offsets>) copy(slice.list->ranges, out.ranges);
    at += slice.size;
  };
  put_special(special.cls);
  put(a);
  put_special(special.sep);
  out.cut = a.list->size - a.size;
  if (b.list == nullptr) return;
  std::fill(out.segments.begin() + static_cast<std::ptrdiff_t>(at), out.segments.end(), special.second);
  put(b);
  put_special(special.sep);
  out.cut += b.list->size - b.size;
}

/// The windows of a text of `size` tokens: at most `capacity` tokens each, `stride` of them shared with the next. The first is
/// the one that encode() keeps.
inline std::vector<text_range> window_ranges(std::size_t size, std::size_t capacity, std::size_t stride, bool from_left) {
  if (size <= capacity) return {{0, size}};
  if (stride >= capacity)
    throw_error({"bert::text::tokenizer::windows", cat("a stride below the ", capacity, " tokens of a window"), cat(stride),
                 "a window holds max_tokens minus the special tokens and the other text"});
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

#endif  // BERT_TEXT_ENCODING_HPP
