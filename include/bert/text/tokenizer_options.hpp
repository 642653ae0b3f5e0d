// Options of a tokenizer: normalization, added tokens, truncation, decoding.
// Layer: text. Test: tests/unit/text/tokenizer_test.cpp
#ifndef BERT_TEXT_TOKENIZER_OPTIONS_HPP
#define BERT_TEXT_TOKENIZER_OPTIONS_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/text/added_tokens.hpp"

namespace bert::inline BERT_ISA::text {

/// The side of a text that truncation cuts.
enum class side : std::uint8_t { left, right };

/// Normalization and special tokens, named as in tokenizer_config.json.
struct tokenizer_options {
  bool lowercase = true;
  std::optional<bool> strip_accents = {};  ///< absent: same as `lowercase`
  bool tokenize_chinese_chars = true;      ///< every CJK ideograph is a word of its own
  bool clean_text = true;                  ///< drops control characters
  std::size_t max_word_characters = 0;     ///< longer words are [UNK]; 0: the reference's limit (100; google 200)
  std::string pad = "[PAD]", unk = "[UNK]", cls = "[CLS]", sep = "[SEP]", mask = "[MASK]";
  std::vector<added_token> added = {};  ///< besides those five; ids may exceed the vocabulary's, gaps stay unused
  bool second_segment = true;           ///< the second text of a pair has segment 1; else both have segment 0
  side truncation_side = side::right;   ///< the side to cut, unless encode_options::truncate_side is given
};

/// Which text of a pair is cut when there are more than `max_tokens` tokens.
enum class truncation : std::uint8_t {
  none,           ///< neither: too many tokens are an error
  longest_first,  ///< one token at a time from the longer text
  only_first,
  only_second
};

struct encode_options {
  std::size_t max_tokens = 0;                       ///< [CLS] and [SEP] included; 0: no limit
  truncation truncate = truncation::longest_first;  ///< used only with a limit
  std::optional<side> truncate_side = {};           ///< the side to cut; absent: the tokenizer's truncation_side
  std::size_t stride = 0;                           ///< tokens that a window shares with the next; see windows()
  bool special_tokens = true;                       ///< add [CLS] and [SEP]
};

struct decode_options {
  bool skip_special = true;  ///< omit [CLS], [SEP], [PAD], [MASK], [UNK] and special added tokens
  bool clean_up = true;      ///< remove spaces before . ? ! , and inside English contractions
};

namespace detail {

/// How many of the `a` and `b` tokens are kept beside `extra` special tokens. `first_is_longer()` decides which text gets the
/// odd token if both are cut. Throws bert::error if the options do not allow truncation to max_tokens.
template <class FirstIsLonger>
std::pair<std::size_t, std::size_t> kept_tokens(std::size_t a, std::size_t b, bool pair, std::size_t extra,
                                                const encode_options& options, FirstIsLonger&& first_is_longer) {
  if (options.max_tokens == 0 || a + b + extra <= options.max_tokens) return {a, b};
  const auto fail = [&](const std::string& hint) {
    throw_error({"bert::text::tokenizer::encode", cat("at most ", options.max_tokens, " tokens"), cat(a + b + extra), hint});
  };
  if (options.max_tokens < extra) fail(cat("max_tokens must be at least the ", extra, " special tokens"));
  const std::size_t capacity = options.max_tokens - extra, excess = a + b - capacity;
  switch (options.truncate) {
    case truncation::none: fail("set encode_options::truncate, or use windows()"); break;
    case truncation::only_first:
      if (excess >= a) fail("cutting the first text is not enough; use truncation::longest_first");
      return {a - excess, b};
    case truncation::only_second:
      if (!pair || excess >= b) fail("cutting the second text is not enough; use truncation::longest_first");
      return {a, b - excess};
    case truncation::longest_first: break;
  }
  if (!pair) return {capacity, 0};
  // A text of at most half the capacity is kept whole; else each gets half, and the longer the odd token.
  const std::size_t half = capacity / 2;
  if (a <= half) return {a, capacity - a};
  if (b <= half) return {capacity - b, b};
  return capacity % 2 != 0 && first_is_longer() ? std::pair{half + 1, half} : std::pair{half, capacity - half};
}

}  // namespace detail
}  // namespace bert::text

#endif  // BERT_TEXT_TOKENIZER_OPTIONS_HPP
