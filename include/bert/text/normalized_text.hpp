// A normalized text with the input range of every byte, in which added tokens with `normalized` are matched.
// Layer: text. Test: tests/unit/text/added_tokens_test.cpp
#ifndef BERT_TEXT_NORMALIZED_TEXT_HPP
#define BERT_TEXT_NORMALIZED_TEXT_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/text/scanner.hpp"
#include "bert/text/unicode/fold.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::text {

/// Byte i of `text` came from bytes [first[i], last[i]) of the input.
struct normalized_text {
  std::string text;
  std::vector<std::size_t> first, last;

  void clear() noexcept {
    text.clear();
    first.clear();
    last.clear();
  }
  void add(char32_t code, std::size_t from, std::size_t to) {
    utf8::append(code, text);
    first.resize(text.size(), from);
    last.resize(text.size(), to);
  }
};

/// Writes `out`: control characters removed, white space replaced by spaces, spaces around CJK characters, accents and case by
/// `folding`. Combining marks keep their order.
template <class Reference>
void normalize(const folding<Reference>& folding, const char* const begin, const char* const end, normalized_text& out) {
  out.clear();
  for (const char* p = begin; p < end;) {
    const auto [code, bytes] = utf8::decode(p, end);
    const auto from = static_cast<std::size_t>(p - begin), to = from + bytes;
    p += bytes;
    const unsigned bits = unicode::bits_of(code);
    const kind k = folding.kind_from(bits, code);
    if (k == kind::drop) continue;
    if (k == kind::space) {
      out.add(' ', from, to);
      continue;
    }
    if (k == kind::cjk) out.add(' ', from, to);
    const folded f = folding.fold(code, bits);
    for (unsigned i = 0; i < f.count; ++i) out.add(f.code[i], from, to);
    if (k == kind::cjk) out.add(' ', from, to);
  }
}

/// A sink that maps words of a normalized text back to the input and passes them to `sink`. It hides the type of `sink`, so
/// that one scanner is compiled for all of them; texts with normalized tokens are rare.
class original_offsets {
 public:
  static constexpr bool tracks = true;

  template <class Sink>
  original_offsets(const normalized_text& normal, const char* input, Sink& sink)
      : normal_(normal),
        input_(input),
        sink_(&sink),
        pass_([](void* to, const scanned_word& w) { (*static_cast<Sink*>(to))(w); }) {}

  void operator()(scanned_word w) {
    const auto at = static_cast<std::size_t>(w.begin - normal_.text.data());
    const auto begin = [&](std::size_t i) { return normal_.first[at + (w.map == nullptr ? i : w.map->first[i])]; };
    const auto end = [&](std::size_t i) { return normal_.last[at + (w.map == nullptr ? i + 1 : w.map->last[i]) - 1]; };
    const std::size_t base = begin(0);
    first_.clear();
    last_.clear();
    for (std::size_t i = 0; i < w.bytes; ++i) {
      first_.push_back(static_cast<std::uint32_t>(begin(i) - base));
      last_.push_back(static_cast<std::uint32_t>(end(i) - base));
    }
    const origins map{first_.data(), last_.data()};
    w.begin = input_ + base;
    w.map = &map;
    pass_(sink_, w);
  }

 private:
  const normalized_text& normal_;
  const char* input_;
  void* sink_;
  void (*pass_)(void*, const scanned_word&);
  std::vector<std::uint32_t> first_, last_;
};

}  // namespace bert::text

#endif  // BERT_TEXT_NORMALIZED_TEXT_HPP
