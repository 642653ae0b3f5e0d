// Properties of code points by reference tokenizer: kind, canonical decomposition, combining class, lower case.
// Layer: text. Test: tests/unit/text/unicode/properties_test.cpp
#ifndef BERT_TEXT_UNICODE_PROPERTIES_HPP
#define BERT_TEXT_UNICODE_PROPERTIES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/text/unicode/tables.hpp"

namespace bert::inline BERT_ISA::text {

/// The role of a character in tokenization. `mark` (category Mn) is removed as an accent, or a letter if accents stay.
enum class kind : std::uint8_t { letter, space, drop, punctuation, cjk, mark };

/// The tokenizers whose output is reproduced: their Unicode versions and constants.
namespace reference {

/// The fast tokenizer of transformers (Hugging Face tokenizers).
struct transformers {
  static constexpr std::string_view name = "transformers";
  static constexpr std::size_t max_word_characters = 100;  ///< longer words become [UNK]
  static constexpr unsigned kind_shift = 0;                ///< first bit of its kind in unicode::stage3
  static constexpr bool late_decompositions = false;       ///< decomposes characters newer than Unicode 9.0
  static constexpr bool newer_lowercase = true;            ///< lower case newer than the tables' Unicode database
  static constexpr bool lower_first = false;               ///< str.lower(), final sigma included, before stripping accents
  static constexpr bool finds_specials = true;             ///< finds [MASK] and other special tokens in text
};

/// google-research/bert's tokenization.py.
struct google {
  static constexpr std::string_view name = "google-research/bert";
  static constexpr std::size_t max_word_characters = 200;
  static constexpr unsigned kind_shift = 3;
  static constexpr bool late_decompositions = true;
  static constexpr bool newer_lowercase = false;
  static constexpr bool lower_first = true;
  static constexpr bool finds_specials = false;  ///< "[MASK]" in text is three words
};

}  // namespace reference

namespace unicode {

/// The bits of stage3: see tables.hpp.
constexpr unsigned bits_of(char32_t c) noexcept {
  const unsigned middle = stage2[static_cast<unsigned>(stage1[c >> 12]) << 6 | (c >> 6 & 63u)];
  return stage3[middle << 6 | (c & 63u)];
}

template <class Reference>
constexpr kind kind_of(char32_t c) noexcept {
  return static_cast<kind>(bits_of(c) >> Reference::kind_shift & 7u);
}

/// Whether the character may have a decomposition or a lower case.
constexpr bool is_mapped(unsigned bits) noexcept { return (bits & 0x40u) != 0; }
/// Whether the character has a combining class and is not removed with the accents.
constexpr bool stays_combining(unsigned bits) noexcept { return (bits & 0x80u) != 0; }

template <std::size_t N>
constexpr bool contains(const code_range (&ranges)[N], char32_t c) noexcept {
  const auto* r = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                   [](char32_t value, const code_range& range) { return value < range.first; });
  return r != std::begin(ranges) && c <= r[-1].last;
}

/// Canonical combining class; 0 for a starter.
template <class Reference>
constexpr unsigned combining_class(char32_t c) noexcept {
  if (c < 0x300) return 0;
  const auto* r = std::upper_bound(std::begin(combining_classes), std::end(combining_classes), c,
                                   [](char32_t value, const combining_range& range) { return value < range.first; });
  if (r == std::begin(combining_classes) || c > r[-1].last || (r[-1].late && !Reference::late_decompositions)) return 0;
  return r[-1].value;
}

/// Lower case of one character as one character; U+0130, whose lower case is two, gives the first, 'i'.
template <class Reference = reference::transformers>
constexpr char32_t lower(char32_t c) noexcept {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c == 0x130) return 'i';
  const auto* r = std::upper_bound(std::begin(lowercase), std::end(lowercase), c,
                                   [](char32_t value, const lower_range& range) { return value < range.first; });
  if (r == std::begin(lowercase)) return c;
  const lower_range range = r[-1];
  if (c > range.last || (c - range.first) % range.step != 0 || (range.newer != 0 && !Reference::newer_lowercase)) return c;
  return static_cast<char32_t>(static_cast<std::int32_t>(c) + range.delta);
}

/// Writes the canonical decomposition of `c`, not reordered, to `out` [4] and returns its length.
template <class Reference>
constexpr unsigned decompose(char32_t c, char32_t* out) noexcept {
  if (c >= 0xAC00 && c < 0xAC00 + 11172) {
    const char32_t syllable = c - 0xAC00, tail = syllable % 28;
    out[0] = 0x1100 + syllable / 588;
    out[1] = 0x1161 + syllable % 588 / 28;
    if (tail == 0) return 2;
    out[2] = 0x11A7 + tail;
    return 3;
  }
  constexpr std::uint64_t code = (1u << 21) - 1;
  const auto* d = std::lower_bound(std::begin(decompositions), std::end(decompositions), c,
                                   [](std::uint64_t entry, char32_t value) { return (entry & code) < value; });
  if (d == std::end(decompositions) || (*d & code) != c || ((*d >> 63) != 0 && !Reference::late_decompositions)) {
    out[0] = c;
    return 1;
  }
  // Only the first of the two decomposes further, and no canonical decomposition is longer than 4.
  unsigned n = decompose<Reference>(static_cast<char32_t>(*d >> 21 & code), out);
  if (const auto second = static_cast<char32_t>(*d >> 42 & code); second != 0) out[n++] = second;
  return n;
}

}  // namespace unicode
}  // namespace bert::text

#endif  // BERT_TEXT_UNICODE_PROPERTIES_HPP
