// How a question and a context of any length become sequences: [CLS] question [SEP] window of the context [SEP].
// Layer: text. Test: tests/unit/text/question_windows_test.cpp. Paper: Devlin et al. 2019, run_squad.py ("doc stride").
#ifndef BERT_TEXT_QUESTION_WINDOWS_HPP
#define BERT_TEXT_QUESTION_WINDOWS_HPP

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/text/encoding.hpp"

namespace bert::inline BERT_ISA::text {

/// Sizes of the sequences. Windows are `step` tokens apart (Google's doc_stride), or share `overlap` tokens (Hugging Face's):
/// give one of the two.
struct question_window_options {
  std::size_t max_tokens = 384;   ///< of a sequence, with [CLS] and two [SEP]
  std::size_t max_question = 64;  ///< tokens; longer questions are cut
  std::optional<std::size_t> step = {};
  std::optional<std::size_t> overlap = {};
};

/// Checked question_window_options; a step of 128 if neither `step` nor `overlap` is given.
class question_windows {
 public:
  /// Throws bert::error with `where` for both a step and an overlap, a step of 0, and sizes that leave a window no token
  /// besides those that it shares.
  question_windows(const question_window_options& options, const std::string& where) : options_(options) {
    if (options.step && options.overlap)
      throw_error({where, "either .step or .overlap", cat(".step = ", *options.step, " and .overlap = ", *options.overlap),
                   "windows are .step tokens apart, as with Google's doc_stride, or share .overlap tokens, as with Hugging "
                   "Face's"});
    if (options.step && *options.step == 0) throw_error({where, ".step of at least 1", "0", {}});
    if (options.max_question == 0 || options.max_tokens < options.max_question + special + 1)
      throw_error({where, cat(".max_question of at least 1, .max_tokens of at least .max_question + ", special + 1),
                   cat(options.max_question, " and ", options.max_tokens), "leave room for the context"});
    if (options.overlap && *options.overlap >= capacity(options.max_question))
      throw_error({where,
                   cat(".overlap below the ", capacity(options.max_question), " context tokens beside a question of ",
                       options.max_question),
                   cat(*options.overlap),
                   {}});
  }

  [[nodiscard]] const question_window_options& options() const noexcept { return options_; }
  /// Tokens of the context in a window beside a question of `question` tokens, at most max_question.
  [[nodiscard]] std::size_t capacity(std::size_t question) const noexcept { return options_.max_tokens - question - special; }
  /// How far the first tokens of two windows are apart.
  [[nodiscard]] std::size_t step(std::size_t question) const noexcept {
    if (options_.overlap) return capacity(question) - *options_.overlap;
    return std::min(options_.step.value_or(128), capacity(question));
  }
  /// The context's tokens [first, last) of each window, of `size` in all; one window if there are none.
  [[nodiscard]] std::vector<text_range> operator()(std::size_t question, std::size_t size) const {
    std::vector<text_range> out;
    for (std::size_t first = 0;; first += step(question)) {
      out.push_back({first, std::min(first + capacity(question), size)});
      if (out.back().last == size) return out;
    }
  }
  /// The row of a sequence in which a window's first token stands.
  [[nodiscard]] static constexpr std::size_t row_of_context(std::size_t question) noexcept { return question + 2; }

 private:
  static constexpr std::size_t special = 3;  // [CLS] and two [SEP]
  question_window_options options_;
};

/// argmax_w min(left, right) + 0.01 length: the window in which `token` has the most context, the first of equals.
///
/// left and right are the tokens of window w before and after it. The last term is run_squad.py's; without it,
/// text::most_context would take an earlier window where a longer one is as good. Pre: a window contains `token`.
[[nodiscard]] inline std::size_t max_context(std::span<const text_range> windows, std::size_t token) noexcept {
  std::size_t best = windows.size();
  double most = 0;
  for (std::size_t w = 0; w < windows.size() && windows[w].first <= token; ++w) {
    if (token >= windows[w].last) continue;
    const double context = static_cast<double>(std::min(token - windows[w].first, windows[w].last - 1 - token)) +
                           0.01 * static_cast<double>(windows[w].last - windows[w].first);
    if (best == windows.size() || context > most) {
      best = w;
      most = context;
    }
  }
  return best;
}

}  // namespace bert::text

#endif  // BERT_TEXT_QUESTION_WINDOWS_HPP
