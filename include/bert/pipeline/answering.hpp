// Answers to questions from a context of any length: windows in, the n best answers out.
// Layer: pipeline. Test: tests/unit/pipeline/answering_test.cpp. Paper: Devlin et al. 2019, 4.2 and 4.3.
#ifndef BERT_PIPELINE_ANSWERING_HPP
#define BERT_PIPELINE_ANSWERING_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/heads/span.hpp"
#include "bert/pipeline/answer_options.hpp"
#include "bert/pipeline/decoding.hpp"
#include "bert/pipeline/example.hpp"
#include "bert/tensor/view.hpp"
#include "bert/text/question_windows.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/unit_offsets.hpp"

namespace bert::inline BERT_ISA {

/// A question and the text that may hold its answer: `ask({.question = "Who met Babbage?", .context = passage})`.
struct question {
  std::string_view question, context;
};

/// One of the n best answers.
struct answer_candidate {
  std::string text;
  std::size_t start = 0, end = 0;  ///< bytes [start, end) of the context; both 0 if it is "", no answer
  float score = 0;                 ///< probability: among the n best with `squad`, within its window with `transformers`
  double logit = 0;                ///< with `squad` the sum of both logits
};

/// The answer to a question.
struct answer {
  std::string text;                ///< of the context; "" if it holds none
  std::size_t start = 0, end = 0;  ///< bytes [start, end) of the context
  float score = 0;                 ///< as of answer_candidate
  text::text_range code_points;    ///< the same range in code points, as in Python
  text::text_range utf16;          ///< and in UTF-16 units, as in JavaScript and Java
  /// How much better "no answer" is than the best candidate: with `squad` the difference of the logit sums, with
  /// `transformers` of the probabilities.
  double no_answer = 0;
  std::vector<answer_candidate> n_best;  ///< best first; with may_be_empty, "" is one of them

