// The cross-entropy of the first and last token of an answer.
// Layer: objectives. Test: tests/unit/objectives/span_test.cpp. Paper: Devlin et al. 2019, 4.2.
#ifndef BERT_OBJECTIVES_SPAN_HPP
#define BERT_OBJECTIVES_SPAN_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/heads/span.hpp"
#include "bert/kernels/loss/span_cross_entropy.hpp"
#include "bert/objectives/per_sequence.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {
template <class Head>
struct is_span_finder : std::bool_constant<heads::span_finder<Head>> {};
}  // namespace detail

/// Throws unless the batch has one span a sequence, within it, or both ends -1 (not counted).
inline void check_spans(const training_batch& in, const char* where) {
  if (in.spans.size() != in.tokens.sequences())
    throw_error({where, cat(in.tokens.sequences(), " spans, one a sequence"), cat(in.spans.size()),
                 "use a source of questions with answers"});
  for (std::size_t s = 0; s < in.spans.size(); ++s) {
    const auto [first, last] = in.spans[s];
    if (first == -1 && last == -1) continue;
    if (first < 0 || last < first || static_cast<std::size_t>(last) >= in.tokens.length(s))
      throw_error({where, cat("a first and a last token among the sequence's ", in.tokens.length(s), ", or both -1"),
                   cat(first, " and ", last), "count tokens from the start of the sequence"});
  }
}

/// loss = -mean_s 1/2 (log softmax_n(logits[n,0])[first_s] + log softmax_n(logits[n,1])[last_s])
///
/// n runs over all tokens of sequence s, [CLS] and question included, as in transformers; s over the sequences that have a
/// span. Trains the model's first head that predicts spans. A prediction is correct if both ends are. Throws bert::error unless
/// there is one span a sequence, within it.
struct span : detail::per_sequence<detail::is_span_finder> {
  using needs = target_list<target::span>;
  using heads = type_list<bert::heads::span>;

  struct work {
    work(const span&, const batch_shape& raw) : losses(raw.sequences), predicted(raw.sequences) {}
    buffer<float> losses;
    buffer<token_span> predicted;
  };
  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) noexcept { return in.tokens; }

  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) noexcept {
    loss_terms terms;
    terms.add({.name = "loss", .count = counted_spans(in.spans)});
    return terms;
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    check_spans(in, "bert::objectives::span");
    const matrix<float> z = logits(t);
    loss_term term{.name = "loss", .count = counted_spans(in.spans)};
    kernels::span_cross_entropy(e, z, in.tokens.starts(), in.spans, w.losses.data(), w.predicted.data(), z,
                                scale.of("loss", term.count));
    for (std::size_t s = 0; s < in.spans.size(); ++s) {
      if (in.spans[s].first < 0) continue;
      term.sum += static_cast<double>(w.losses[s]);
      term.correct += w.predicted[s] == in.spans[s] ? 1 : 0;
    }
    loss_terms terms;
    terms.add(term);
    return terms;
  }

 private:
  [[nodiscard]] static std::uint64_t counted_spans(std::span<const token_span> spans) noexcept {
    return static_cast<std::uint64_t>(
        std::count_if(spans.begin(), spans.end(), [](const token_span& s) { return s.first >= 0; }));
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_SPAN_HPP
