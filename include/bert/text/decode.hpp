// Joins pieces to text as the reference's WordPiece decoder does.
// Layer: text. Test: tests/unit/text/tokenizer_test.cpp
#ifndef BERT_TEXT_DECODE_HPP
#define BERT_TEXT_DECODE_HPP

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::text::detail {

struct replacement {
  std::string_view from, to;
};

/// Replaces every occurrence of `r.from`, left to right.
inline void replace_all(std::string& text, const replacement& r) {
  std::size_t at = text.find(r.from);
  if (at == std::string::npos) return;
  std::string out;
  std::size_t done = 0;
  for (; at != std::string::npos; at = text.find(r.from, done)) {
    out.append(text, done, at - done).append(r.to);
    done = at + r.from.size();
  }
  text = out.append(text, done);
}

/// Replacements of the reference, in this order, in every piece with the space before it.
inline constexpr std::array<replacement, 11> clean_up{{{" .", "."},
                                                       {" ?", "?"},
                                                       {" !", "!"},
                                                       {" ,", ","},
                                                       {" ' ", "'"},
                                                       {" n't", "n't"},
                                                       {" 'm", "'m"},
                                                       {" do not", " don't"},
                                                       {" 's", "'s"},
                                                       {" 've", "'ve"},
                                                       {" 're", "'re"}}};

/// Appends `piece` to `out`: a continuation piece without its "##", any other after a space.
inline void append_piece(std::string& out, std::string_view piece, bool first, bool clean) {
  std::string text;
  if (first) text = piece;
  else if (piece.starts_with("##")) text = piece.substr(2);
  else text.append(1, ' ').append(piece);
  if (clean)
    for (const auto& r : clean_up) replace_all(text, r);
  out += text;
}

}  // namespace bert::text::detail

#endif  // BERT_TEXT_DECODE_HPP