  /// The best candidate that is not "", or nullptr.
  [[nodiscard]] const answer_candidate* best() const noexcept {
    const auto found = std::find_if(n_best.begin(), n_best.end(), [](const auto& c) { return c.end > c.start; });
    return found == n_best.end() ? nullptr : &*found;
  }
};

namespace pipelines {

/// What decode_answer reads: the context with its tokens, and the head's logits of each window.
struct answer_input {
  std::string_view context;
  std::span<const text::text_range> ranges;     ///< bytes of each token of the context
  std::span<const std::int32_t> words;          ///< of each token
  std::span<const text::text_range> windows;    ///< tokens [first, last)
  std::span<const matrix<const float>> logits;  ///< [T, 2] of each window's sequence
  std::size_t row_of_context = 0;               ///< in each sequence
};

namespace detail {

/// Tokens first to last of the context.
struct scored_span {
  std::size_t first = 0, last = 0;
  double score = 0;
};

/// The `count` rows of the largest logits in column `c`, largest first, of equal ones the first.
inline void best_rows(matrix<const float> logits, std::size_t c, std::size_t count, std::vector<std::size_t>& out) {
  out.resize(logits.rows);
  std::iota(out.begin(), out.end(), std::size_t{0});
  const auto middle = out.begin() + static_cast<std::ptrdiff_t>(std::min(count, out.size()));
  std::partial_sort(out.begin(), middle, out.end(), [&](std::size_t a, std::size_t b) {
    return logits(a, c) != logits(b, c) ? logits(a, c) > logits(b, c) : a < b;
  });
  out.erase(middle, out.end());
}

[[nodiscard]] inline answer_candidate candidate_of(const answer_input& in, std::size_t first, std::size_t last) {
  answer_candidate out;
  out.start = in.ranges[first].first;
  out.end = in.ranges[last].last;
  out.text = in.context.substr(out.start, out.end - out.start);
  return out;
}

inline void decode_squad(const answer_input& in, const answer_options& options, answer& out) {
  const std::size_t longest = options.max_length != 0 ? options.max_length : 30;
  std::vector<scored_span> all;
  std::vector<std::size_t> starts, ends;
  double null = std::numeric_limits<double>::infinity();
  for (std::size_t w = 0; w < in.windows.size(); ++w) {
    const auto& logits = in.logits[w];
    const auto& window = in.windows[w];
    null = std::min(null, static_cast<double>(logits(0, 0)) + static_cast<double>(logits(0, 1)));
    const auto holds = [&](std::size_t row) {
      return row >= in.row_of_context && row - in.row_of_context < window.last - window.first;
    };
    best_rows(logits, 0, options.n_best, starts);
    best_rows(logits, 1, options.n_best, ends);
    for (const std::size_t s : starts) {
      if (!holds(s)) continue;
      const std::size_t first = s - in.row_of_context + window.first;
      if (text::max_context(in.windows, first) != w) continue;
      for (const std::size_t e : ends)
        if (holds(e) && e >= s && e - s < longest)
          all.push_back({first, first + (e - s), static_cast<double>(logits(s, 0)) + static_cast<double>(logits(e, 1))});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  out.no_answer = all.empty() ? std::numeric_limits<double>::infinity() : null - all.front().score;
  std::set<std::string, std::less<>> seen;
  bool with_null = !options.may_be_empty;
  const auto add_null = [&] {
    out.n_best.emplace_back().logit = null;
    with_null = true;
  };
  for (const auto& span : all) {
    if (!with_null && null > span.score) add_null();
    if (out.n_best.size() >= options.n_best) break;
    auto c = candidate_of(in, span.first, span.last);
    if (!seen.insert(c.text).second) continue;
    c.logit = span.score;
    out.n_best.push_back(std::move(c));
  }
  if (!with_null) add_null();
  double sum = 0, most = -std::numeric_limits<double>::infinity();
  for (const auto& c : out.n_best) most = std::max(most, c.logit);
  for (const auto& c : out.n_best) sum += std::exp(c.logit - most);
  for (auto& c : out.n_best) c.score = static_cast<float>(std::exp(c.logit - most) / sum);
}

inline void decode_transformers(const answer_input& in, const answer_options& options, answer& out) {
  const std::size_t longest = options.max_length != 0 ? options.max_length : 15;
  std::vector<scored_span> all, here;
  std::vector<double> start, end;
  double null = std::numeric_limits<double>::infinity();
  for (std::size_t w = 0; w < in.windows.size(); ++w) {
    const auto& logits = in.logits[w];
    const std::size_t count = in.windows[w].last - in.windows[w].first;
    // Softmax over [CLS], entry 0, and the window's tokens.
    const auto softmax = [&](std::size_t c, std::vector<double>& p) {
      p.assign(1, static_cast<double>(logits(0, c)));
      for (std::size_t t = 0; t < count; ++t) p.push_back(static_cast<double>(logits(in.row_of_context + t, c)));
      const double most = *std::max_element(p.begin(), p.end());
      double sum = 0;
      for (double& x : p) sum += x = std::exp(x - most);
      for (double& x : p) x /= sum;
    };
    softmax(0, start);
    softmax(1, end);
    null = std::min(null, start[0] * end[0]);
    here.clear();
    for (std::size_t s = 0; s < count; ++s)
      for (std::size_t e = s; e < std::min(count, s + longest); ++e)
        here.push_back({s + in.windows[w].first, e + in.windows[w].first, start[s + 1] * end[e + 1]});
    const auto middle = here.begin() + static_cast<std::ptrdiff_t>(std::min(options.n_best, here.size()));
    std::partial_sort(here.begin(), middle, here.end(), [](const auto& a, const auto& b) {
      return a.score != b.score ? a.score > b.score : a.first != b.first ? a.first < b.first : a.last < b.last;
    });
    all.insert(all.end(), here.begin(), middle);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  out.no_answer = null - (all.empty() ? 0 : all.front().score);
  bool with_null = !options.may_be_empty;
  const auto add_null = [&] {
    out.n_best.emplace_back().score = static_cast<float>(null);
    with_null = true;
  };
  for (const auto& span : all) {
    if (!with_null && null > span.score) add_null();
    if (out.n_best.size() >= options.n_best) break;
    std::size_t first = span.first, last = span.last;
    while (first > 0 && in.words[first - 1] == in.words[first]) --first;
    while (last + 1 < in.words.size() && in.words[last + 1] == in.words[last]) ++last;
    out.n_best.push_back(candidate_of(in, first, last));
    out.n_best.back().score = static_cast<float>(span.score);
  }
  if (!with_null) add_null();
}

}  // namespace detail

/// Finds the answer in the windows of a context. `may_be_empty` decides whether it can be "": if no_answer exceeds the
/// threshold. Without a candidate the answer is "" with score 0.
[[nodiscard]] inline answer decode_answer(const answer_input& in, const answer_options& options) {
  answer out;
  if (options.decoding == answer_decoding::squad) detail::decode_squad(in, options, out);
  else detail::decode_transformers(in, options, out);
  const answer_candidate* chosen = out.best();
  if (options.may_be_empty && (chosen == nullptr || out.no_answer > options.threshold.value_or(0))) {
    const auto none = std::find_if(out.n_best.begin(), out.n_best.end(), [](const auto& c) { return c.end == c.start; });
    chosen = none == out.n_best.end() ? nullptr : &*none;
  }
  if (chosen == nullptr) return out;
  out.text = chosen->text;
  out.start = chosen->start;
  out.end = chosen->end;
  out.score = chosen->score;
  const auto in_units = [&](auto unit) {
    text::text_range range{out.start, out.end};
    text::detail::convert_offsets<decltype(unit)>(in.context, std::span(&range, 1));
    return range;
  };
  out.code_points = in_units(text::offsets::code_points{});
  out.utf16 = in_units(text::offsets::utf16{});
  return out;
}

/// The windows of questions under `answers`; sequences have at most `max_tokens`.
[[nodiscard]] inline text::question_windows question_windows_of(const answer_options& answers, std::size_t max_tokens) {
  text::question_window_options o{
      .max_tokens = max_tokens, .max_question = answers.max_question, .step = answers.step, .overlap = answers.overlap};
  if (!o.step && !o.overlap && answers.decoding == answer_decoding::transformers) {
    const std::size_t most = max_tokens > answers.max_question + 3 ? max_tokens - answers.max_question - 4 : 0;
    o.overlap = std::min({max_tokens / 2, std::size_t{128}, most});
  }
  return {o, "bert::pipeline_options"};
}

}  // namespace pipelines

/// Windows [CLS] question [SEP] context [SEP], and the best answer in them.
template <heads::span_finder Head>
struct decoding<Head> {
  using result = answer;

  /// Throws bert::error unless `second`, the context, is given.
  [[nodiscard]] static std::vector<text_encoding> windows(const text::tokenizer& tokenizer, std::string_view text,
                                                          std::optional<std::string_view> second,
                                                          const pipeline_options& options) {
    if (!second)
      throw_error({"bert::pipeline", "a question and a context, as the head finds answers", "one text",
                   "call it with {.question = …, .context = …}"});
    const auto layout = pipelines::question_windows_of(options.answers, options.max_tokens);
    constexpr text::encode_options bare{.special_tokens = false};
    auto question = tokenizer.encode<text::offsets::bytes>(text, bare);
    const auto context = tokenizer.encode<text::offsets::bytes>(*second, bare);
    const std::size_t asked = std::min(question.size(), options.answers.max_question);
    std::vector<text_encoding> out;
    for (const auto& window : layout(asked, context.size())) {
      text_encoding& w = out.emplace_back();
      const auto put_special = [&](token_id id, segment_id segment) {
        w.ids.push_back(id);
        w.segments.push_back(segment);
        w.ranges.push_back({});
        w.words.push_back(text::no_word);
        w.special.push_back(1);
      };
      const auto put = [&](const text_encoding& from, std::size_t t, segment_id segment) {
        w.ids.push_back(from.ids[t]);
        w.segments.push_back(segment);
        w.ranges.push_back(from.ranges[t]);
        w.words.push_back(from.words[t]);
        w.special.push_back(0);
      };
      put_special(tokenizer.cls_id(), 0);
      for (std::size_t t = 0; t < asked; ++t) put(question, t, 0);
      put_special(tokenizer.sep_id(), 0);
      for (std::size_t t = window.first; t < window.last; ++t) put(context, t, tokenizer.second_segment());
      put_special(tokenizer.sep_id(), tokenizer.second_segment());
    }
    return out;
  }

  static result decode(const pipeline_example& in) {
    const auto layout = pipelines::question_windows_of(in.options.answers, in.options.max_tokens);
    const auto& first = in.windows.front();
    const std::size_t asked =
        static_cast<std::size_t>(std::find(first.special.begin() + 1, first.special.end(), 1) - first.special.begin()) - 1;
    const std::size_t row = text::question_windows::row_of_context(asked);
    std::vector<text::text_range> windows, ranges;
    std::vector<std::int32_t> words;
    for (const auto& w : in.windows) {
      const std::size_t from = windows.size() * layout.step(asked), count = w.size() - row - 1;
      windows.push_back({from, from + count});
      for (std::size_t t = ranges.size(); t < from + count; ++t) {
        ranges.push_back(w.ranges[row + t - from]);
        words.push_back(w.words[row + t - from]);
      }
    }
    return pipelines::decode_answer(
        {.context = *in.second, .ranges = ranges, .words = words, .windows = windows, .logits = in.rows, .row_of_context = row},
        in.options.answers);
  }
};

}  // namespace bert

#endif  // BERT_PIPELINE_ANSWERING_HPP
