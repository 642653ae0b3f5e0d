// Text to words to pieces in one pass, without allocation: ASCII 64 bytes at a time, the rest by character.
// Layer: text. Test: tests/unit/text/golden_test.cpp
#ifndef BERT_TEXT_SCANNER_HPP
#define BERT_TEXT_SCANNER_HPP

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/text/scanned_word.hpp"
#include "bert/text/unicode/ascii.hpp"
#include "bert/text/unicode/fold.hpp"
#include "bert/text/unicode/utf8.hpp"
#include "bert/text/wordpiece/wordpiece.hpp"

namespace bert::inline BERT_ISA::text {

/// Splits text into words and words into pieces. Immutable; threads may share it.
///
/// Calls `sink(scanned_word)` for every word in order. `Sink::tracks` says whether the sink reads scanned_word::map.
template <class Reference>
class scanner {
 public:
  static constexpr std::size_t most_characters = detail::most_word_characters;

  scanner(const vocabulary& v, const normal_form& form, token_id unknown, std::size_t max_characters)
      : folding_(form),
        whole_(v),
        pieces_(v, max_characters),
        unknown_(unknown),
        max_characters_(max_characters),
        single_(0x10000, unknown) {
    if (max_characters == 0 || max_characters > most_characters)
      throw_error({"bert::text::tokenizer", cat("max_word_characters from 1 to ", most_characters), cat(max_characters), {}});
    for (std::size_t i = 0; i < v.size(); ++i) {
      const std::string_view piece = v.piece(static_cast<token_id>(i));
      if (piece.empty() || piece.size() > 3) continue;
      const auto [code, bytes] = utf8::decode(piece.data(), piece.data() + piece.size());
      if (bytes == piece.size() && code != 0) single_[code] = static_cast<token_id>(i);
    }
  }

  [[nodiscard]] const text::folding<Reference>& folding() const noexcept { return folding_; }
  [[nodiscard]] const normal_form& form() const noexcept { return folding_.form(); }
  [[nodiscard]] token_id unknown() const noexcept { return unknown_; }
  [[nodiscard]] std::size_t max_characters() const noexcept { return max_characters_; }

  /// Passes the words of [p, end) to `sink`.
  template <class Sink>
  void scan(const char* p, const char* end, Sink& sink) const {
    const bool lower = form().lowercase;
    const char* const text_begin = p;
    char tail[ascii::block_bytes + slack];
    while (p < end) {
      const auto left = static_cast<std::size_t>(end - p);
      const char* block = p;
      std::uint64_t valid = ~std::uint64_t{0};
      if (left < ascii::block_bytes + slack) {
        const std::size_t n = std::min(left, ascii::block_bytes);
        std::memset(tail, ' ', sizeof tail);
        std::memcpy(tail, p, n);
        block = tail;
        if (n < ascii::block_bytes) valid = (std::uint64_t{1} << n) - 1;
      }
      const ascii::block classes = ascii::classify(block);
      const bool last = left <= ascii::block_bytes;
      std::uint64_t todo = ~classes.spaces & valid;
      const char* resume = p + std::min(left, ascii::block_bytes);
      while (todo != 0) {
        const auto at = static_cast<unsigned>(std::countr_zero(todo));
        if ((classes.words >> at & 1u) != 0) {
          const auto size = static_cast<unsigned>(std::countr_one(classes.words >> at));
          const unsigned stop = at + size;
          if (stop >= ascii::block_bytes && !last) {
            resume = at != 0 ? p + at : unicode_words(text_begin, p, end, sink);  // the next block begins with this word
            break;
          }
          if (stop < ascii::block_bytes && (classes.others >> stop & 1u) != 0) {
            resume = unicode_words(text_begin, p + at, end, sink);
            break;
          }
          ascii_word(lower, block + at, size, p + at, sink);
          if (stop >= ascii::block_bytes) break;
          todo &= ~std::uint64_t{0} << stop;
        } else if ((classes.others >> at & 1u) != 0) {
          resume = unicode_words(text_begin, p + at, end, sink);
          break;
        } else {
          const auto sign = static_cast<unsigned char>(block[at]);
          sink(scanned_word{&single_[sign], 1, p + at, block + at, 1, 1, nullptr});
          todo &= todo - 1;
        }
      }
      p = resume;
    }
  }

