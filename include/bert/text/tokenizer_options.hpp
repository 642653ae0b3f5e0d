// What a tokenizer does to text and how it fits texts into a model: plain values.
// Layer: text. Test: tests/unit/text/tokenizer_test.cpp
#pragma once

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

/// The end of a text that is cut.
enum class side : std::uint8_t { left, right };

/// What to do to text, under the names of tokenizer_config.json.
struct tokenizer_options {
  bool lowercase = true;
  std::optional<bool> strip_accents = {};  ///< as `lowercase` says if absent
  bool tokenize_chinese_chars = true;      ///< every CJK ideograph is a word of its own
  bool clean_text = true;                  ///< drops control characters
  std::size_t max_word_characters = 0;     ///< longer words are [UNK]; 0: what the reference has (100, google 200)
  std::string pad = "[PAD]", unk = "[UNK]", cls = "[CLS]", sep = "[SEP]", mask = "[MASK]";
  std::vector<added_token> added = {};  ///< besides those five; may lie beyond the vocabulary, ids between them stay unused
  bool second_segment = true;           ///< the second text of a pair is of segment 1; else both are of segment 0
  side truncation_side = side::right;   ///< the end that is cut, unless encode_options say
};

/// Which sequence of a pair gives way when there are more tokens than `max_tokens`.
enum class truncation : std::uint8_t {
  none,           ///< none: too many are an error
  longest_first,  ///< one by one from the longer
  only_first,
  only_second
};

struct encode_options {
  std::size_t max_tokens = 0;                       ///< with [CLS] and [SEP]; 0: no limit
  truncation truncate = truncation::longest_first;  ///< only if there is a limit
  std::optional<side> truncate_side = {};           ///< the end that is cut; absent: the tokenizer's truncation_side
  std::size_t stride = 0;                           ///< tokens that a window shares with the next; see windows()
  bool special_tokens = true;                       ///< put [CLS] and [SEP] around
};

struct decode_options {
  bool skip_special = true;  ///< leave out [CLS], [SEP], [PAD], [MASK], [UNK] and added tokens that are special
  bool clean_up = true;      ///< no space before . ? ! , and around English contractions
};

namespace detail {

/// How many tokens of each sequence stay, of `a` and `b`, with `extra` special ones around them; `first_is_longer()` is asked
/// when an odd place is left between two that are both cut. Throws bert::error if the options do not allow to make them fit.
template <class FirstIsLonger>
std::pair<std::size_t, std::size_t> kept_tokens(std::size_t a, std::size_t b, bool pair, std::size_t extra,
                                                const encode_options& options, FirstIsLonger&& first_is_longer) {
  if (options.max_tokens == 0 || a + b + extra <= options.max_tokens) return {a, b};
  const auto fail = [&](const std::string& hint) {
    throw error({"bert::text::tokenizer::encode", cat("at most ", options.max_tokens, " tokens"), cat(a + b + extra), hint});
  };
  if (options.max_tokens < extra) fail(cat("max_tokens has to hold the ", extra, " special tokens"));
  const std::size_t room = options.max_tokens - extra, excess = a + b - room;
  switch (options.truncate) {
    case truncation::none: fail("ask for a truncation, or for windows"); break;
    case truncation::only_first:
      if (excess >= a) fail("the first sequence is too short to make room; truncate longest_first");
      return {a - excess, b};
    case truncation::only_second:
      if (!pair || excess >= b) fail("the second sequence is too short to make room; truncate longest_first");
      return {a, b - excess};
    case truncation::longest_first: break;
  }
  if (!pair) return {room, 0};
  // The shorter stays whole if it takes no more than its half; else they share, the longer getting the odd one.
  const std::size_t half = room / 2;
  if (a <= half) return {a, room - a};
  if (b <= half) return {room - b, b};
  return room % 2 != 0 && first_is_longer() ? std::pair{half + 1, half} : std::pair{half, room - half};
}

}  // namespace detail
}  // namespace bert::text
