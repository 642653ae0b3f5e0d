// Decodes a CRF's output: the likeliest path of tags over the words of a text, its entities, and other likely paths.
// Layer: pipeline. Test: tests/unit/pipeline/crf_tagging_test.cpp
#ifndef BERT_PIPELINE_CRF_TAGGING_HPP
#define BERT_PIPELINE_CRF_TAGGING_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/heads/crf.hpp"
#include "bert/heads/crf_paths.hpp"
#include "bert/labels/transitions.hpp"
#include "bert/pipeline/decoding.hpp"
#include "bert/pipeline/example.hpp"
#include "bert/pipeline/tagging.hpp"
#include "bert/pipeline/word_windows.hpp"

namespace bert::inline BERT_ISA {

/// One path of tags over a text. A word's score is the probability of its tag, over all paths.
struct tagged_path : tagged_text {
  double probability = 0;  ///< of the whole path
};

/// A CRF's result for a text: the likeliest path, as a range of its entities.
struct crf_tagged_text : tagged_path {
  std::vector<tagged_path> paths;  ///< the likeliest `pipeline_options::paths`, likeliest first: this one, then others
};

/// All words of a text are one sequence: Viterbi over the first pieces, each in the window where its word has the most context.
template <heads::path_tagger Head>
struct decoding<Head> : pipelines::word_windows {
  using result = crf_tagged_text;

  /// `packed` are the head's weights.
  template <class Packed>
  static result decode(const pipeline_example& in, const Packed& packed) {
    if (in.options.pieces != aggregation::first)
      throw_error({"bert::pipeline_options", "pieces of aggregation::first, as a CRF's path is over first pieces",
                   in.options.pieces == aggregation::max ? "max" : "average", "leave it out, or train a tagger without a CRF"});
    std::vector<float> allowed(labels::transition_count(packed.tags));
    Head::write_allowed(in.labels, allowed);
    const auto words = in.words();
    std::vector<const float*> rows;
    rows.reserve(words.size());
    for (const auto& word : words) rows.push_back(in.rows[word.window].row(word.row));
    heads::crf_paths paths(packed.chain(allowed.data()));
    paths.read(rows);
    const auto p = paths.marginals();
    const auto write = [&](std::span<const std::int32_t> path, tagged_path& out) {
      for (std::size_t w = 0; w < words.size(); ++w)
        out.words.push_back({.text = std::string(words[w].text),
                             .tag = in.labels[static_cast<std::size_t>(path[w])],
                             .number = path[w],
                             .score = p(w, static_cast<std::size_t>(path[w])),
                             .bytes = words[w].bytes});
      out.entities = entities_of(in.text, out.words, in.labels);
      out.probability = paths.probability(path);
    };
    result out;
    write(paths.best(), out);
    if (in.options.paths > 0)
      for (const auto& path : paths.best(in.options.paths)) write(path, out.paths.emplace_back());
    return out;
  }
};

}  // namespace bert

#endif  // BERT_PIPELINE_CRF_TAGGING_HPP