 private:
  using step = typename text::folding<Reference>::step;

  // Bytes that may be read past a block: 16, so that a word that begins in it is loaded at once.
  static constexpr std::size_t slack = 16;

  template <class Sink>
  void ascii_word(bool lower, const char* word, std::size_t size, const char* source, Sink& sink) const {
    std::uint64_t low, high;
    std::memcpy(&low, word, 8);
    if (size <= word_table::longest) {
      high = 0;
      if (size > 8) {
        std::memcpy(&high, word + 8, 8);
        high = ascii::first_bytes(high, size - 8);
        if (lower) high = ascii::lower(high);
      } else {
        low = ascii::first_bytes(low, size);
      }
      if (lower) low = ascii::lower(low);
      const token_id id = size <= max_characters_ ? whole_.find(low, high) : -1;
      if (id >= 0) {
        sink(scanned_word{&id, 1, source, word, size, size, nullptr});
        return;
      }
      const std::uint64_t both[2] = {low, high};
      char folded[word_table::longest];
      std::memcpy(folded, both, sizeof folded);
      split(folded, size, size, source, nullptr, sink);
      return;
    }
    char folded[ascii::block_bytes];
    for (std::size_t i = 0; i < size; ++i)
      folded[i] = lower && word[i] >= 'A' && word[i] <= 'Z' ? static_cast<char>(word[i] + 32) : word[i];
    split(folded, size, size, source, nullptr, sink);
  }

  template <class Sink>
  [[gnu::noinline]] void split(const char* word, std::size_t bytes, std::size_t characters, const char* source,
                               const origins* map, Sink& sink) const {
    token_id ids[most_characters];
    const std::size_t count = characters > max_characters_ ? 0 : pieces_.match(word, bytes, ids);
    if (count != 0) sink(scanned_word{ids, count, source, word, bytes, characters, map});
    else sink(scanned_word{&unknown_, 1, source, word, bytes, characters, map});
  }

  template <bool Tracks, class Sink>
  void flush(detail::word_buffer<Tracks>& word, Sink& sink) const {
    if (word.characters != 0) pass_word(word, sink);
  }
  template <bool Tracks, class Sink>
  [[gnu::noinline]] void pass_word(detail::word_buffer<Tracks>& word, Sink& sink) const {
    const origins map{word.first, word.last};
    const origins* const where = Tracks ? &map : nullptr;
    if (Tracks && word.characters > max_characters_ && word.bytes != 0) word.last[word.bytes - 1] = word.end;
    if (word.bytes <= word_table::longest && word.characters <= max_characters_ &&
        std::memchr(word.text, 0, word.bytes) == nullptr) {
      std::memset(word.text + word.bytes, 0, word_table::longest);
      std::uint64_t low, high;
      std::memcpy(&low, word.text, 8);
      std::memcpy(&high, word.text + 8, 8);
      if (const token_id id = whole_.find(low, high); id >= 0) {
        sink(scanned_word{&id, 1, word.begin, word.text, word.bytes, word.characters, where});
        word.bytes = word.characters = 0;
        return;
      }
    }
    split(word.text, word.bytes, word.characters, word.begin, where, sink);
    word.bytes = word.characters = 0;
  }

