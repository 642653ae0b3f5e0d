// One input of a pipeline as its decoding sees it: the texts, their windows, the head's output.
// Layer: pipeline. Test: tests/unit/pipeline/tagging_test.cpp
#ifndef BERT_PIPELINE_EXAMPLE_HPP
#define BERT_PIPELINE_EXAMPLE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/ensure.hpp"
#include "bert/core/isa.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/pipeline/answer_options.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/tensor/view.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/windows.hpp"

namespace bert::inline BERT_ISA {

/// Which of a word's pieces give its tag, as transformers' aggregation_strategy: the likeliest tag of the first piece; of the
/// mean of all pieces' probabilities; or of the piece that is most certain.
enum class aggregation : std::uint8_t { first, average, max };

struct pipeline_options {
  std::size_t max_tokens = 0;   ///< of a sequence, 0 = the architecture's positions; longer texts are cut, or read in windows
  std::size_t top = 5;          ///< candidates for a [MASK]
  std::size_t stride = 64;      ///< tokens that a window shares with the next, at most half of it; for heads that read windows
  std::size_t paths = 0;        ///< likeliest paths of tags that a CRF's result lists beside its entities
  answer_options answers = {};  ///< for heads that answer questions
  std::vector<float> thresholds = {};       ///< of labels that may apply together: one for all, or one a label; empty: 0.5
  aggregation pieces = aggregation::first;  ///< for taggers; a CRF's path is over first pieces
};

/// Tokens of a sequence with their bytes in the text.
using text_encoding = text::encoding<text::offsets::bytes>;

/// A word of the text. Its output is row `row` of window `window`, that of its first piece; those of its other pieces follow.
struct example_word {
  std::string_view text;
  text::text_range bytes;
  std::size_t window = 0, row = 0;
  std::size_t pieces = 0;
};

/// The input of a decoding: one text or pair, as it was read.
struct pipeline_example {
  std::string_view text;
  std::optional<std::string_view> second;     ///< of a pair
  std::span<const text_encoding> windows;     ///< the sequences of the text; one, unless the head reads windows
  std::span<const matrix<const float>> rows;  ///< the head's output for each: [T, L], [1, L] or [scored, V]; see heads::rows_of
  const text::tokenizer& tokenizer;
  const std::vector<std::string>& labels;  ///< names of the classes or tags, if the head has any
  const pipeline_options& options;

  /// The words of `text` in order, each in the window where it has the most context. Windows hold whole words.
  [[nodiscard]] std::vector<example_word> words() const {
    std::vector<text::text_range> held;  // words [first, last) of each window
    for (const auto& w : windows) {
      held.push_back(held.empty() ? text::text_range{} : text::text_range{held.back().last, held.back().last});
      bool any = false;
      for (std::size_t t = 0; t < w.size(); ++t) {
        if (w.special[t] != 0 || w.segments[t] != 0) continue;
        const auto number = static_cast<std::size_t>(w.words[t]);
        if (!any) held.back().first = number;
        any = true;
        held.back().last = number + 1;
      }
    }
    std::vector<example_word> out;
    if (held.empty()) return out;
    out.resize(held.back().last);
    for (std::size_t k = 0; k < windows.size(); ++k) {
      const auto& w = windows[k];
      for (std::size_t t = 0; t < w.size(); ++t) {
        if (w.special[t] != 0 || w.segments[t] != 0) continue;
        const auto number = static_cast<std::size_t>(w.words[t]);
        if (text::most_context(held, number) != k) continue;
        example_word& word = out[number];
        if (word.bytes == text::text_range{}) word = {{}, w.ranges[t], k, t, 0};
        ++word.pieces;
        word.bytes.last = w.ranges[t].last;
        word.text = text.substr(word.bytes.first, word.bytes.last - word.bytes.first);
      }
    }
    return out;
  }
};

namespace pipelines {

/// A head's output, a view of rank 1 or 2, as a matrix.
template <class Head, class Output>
[[nodiscard]] matrix<const float> all_rows(const Output& output) {
  static_assert(
      ensure<(Output::rank <= 2), facts<Head, Output>>,
      "bert::pipeline: the output of a head must be a view of one or two extents, its rows sequences, tokens or scored "
      "positions");
  if constexpr (Output::rank == 1) return {output.data(), output.size(), 1};
  else return output.as_matrix();
}

/// The rows of sequence `s` of the batch in a head's output.
template <class Head, class Output>
[[nodiscard]] matrix<const float> rows_of_sequence(const Output& output, const token_batch& batch, std::size_t s) {
  const matrix<const float> all = all_rows<Head>(output);
  constexpr auto rows = heads::rows_of<Head>;
  if constexpr (rows == heads::output_rows::sequences) return all.block(s, 1);
  else if constexpr (rows == heads::output_rows::tokens) return all.block(batch.starts()[s], batch.length(s));
  else {
    const auto scored = batch.scored();
    const auto first = std::lower_bound(scored.begin(), scored.end(), batch.starts()[s]),
               last = std::lower_bound(first, scored.end(), batch.starts()[s + 1]);
    return all.block(static_cast<std::size_t>(first - scored.begin()), static_cast<std::size_t>(last - first));
  }
}

}  // namespace pipelines
}  // namespace bert

#endif  // BERT_PIPELINE_EXAMPLE_HPP
