// What a scanner passes on and what it puts together on the way: words, and runs of combining marks.
// Layer: text. Test: tests/unit/text/golden_test.cpp
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/text/unicode/utf8.hpp"
#include "bert/text/wordpiece/wordpiece.hpp"

namespace bert::inline BERT_ISA::text {

/// Where the bytes of a normalized word came from, in bytes of the input: byte i of the word from [first[i], last[i]).
struct origins {
  const std::uint32_t* first;
  const std::uint32_t* last;
};

/// One word of the input and its pieces; lives during the call that passes it.
struct scanned_word {
  const token_id* ids;  ///< its pieces, or [UNK] alone
  std::size_t count;
  const char* begin;       ///< where the word begins in the input
  const char* text;        ///< the word normalized; cut off after `max_characters`
  std::size_t bytes;       ///< length of `text`
  std::size_t characters;  ///< of the whole word, normalized
  const origins* map;      ///< relative to `begin`; null if every byte of the word is the byte of the input
};

namespace detail {

/// Words of more characters than this become [UNK] whatever the options say: they live in a buffer on the stack.
inline constexpr std::size_t most_word_characters = 1000;

/// The word that is being put together.
template <bool Tracks>
struct gathered {
  char text[4 * most_word_characters + 4 * word_table::longest];
  std::uint32_t first[Tracks ? 4 * most_word_characters + 64 : 1], last[Tracks ? 4 * most_word_characters + 64 : 1];
  std::size_t bytes = 0, characters = 0;
  const char* begin = nullptr;
  std::uint32_t end = 0;  // of the last character, when there are too many to keep

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

/// A combining mark of a word that has to be put into canonical order.
struct mark {
  char32_t code;
  unsigned value;  // its combining class, below 256
  bool tail, stays;
};

/// A run of marks and where each that is no tail stood.
struct mark_run {
  std::vector<mark> marks, sorted;
  std::vector<std::pair<const char*, const char*>> places;

  /// The thread's own, cleared: scanning allocates only while it grows. One scan a thread at a time.
  [[nodiscard]] static mark_run& cleared() {
    static thread_local mark_run mine;
    mine.marks.clear();
    mine.places.clear();
    return mine;
  }

  /// By class, equals as they were; linear, as a run may be a megabyte.
  void sort_by_class() {
    std::array<std::size_t, 257> place{};
    for (const mark& m : marks) ++place[m.value + 1];
    for (std::size_t i = 1; i < place.size(); ++i) place[i] += place[i - 1];
    sorted.resize(marks.size());
    for (const mark& m : marks) sorted[place[m.value]++] = m;
    marks.swap(sorted);
  }
};

}  // namespace detail
}  // namespace bert::text
