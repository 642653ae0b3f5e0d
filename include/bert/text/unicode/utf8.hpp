// UTF-8 decoding and encoding; invalid bytes are replaced as by Python's errors="replace".
// Layer: text. Test: tests/unit/text/unicode/utf8_test.cpp
#ifndef BERT_TEXT_UNICODE_UTF8_HPP
#define BERT_TEXT_UNICODE_UTF8_HPP

#include <cstddef>
#include <string>
#include <string_view>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::text::utf8 {

inline constexpr char32_t replacement = 0xFFFD;

/// A code point and the number of input bytes decoded.
struct decoded {
  char32_t code;
  unsigned bytes;
};

namespace detail {
constexpr unsigned byte(const char* p) noexcept { return static_cast<unsigned char>(*p); }
constexpr bool trails(const char* p) noexcept { return (byte(p) & 0xC0u) == 0x80u; }
}  // namespace detail

/// The code point at `p`; p < end. Invalid bytes give U+FFFD for their longest prefix of a valid sequence, at least one byte
/// (Unicode 3.9, "substitution of maximal subparts").
constexpr decoded decode(const char* p, const char* end) noexcept {
  using detail::byte, detail::trails;
  const unsigned a = byte(p);
  if (a < 0x80) return {a, 1};
  const auto left = static_cast<std::size_t>(end - p);
  if (a < 0xC2 || a > 0xF4) return {replacement, 1};
  if (a < 0xE0) {
    if (left < 2 || !trails(p + 1)) return {replacement, 1};
    return {(a & 0x1Fu) << 6 | (byte(p + 1) & 0x3Fu), 2};
  }
  const unsigned low = a == 0xE0 ? 0xA0u : a == 0xF0 ? 0x90u : 0x80u;
  const unsigned high = a == 0xED ? 0x9Fu : a == 0xF4 ? 0x8Fu : 0xBFu;
  if (left < 2 || byte(p + 1) < low || byte(p + 1) > high) return {replacement, 1};
  if (left < 3 || !trails(p + 2)) return {replacement, 2};
  if (a < 0xF0) return {(a & 0x0Fu) << 12 | (byte(p + 1) & 0x3Fu) << 6 | (byte(p + 2) & 0x3Fu), 3};
  if (left < 4 || !trails(p + 3)) return {replacement, 3};
  return {(a & 0x07u) << 18 | (byte(p + 1) & 0x3Fu) << 12 | (byte(p + 2) & 0x3Fu) << 6 | (byte(p + 3) & 0x3Fu), 4};
}

/// Start of the code point before `p`; begin < p.
constexpr const char* previous(const char* begin, const char* p) noexcept {
  const char* q = p - 1;
  while (q > begin && p - q < 4 && detail::trails(q)) --q;
  return decode(q, p).bytes == static_cast<unsigned>(p - q) ? q : p - 1;
}

/// Writes `code` to `out` [4] and returns its number of bytes.
constexpr unsigned encode(char32_t code, char* out) noexcept {
  const auto put = [out](unsigned i, char32_t value) { out[i] = static_cast<char>(static_cast<unsigned char>(value)); };
  if (code < 0x80) {
    put(0, code);
    return 1;
  }
  if (code < 0x800) {
    put(0, 0xC0u | code >> 6);
    put(1, 0x80u | (code & 0x3Fu));
    return 2;
  }
  if (code < 0x10000) {
    put(0, 0xE0u | code >> 12);
    put(1, 0x80u | (code >> 6 & 0x3Fu));
    put(2, 0x80u | (code & 0x3Fu));
    return 3;
  }
  put(0, 0xF0u | code >> 18);
  put(1, 0x80u | (code >> 12 & 0x3Fu));
  put(2, 0x80u | (code >> 6 & 0x3Fu));
  put(3, 0x80u | (code & 0x3Fu));
  return 4;
}

inline void append(char32_t code, std::string& out) {
  char bytes[4];
  out.append(bytes, encode(code, bytes));
}

/// Number of code points of `text`, each U+FFFD that replaces invalid bytes included.
constexpr std::size_t length(std::string_view text) noexcept {
  std::size_t n = 0;
  for (const char *p = text.data(), *end = p + text.size(); p < end; ++n) p += decode(p, end).bytes;
  return n;
}

/// Offset of the first byte that is not valid UTF-8; npos if there is none.
constexpr std::size_t first_invalid(std::string_view text) noexcept {
  const char* const begin = text.data();
  for (const char *p = begin, *end = p + text.size(); p < end;) {
    const auto [code, bytes] = decode(p, end);
    if (code == replacement && !(bytes == 3 && detail::byte(p) == 0xEF)) return static_cast<std::size_t>(p - begin);
    p += bytes;
  }
  return std::string_view::npos;
}

}  // namespace bert::text::utf8

#endif  // BERT_TEXT_UNICODE_UTF8_HPP
