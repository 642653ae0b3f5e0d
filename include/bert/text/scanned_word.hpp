// The words that a scanner passes to its sink, and the buffers in which it builds them.
// Layer: text. Test: tests/unit/text/golden_test.cpp
#ifndef BERT_TEXT_SCANNED_WORD_HPP
#define BERT_TEXT_SCANNED_WORD_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/text/unicode/utf8.hpp"
#include "bert/text/wordpiece/wordpiece.hpp"

namespace bert::inline BERT_ISA::text {

/// Byte i of a normalized word came from bytes [first[i], last[i]) of the input.
struct origins {
  const std::uint32_t* first;
  const std::uint32_t* last;
};

/// One word of the input and its pieces; valid during the sink's call only.
struct scanned_word {
  const token_id* ids;  ///< its pieces, or [UNK] alone
  std::size_t count;
  const char* begin;       ///< start of the word in the input
  const char* text;        ///< the normalized word, cut off after `max_characters`
  std::size_t bytes;       ///< length of `text`
  std::size_t characters;  ///< of the whole normalized word
  const origins* map;      ///< relative to `begin`; null if byte i of `text` is byte i of the input
};

namespace detail {

/// Longer words are [UNK] whatever the options say: a word is built in a buffer on the stack.
inline constexpr std::size_t most_word_characters = 1000;

/// The normalized word under construction.
template <bool Tracks>
struct word_buffer {
  char text[4 * most_word_characters + 4 * word_table::longest];
  std::uint32_t first[Tracks ? 4 * most_word_characters + 64 : 1], last[Tracks ? 4 * most_word_characters + 64 : 1];
  std::size_t bytes = 0, characters = 0;
  const char* begin = nullptr;
  std::uint32_t end = 0;  // of the last character, kept or not

  void add(char32_t code, const char* from, const char* to, std::size_t most) noexcept {
    if (characters == 0) begin = from;
    if (++characters > most) {
      if constexpr (Tracks) end = static_cast<std::uint32_t>(to - begin);
      return;
    }
    const unsigned n = utf8::encode(code, text + bytes);
    note(n, from, to);
    bytes += n;
  }
  void note(unsigned n, const char* from, const char* to) noexcept {
    if constexpr (Tracks) {
      for (unsigned i = 0; i < n; ++i) {
        first[bytes + i] = static_cast<std::uint32_t>(from - begin);
        last[bytes + i] = static_cast<std::uint32_t>(to - begin);
      }
      end = static_cast<std::uint32_t>(to - begin);
    }
  }
};

/// A combining mark of a run that needs canonical ordering.
struct mark {
  char32_t code;
  unsigned combining_class;  // below 256
  bool tail;                 // not the first character of a decomposition
  bool stays;                // not removed with the accents
};

/// A run of marks, and the input range of each character that is a mark.
struct mark_run {
  std::vector<mark> marks, sorted;
  std::vector<std::pair<const char*, const char*>> ranges;

  /// The thread's run, cleared; it allocates only while it grows. One scan per thread at a time.
  [[nodiscard]] static mark_run& cleared() {
    static thread_local mark_run run;
    run.marks.clear();
    run.ranges.clear();
    return run;
  }

  /// Stable counting sort by combining class; linear, as a run may have a megabyte.
  void sort_by_class() {
    std::array<std::size_t, 257> start{};
    for (const mark& m : marks) ++start[m.combining_class + 1];
    for (std::size_t i = 1; i < start.size(); ++i) start[i] += start[i - 1];
    sorted.resize(marks.size());
    for (const mark& m : marks) sorted[start[m.combining_class]++] = m;
    marks.swap(sorted);
  }
};

}  // namespace detail
}  // namespace bert::text

#endif  // BERT_TEXT_SCANNED_WORD_HPP
