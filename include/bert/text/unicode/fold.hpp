// Normalizes one character: dropped, a word boundary, or its lower case without accents.
// Layer: text. Test: tests/unit/text/golden_test.cpp
#ifndef BERT_TEXT_UNICODE_FOLD_HPP
#define BERT_TEXT_UNICODE_FOLD_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/text/unicode/properties.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::text {

/// Settings of normalization, named as in tokenizer_config.json and tokenizer.json.
struct normal_form {
  bool lowercase = true;
  bool strip_accents = true;
  bool chinese_characters = true;  ///< every CJK ideograph is a word of its own
  bool clean_text = true;          ///< drops control characters
};

/// The normal form of one character: at most 4 characters, the longest decomposition.
struct folded {
  char32_t code[4];
  unsigned count = 0;
};

/// Maps characters to their normal form; the first 8,192 code points by a table of 32 kB.
template <class Reference>
class folding {
 public:
  static constexpr char32_t tabled = 0x2000;

  /// What the scanner does with a character. `fold`: not in the table, call fold().
  enum class step : std::uint8_t { letters, space, punctuation, drop, mark, fold };

  /// Table entry of a character below `tabled`: up to 3 bytes of UTF-8 | bytes << 24 | step << 26 | characters << 29.
  struct entry {
    std::uint32_t bits = 0;
    [[nodiscard]] step what() const noexcept { return static_cast<step>(bits >> 26 & 7u); }
    [[nodiscard]] unsigned bytes() const noexcept { return bits >> 24 & 3u; }
    [[nodiscard]] unsigned characters() const noexcept { return bits >> 29; }
  };

  explicit folding(const normal_form& form) : form_(form), table_(tabled) {
    for (char32_t c = 0; c < tabled; ++c) table_[c] = tabulate(c);
  }

  [[nodiscard]] const normal_form& form() const noexcept { return form_; }
  [[nodiscard]] entry operator[](char32_t c) const noexcept { return table_[c]; }

  /// Kind of a character of the input, before it is folded.
  [[nodiscard]] kind kind_of(char32_t c) const noexcept { return kind_from(unicode::bits_of(c), c); }

  [[nodiscard]] kind kind_from(unsigned bits, char32_t c) const noexcept {
    kind k = static_cast<kind>(bits >> Reference::kind_shift & 7u);
    if (k == kind::cjk && !form_.chinese_characters) k = kind::letter;
    if (k == kind::drop && !form_.clean_text) k = (c >= 9 && c <= 13) || c == 0x85 ? kind::space : kind::letter;
    return k;
  }

  /// Normal form of a letter, mark, CJK character or punctuation mark, without canonical ordering.
  [[nodiscard]] folded fold(char32_t c, unsigned bits) const noexcept {
    folded out;
    if (!unicode::is_mapped(bits)) {
      if (!form_.strip_accents || static_cast<kind>(bits >> Reference::kind_shift & 7u) != kind::mark)
        out.code[out.count++] = c;
      return out;
    }
    if (Reference::lower_first && form_.lowercase) {
      const bool dotted = c == 0x130;  // its lower case is i and a combining dot, an accent
      c = unicode::lower<Reference>(c);
      if (!form_.strip_accents) {
        out.code[out.count++] = c;
        if (dotted) out.code[out.count++] = 0x307;
        return out;
      }
    }
    if (!form_.strip_accents) {
      out.code[out.count++] = form_.lowercase ? unicode::lower<Reference>(c) : c;
      if (form_.lowercase && c == 0x130) out.code[out.count++] = 0x307;
      return out;
    }
    char32_t parts[4];
    const unsigned n = unicode::decompose<Reference>(c, parts);
    for (unsigned i = 0; i < n; ++i) {
      if (unicode::kind_of<Reference>(parts[i]) == kind::mark) continue;
      out.code[out.count++] = form_.lowercase && !Reference::lower_first ? unicode::lower<Reference>(parts[i]) : parts[i];
    }
    return out;
  }

  /// Whether accents are stripped, but `c` has a mark that stays, so that its run needs canonical ordering.
  [[nodiscard]] bool reorders(char32_t c, unsigned bits) const noexcept {
    if (!form_.strip_accents) return false;
    if (unicode::stays_combining(bits))
      return unicode::combining_class<Reference>(c) != 0 && unicode::kind_of<Reference>(c) != kind::mark;
    if (!unicode::is_mapped(bits) || (c >= 0xAC00 && c < 0xAC00 + 11172)) return false;
    char32_t parts[4];
    const unsigned n = unicode::decompose<Reference>(c, parts);
    for (unsigned i = 0; i < n; ++i)
      if (unicode::stays_combining(unicode::bits_of(parts[i])) && unicode::combining_class<Reference>(parts[i]) != 0 &&
          unicode::kind_of<Reference>(parts[i]) != kind::mark)
        return true;
    return false;
  }

 private:
  static constexpr entry make(step s, std::uint32_t text = 0, unsigned bytes = 0, unsigned characters = 0) noexcept {
    return {text | bytes << 24 | static_cast<std::uint32_t>(s) << 26 | characters << 29};
  }

  [[nodiscard]] entry tabulate(char32_t c) const noexcept {
    const unsigned bits = unicode::bits_of(c);
    const kind k = kind_from(bits, c);
    if (k == kind::space) return make(step::space);
    if (k == kind::drop) return make(step::drop);
    if (reorders(c, bits) || (Reference::lower_first && c == 0x3A3)) return make(step::fold);
    const folded f = fold(c, bits);
    // A mark of class 0 ends a run of combining marks, as a letter does.
    if (f.count == 0) return make(unicode::combining_class<Reference>(c) != 0 ? step::mark : step::letters);
    char text[16];
    unsigned bytes = 0;
    step s = step::letters;
    for (unsigned i = 0; i < f.count; ++i) {
      const kind now = kind_of(f.code[i]);
      if (now == kind::punctuation) s = step::punctuation;
      else if (now == kind::space) return make(step::fold);
      bytes += utf8::encode(f.code[i], text + bytes);
    }
    if (bytes > 3 || f.count > 3 || (s == step::punctuation && f.count > 1)) return make(step::fold);
    std::uint32_t packed = 0;
    for (unsigned i = 0; i < bytes; ++i) packed |= std::uint32_t{static_cast<unsigned char>(text[i])} << 8 * i;
    return make(s, packed, bytes, f.count);
  }

  normal_form form_;
  std::vector<entry> table_;
};

}  // namespace bert::text

#endif  // BERT_TEXT_UNICODE_FOLD_HPP