  // Scans words of any characters from `p`; returns after a word, where ASCII goes on.
  template <class Sink>
  [[gnu::noinline]] const char* unicode_words(const char* const text_begin, const char* p, const char* const end,
                                              Sink& sink) const {
    detail::word_buffer<Sink::tracks> word;
    const char* run = p;  // start of the combining marks after the last starter
    while (p < end) {
      const auto [code, bytes] = utf8::decode(p, end);
      const char* const next = p + bytes;
      if (code < text::folding<Reference>::tabled) {
        const auto entry = folding_[code];
        switch (entry.what()) {
          case step::letters: {
            run = next;
            if (entry.bytes() == 0) break;
            if (word.characters == 0) word.begin = p;
            word.characters += entry.characters();
            if (word.characters > max_characters_ && word.bytes != 0) {  // one byte is kept, as it holds the offsets
              word.end = static_cast<std::uint32_t>(next - word.begin);
              break;
            }
            const std::uint32_t text = entry.bits;
            std::memcpy(word.text + word.bytes, &text, 4);
            word.note(entry.bytes(), p, next);
            word.bytes += entry.bytes();
            break;
          }
          case step::space: flush(word, sink); return next;
          case step::punctuation: {
            flush(word, sink);
            char32_t sign = code;
            if (code >= 0x80) sign = folding_.fold(code, unicode::bits_of(code)).code[0];
            put_alone(word, sign, p, next, sink);
            run = next;
            if (next < end && static_cast<unsigned char>(*next) < 0x80) return next;
            break;
          }
          case step::drop:
          case step::mark: break;
          case step::fold: p = fold(code, text_begin, p, next, end, run, word, sink); continue;
        }
        p = next;
        continue;
      }
      const unsigned bits = unicode::bits_of(code);
      const kind k = folding_.kind_from(bits, code);
      if (k == kind::cjk) {
        flush(word, sink);
        if (unicode::is_mapped(bits)) {
          p = fold(code, text_begin, p, next, end, run, word, sink);
          flush(word, sink);
        } else {
          pass_unfolded(code, p, bytes, sink);
          p = run = next;
        }
      } else if (k == kind::punctuation && !unicode::is_mapped(bits)) {
        flush(word, sink);
        pass_unfolded(code, p, bytes, sink);
        p = run = next;
      } else if (k == kind::space) {
        flush(word, sink);
        p = run = next;
      } else if (k == kind::drop) {
        p = next;
        continue;
      } else {
        p = fold(code, text_begin, p, next, end, run, word, sink);
        continue;
      }
      if (p < end && static_cast<unsigned char>(*p) < 0x80) return p;
    }
    flush(word, sink);
    return p;
  }

  // Passes a character that is a word and that folding leaves as it is.
  template <class Sink>
  void pass_unfolded(char32_t code, const char* p, unsigned bytes, Sink& sink) const {
    token_id id;
    if (code < single_.size()) {
      id = single_[code];
    } else {
      std::uint32_t text;
      std::memcpy(&text, p, 4);
      id = whole_.find(text, 0);
      if (id < 0) id = unknown_;
    }
    sink(scanned_word{&id, 1, p, p, bytes, 1, nullptr});
  }

  // Passes a folded character as a word.
  template <bool Tracks, class Sink>
  void put_alone(detail::word_buffer<Tracks>& word, char32_t code, const char* from, const char* to, Sink& sink) const {
    word.add(code, from, to, max_characters_);
    flush(word, sink);
  }

  // Adds the folded form of a letter, mark or punctuation mark; returns where to go on.
  template <bool Tracks, class Sink>
  [[gnu::noinline]] const char* fold(char32_t code, const char* text_begin, const char* p, const char* next, const char* end,
                                     const char*& run, detail::word_buffer<Tracks>& word, Sink& sink) const {
    const unsigned bits = unicode::bits_of(code);
    if (folding_.reorders(code, bits)) {
      char32_t parts[4];
      unicode::decompose<Reference>(code, parts);
      if (unicode::combining_class<Reference>(parts[0]) == 0) run = p;  // a letter: the run begins inside its decomposition
      return reordered(end, run, word, sink);
    }
    folded f = folding_.fold(code, bits);
    if constexpr (Reference::lower_first)
      if (code == 0x3A3 && form().lowercase && is_final(text_begin, p, next, end)) f.code[0] = 0x3C2;
    for (unsigned i = 0; i < f.count; ++i) put(f.code[i], p, next, word, sink);
    if (f.count != 0 || unicode::combining_class<Reference>(code) == 0) run = next;
    return next;
  }

