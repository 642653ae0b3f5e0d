// Classifies 64 bytes at once: ASCII letters and digits, white space, punctuation, other bytes.
// Layer: text. Test: tests/unit/text/unicode/ascii_test.cpp
#ifndef BERT_TEXT_UNICODE_ASCII_HPP
#define BERT_TEXT_UNICODE_ASCII_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX512BW__) || defined(__AVX2__)
// As in kernels/simd/f32.hpp, here too because the first inclusion counts: g++ 12 warns of the deliberately undefined
// operand of AVX-512 intrinsics (bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#elif defined(__SSE2__)
#include <emmintrin.h>  // immintrin.h costs g++ a quarter of a second
#endif

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::text::ascii {

/// Bit i is byte i of the block. A byte in none of the three is punctuation.
struct block {
  std::uint64_t words;   ///< 0-9 A-Z a-z
  std::uint64_t spaces;  ///< space, tab, line feed, carriage return
  std::uint64_t others;  ///< bytes from 0x80, other control characters
};

inline constexpr std::size_t block_bytes = 64;

/// Classifies the 64 bytes at `p`.
inline block classify(const char* p) noexcept {
#if defined(__AVX512BW__)
  const __m512i v = _mm512_loadu_si512(p);
  const auto byte = [](int c) { return _mm512_set1_epi8(static_cast<char>(c)); };
  const __mmask64 letters = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(_mm512_or_si512(v, byte(0x20)), byte('a')), byte(26));
  const __mmask64 digits = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, byte('0')), byte(10));
  const __mmask64 spaces = _mm512_cmpeq_epi8_mask(v, byte(' ')) |
                           _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, byte('\t')), byte(2)) |
                           _mm512_cmpeq_epi8_mask(v, byte('\r'));
  const __mmask64 graphic = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, byte(0x20)), byte(0x5F));
  return {letters | digits, spaces, ~(graphic | spaces)};
#elif defined(__AVX2__) || defined(__SSE2__)
  block out{0, 0, 0};
  // Unsigned x <= top as min(x, top) == x.
#if defined(__AVX2__)
  constexpr unsigned width = 32;
  using vector = __m256i;
  const auto byte = [](int c) { return _mm256_set1_epi8(static_cast<char>(c)); };
  const auto load = [](const char* q) { return _mm256_loadu_si256(reinterpret_cast<const vector*>(q)); };
  const auto sub = [](vector a, vector b) { return _mm256_sub_epi8(a, b); };
  const auto both = [](vector a, vector b) { return _mm256_or_si256(a, b); };
  const auto below = [](vector a, vector top) { return _mm256_cmpeq_epi8(_mm256_min_epu8(a, top), a); };
  const auto same = [](vector a, vector b) { return _mm256_cmpeq_epi8(a, b); };
  const auto bits = [](vector a) { return std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(a))}; };
#else
  constexpr unsigned width = 16;
  using vector = __m128i;
  const auto byte = [](int c) { return _mm_set1_epi8(static_cast<char>(c)); };
  const auto load = [](const char* q) { return _mm_loadu_si128(reinterpret_cast<const vector*>(q)); };
  const auto sub = [](vector a, vector b) { return _mm_sub_epi8(a, b); };
  const auto both = [](vector a, vector b) { return _mm_or_si128(a, b); };
  const auto below = [](vector a, vector top) { return _mm_cmpeq_epi8(_mm_min_epu8(a, top), a); };
  const auto same = [](vector a, vector b) { return _mm_cmpeq_epi8(a, b); };
  const auto bits = [](vector a) { return std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(a))}; };
#endif
  for (unsigned i = 0; i < block_bytes; i += width) {
    const vector v = load(p + i);
    const vector words = both(below(sub(both(v, byte(0x20)), byte('a')), byte(25)), below(sub(v, byte('0')), byte(9)));
    const vector spaces = both(both(same(v, byte(' ')), below(sub(v, byte('\t')), byte(1))), same(v, byte('\r')));
    const vector graphic = below(sub(v, byte(0x20)), byte(0x5E));
    out.words |= bits(words) << i;
    out.spaces |= bits(spaces) << i;
    out.others |= bits(both(graphic, spaces)) << i;
  }
  out.others = ~out.others;
  return out;
#else
  block out{0, 0, 0};
  for (unsigned i = 0; i < block_bytes; ++i) {
    const auto c = static_cast<unsigned char>(p[i]);
    const auto folded = static_cast<unsigned char>((c | 0x20u) - 'a');
    const bool word = folded < 26 || static_cast<unsigned char>(c - '0') < 10;
    const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    const bool graphic = c >= 0x20 && c < 0x7F;
    out.words |= std::uint64_t{word} << i;
    out.spaces |= std::uint64_t{space} << i;
    out.others |= std::uint64_t{!graphic && !space} << i;
  }
  return out;
#endif
}

/// Lower case of eight ASCII bytes. Pre: every byte is below 0x80.
constexpr std::uint64_t lower(std::uint64_t bytes) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101u;
  const std::uint64_t from_a = bytes + ones * (0x80 - 'A'), past_z = bytes + ones * (0x80 - 'Z' - 1);
  return bytes | (from_a & ~past_z & ones * 0x80) >> 2;
}

/// The first `count` (0 to 8) bytes of a little-endian word, padded with zeros.
constexpr std::uint64_t first_bytes(std::uint64_t word, std::size_t count) noexcept {
  return count >= 8 ? word : word & ((std::uint64_t{1} << 8 * count) - 1);
}

}  // namespace bert::text::ascii

#endif  // BERT_TEXT_UNICODE_ASCII_HPP
