// White space as Python's str.split and str.strip see it.
// Layer: text. Test: tests/unit/text/unicode/spaces_test.cpp
#ifndef BERT_TEXT_UNICODE_SPACES_HPP
#define BERT_TEXT_UNICODE_SPACES_HPP

#include <cstddef>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::text {

namespace unicode {

/// Whether Python's str.isspace says so: categories Zs, Zl, Zp, and controls that separate. U+200B and U+FEFF are none.
constexpr bool is_white_space(char32_t c) noexcept {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

}  // namespace unicode

/// `text` without white space at its ends.
[[nodiscard]] constexpr std::string_view stripped(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto [code, bytes] = utf8::decode(text.data(), text.data() + text.size());
    if (!unicode::is_white_space(code)) break;
    text.remove_prefix(bytes);
  }
  while (!text.empty()) {
    const char* const end = text.data() + text.size();
    const char* const last = utf8::previous(text.data(), end);
    if (!unicode::is_white_space(utf8::decode(last, end).code)) break;
    text.remove_suffix(static_cast<std::size_t>(end - last));
  }
  return text;
}

}  // namespace bert::text

#endif  // BERT_TEXT_UNICODE_SPACES_HPP