  // Whether the capital sigma in [p, next) is final as in str.lower: a cased letter before it and none after, case-ignorable
  // characters skipped, within white space.
  [[nodiscard]] bool is_final(const char* text_begin, const char* p, const char* next, const char* end) const noexcept {
    const auto cased = [&](char32_t c, bool& decided) {
      const kind k = folding_.kind_of(c);
      if (k == kind::drop) return false;
      if (k == kind::space || k == kind::cjk) return decided = true, false;
      if (unicode::contains(unicode::case_ignorable, c)) return false;
      return decided = true, unicode::contains(unicode::cased, c);
    };
    bool decided = false, before = false, after = false;
    while (p > text_begin && !decided) {
      const char* const q = utf8::previous(text_begin, p);
      before = cased(utf8::decode(q, p).code, decided);
      p = q;
    }
    if (!before) return false;
    for (decided = false; next < end && !decided;) {
      const auto [code, bytes] = utf8::decode(next, end);
      after = cased(code, decided);
      next += bytes;
    }
    return !after;
  }

  template <bool Tracks, class Sink>
  void put(char32_t code, const char* from, const char* to, detail::word_buffer<Tracks>& word, Sink& sink) const {
    const kind k = folding_.kind_of(code);
    if (k == kind::punctuation) {
      flush(word, sink);
      put_alone(word, code, from, to, sink);
    } else if (k == kind::space) {
      flush(word, sink);
    } else {
      word.add(code, from, to, max_characters_);
    }
  }

  // Adds the marks from `run` to the next starter in canonical order (by class, then as written), less those removed as
  // accents. Offsets as in the reference: the k-th sorted mark that is no tail of a decomposition gets the k-th character's
  // range, a tail the range before it.
  template <bool Tracks, class Sink>
  [[gnu::noinline]] const char* reordered(const char* end, const char*& run, detail::word_buffer<Tracks>& word,
                                          Sink& sink) const {
    detail::mark_run& found = detail::mark_run::cleared();
    auto& marks = found.marks;
    auto& ranges = found.ranges;
    const char* p = run;
    const char* before_first = p;
    const char* before_last = p;
    while (p < end) {
      const auto [code, bytes] = utf8::decode(p, end);
      const char* const next = p + bytes;
      const unsigned b = unicode::bits_of(code);
      if (folding_.kind_from(b, code) == kind::drop) {
        p = next;
        continue;
      }
      char32_t parts[4];
      const unsigned n = unicode::decompose<Reference>(code, parts);
      const bool starts = unicode::combining_class<Reference>(parts[0]) == 0;
      if (starts && p != run) break;
      unsigned i = 0;
      if (starts) {  // a letter that decomposes into itself and marks that stay
        for (; i < n && unicode::combining_class<Reference>(parts[i]) == 0; ++i) put(lowered(parts[i]), p, next, word, sink);
        before_first = p;
        before_last = next;
      } else {
        ranges.emplace_back(p, next);
      }
      for (; i < n; ++i)
        marks.push_back({parts[i], unicode::combining_class<Reference>(parts[i]), starts || i > 0,
                         unicode::kind_of<Reference>(parts[i]) != kind::mark});
      p = next;
    }
    found.sort_by_class();
    std::size_t taken = 0;
    for (const detail::mark& m : marks) {
      if (!m.tail) ++taken;
      const char* from = taken == 0 ? before_first : ranges[taken - 1].first;
      const char* to = taken == 0 ? before_last : ranges[taken - 1].second;
      if (m.stays) put(lowered(m.code), from, to, word, sink);
    }
    run = p;
    return p;
  }

  [[nodiscard]] char32_t lowered(char32_t c) const noexcept { return form().lowercase ? unicode::lower<Reference>(c) : c; }

  text::folding<Reference> folding_;
  word_table whole_;
  wordpiece pieces_;
  token_id unknown_;
  std::size_t max_characters_;
  std::vector<token_id> single_;  // id of each character of at most 3 bytes as a word
};

}  // namespace bert::text

#endif  // BERT_TEXT_SCANNER_HPP
