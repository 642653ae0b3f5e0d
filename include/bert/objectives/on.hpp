// An objective of one row of logits an example, on a head that is named.
// Layer: objectives. Test: tests/unit/objectives/weighted_test.cpp
#ifndef BERT_OBJECTIVES_ON_HPP
#define BERT_OBJECTIVES_ON_HPP

#include <cstdint>
#include <utility>

#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives {

/// The loss of `Inner` over the logits of `Head`; made by `on`.
template <class Head, class Inner>
struct on_head {
  Inner inner{};

  using heads = bert::type_list<Head>;
  using needs = needs_of<Inner>;
  template <class Model>
  static constexpr bool fits = Model::template has_head<Head>;
  static constexpr bool rewrites = Inner::rewrites;

  struct work : Inner::work {
    work(const on_head& o, const batch_shape& raw) : Inner::work(o.inner, raw) {}
  };
  [[nodiscard]] named_facts fingerprint() const { return fingerprint_of(inner); }
  [[nodiscard]] batch_shape capacity(const batch_shape& raw) const noexcept { return inner.capacity(raw); }
  [[nodiscard]] const token_batch& prepare(const training_batch& in, std::uint64_t seed, work& w) const {
    return inner.prepare(in, seed, w);
  }
  [[nodiscard]] loss_terms counts(const training_batch& in, const work& w) const requires(tells_counts<Inner>) {
    return inner.counts(in, w);
  }
  template <class Tape>
  [[nodiscard]] static matrix<float> logits(Tape& t) noexcept {
    return t.template head<Head>().logits();
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    return inner.score_rows(e, in, w, logits(t), scale);
  }
};

/// `inner` on the model's head `Head` instead of the first that it would find, for models of several heads of one kind:
///
///     bert::objectives::on<topic>(bert::objectives::cross_entropy{.label_smoothing = 0.1f})
///
/// `inner` has `score_rows(executor, batch, work, logits, scale)`: cross_entropy, tag_cross_entropy, binary_cross_entropy,
/// choice, list_softmax, margin_mse and the objectives of a regression.
template <class Head, class Inner>
[[nodiscard]] on_head<Head, Inner> on(Inner inner) {
  return {std::move(inner)};
}

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_ON_HPP
