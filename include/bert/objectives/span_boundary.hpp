// SpanBERT's objective: masked LM and, for each token of a masked span, its prediction from the two tokens around the span.
// Layer: objectives. Test: tests/unit/objectives/span_boundary_test.cpp. Paper: Joshi et al. 2020, "SpanBERT", 2.2.
#ifndef BERT_OBJECTIVES_SPAN_BOUNDARY_HPP
#define BERT_OBJECTIVES_SPAN_BOUNDARY_HPP

#include <cstdint>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/heads/span_boundary.hpp"
#include "bert/objectives/masked_lm.hpp"

namespace bert::inline BERT_ISA::objectives {

/// loss = masked LM - mean over masked positions of log softmax(boundary logits)[original token]
///
/// The terms are "mlm" and "sbo", the second times `boundary_weight`. Positions beyond the first 20 of their span are not
/// counted in "sbo". A span is a run of masked positions, so two spans that touch are one, as in the paper's code.
///
///     using objective = bert::objectives::span_boundary<>;  // over masking::span
///     auto model = bert::model_for<arch, objective>::random({.seed = 1});
template <class Masking = masking::span>
struct span_boundary : masked_lm<Masking> {
  using base = masked_lm<Masking>;
  float boundary_weight = 1;

  using heads = bert::type_list<bert::heads::masked_lm, bert::heads::span_boundary>;
  template <class Model>
  static constexpr bool fits =
      Model::template has_head<bert::heads::masked_lm>&& Model::template has_head<bert::heads::span_boundary>;

  struct work : base::work {
    work(const span_boundary& o, const batch_shape& raw) : base::work(o, raw), boundary(o.capacity(raw).scored) {
      boundary_targets.reserve(o.capacity(raw).scored);
    }
    prediction_buffers boundary;
    std::vector<token_id> boundary_targets;
  };

  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = base::fingerprint();
    facts.emplace_back("weight of sbo", cat(boundary_weight));
    return facts;
  }
  [[nodiscard]] const token_batch& prepare(const training_batch& in, std::uint64_t seed, work& w) const {
    const token_batch& batch = base::prepare(in, seed, w);
    w.boundary_targets.assign(w.masked.targets.begin(), w.masked.targets.end());
    bert::heads::for_each_span_place(batch, [&](std::size_t r, const bert::heads::span_place& p) {
      if (p.offset >= static_cast<std::uint32_t>(bert::heads::span_boundary::longest)) w.boundary_targets[r] = -1;
    });
    return batch;
  }
  [[nodiscard]] static loss_terms counts(const training_batch& in, const work& w) {
    loss_terms terms = base::counts(in, w);
    terms.add({.name = "sbo", .count = counted(w.boundary_targets)});
    return terms;
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    loss_terms terms = base::score(e, in, w, t, scale);
    auto term = mean_cross_entropy(e, "sbo", t.template head<bert::heads::span_boundary>().logits(), w.boundary_targets,
                                   scale.times(boundary_weight), w.boundary);
    term.factor = static_cast<double>(boundary_weight);
    terms.add(term);
    return terms;
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_SPAN_BOUNDARY_HPP
