// A text in lower case, as Python's str.lower() gives it.
// Layer: text. Test: tests/unit/text/unicode/lower_test.cpp
#ifndef BERT_TEXT_UNICODE_LOWER_HPP
#define BERT_TEXT_UNICODE_LOWER_HPP

#include <string>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/text/unicode/properties.hpp"
#include "bert/text/unicode/tables.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::text {

/// `text` in lower case; a capital sigma at the end of a word becomes a final one. Accents stay. Invalid UTF-8 becomes U+FFFD.
[[nodiscard]] inline std::string lowercased(std::string_view text) {
  const char *const begin = text.data(), *const end = begin + text.size();
  const auto letter = [](char32_t c) {  // whether `c` ends the search for a cased letter, and is one
    struct found {
      bool decided, cased;
    };
    if (unicode::contains(unicode::case_ignorable, c)) return found{false, false};
    return found{true, unicode::contains(unicode::cased, c)};
  };
  const auto final_sigma = [&](const char* p, const char* next) {
    bool before = false;
    while (p > begin) {
      const char* const q = utf8::previous(begin, p);
      const auto [decided, cased] = letter(utf8::decode(q, p).code);
      p = q;
      if (decided) {
        before = cased;
        break;
      }
    }
    if (!before) return false;
    while (next < end) {
      const auto [code, bytes] = utf8::decode(next, end);
      next += bytes;
      if (const auto [decided, cased] = letter(code); decided) return !cased;
    }
    return true;
  };
  std::string out;
  out.reserve(text.size());
  for (const char* p = begin; p < end;) {
    const auto [code, bytes] = utf8::decode(p, end);
    if (code == 0x3A3 && final_sigma(p, p + bytes)) utf8::append(0x3C2, out);
    else utf8::append(unicode::lower<reference::transformers>(code), out);
    if (code == 0x130) utf8::append(0x307, out);  // i and a combining dot
    p += bytes;
  }
  return out;
}

}  // namespace bert::text

#endif  // BERT_TEXT_UNICODE_LOWER_HPP
