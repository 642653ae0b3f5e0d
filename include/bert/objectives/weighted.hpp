// An objective whose loss has a weight and a name of its own among others.
// Layer: objectives. Test: tests/unit/objectives/weighted_test.cpp
#ifndef BERT_OBJECTIVES_WEIGHTED_HPP
#define BERT_OBJECTIVES_WEIGHTED_HPP

#include <cmath>
#include <cstdint>
#include <string_view>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives {

struct weighted_options {
  float weight = 1;            ///< of the loss
  std::string_view name = {};  ///< what the term "loss" is called instead; empty: "loss". A literal: only the view is kept
};

/// loss = weight * the loss of `Inner`
///
///     bert::objectives::weighted{bert::objectives::tag_cross_entropy{}, {.weight = 0.5f, .name = "tags"}}
///
/// Its terms are reported without the weight, which is their `factor` in the whole loss. Throws bert::error unless the weight
/// is positive and finite.
template <class Inner>
struct weighted {
  Inner inner{};
  weighted_options options{};

  using heads = heads_of<Inner>;
  using needs = needs_of<Inner>;
  template <class Model>
  static constexpr bool fits = Inner::template fits<Model>;
  static constexpr bool rewrites = Inner::rewrites;
  static constexpr bool perturbs = objectives::perturbs<Inner>;

  struct work {
    template <executor E = execution::serial>
    work(const weighted& o, const batch_shape& raw, const E& e = {}) : inner(make_work(o.inner, raw, e)) {
      if (!(std::isfinite(o.options.weight) && o.options.weight > 0))
        throw_error({"bert::objectives::weighted", "a .weight above 0", cat(o.options.weight), {}});
    }
    typename Inner::work inner;
  };

  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = fingerprint_of(inner);
    append(facts, {{cat("weight of ", options.name.empty() ? "loss" : options.name), cat(options.weight)}});
    return facts;
  }
  [[nodiscard]] bert::taps taps() const noexcept { return tape_options_of(inner).taps; }
  [[nodiscard]] decltype(auto) second_model() const requires requires(const Inner& o) { o.second_model(); }
  { return inner.second_model(); }
  [[nodiscard]] batch_shape capacity(const batch_shape& raw) const noexcept { return inner.capacity(raw); }
  [[nodiscard]] const token_batch& prepare(const training_batch& in, std::uint64_t seed, work& w) const {
    return inner.prepare(in, seed, w.inner);
  }
  [[nodiscard]] loss_terms counts(const training_batch& in, const work& w) const requires(tells_counts<Inner>) {
    return named(inner.counts(in, w.inner));
  }
  /// The rows that `Inner` scores.
  template <class Tape>
  [[nodiscard]] auto logits(Tape& t) const requires requires(const Inner& o) {
    o.logits(t);
  }
  { return inner.logits(t); }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    return named(inner.score(e, in, w.inner, t, of_inner(scale)));
  }
  template <class Passes>
  loss_terms run(Passes& p, const training_batch& in, work& w, const loss_scale& scale) const requires
      requires(const Inner& o) {
    o.run(p, in, w.inner, scale);
  }
  { return named(inner.run(p, in, w.inner, of_inner(scale))); }

 private:
  [[nodiscard]] loss_scale of_inner(const loss_scale& scale) const {
    return (options.name.empty() ? scale : scale.renamed(options.name, "loss")).times(options.weight);
  }
  [[nodiscard]] loss_terms named(const loss_terms& terms) const {
    loss_terms out;
    for (loss_term term : terms) {
      if (term.name == "loss" && !options.name.empty()) term.name = options.name;
      term.factor *= static_cast<double>(options.weight);
      out.add(term);
    }
    return out;
  }
};

template <class Inner>
weighted(Inner, weighted_options) -> weighted<Inner>;
template <class Inner>
weighted(Inner) -> weighted<Inner>;

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_WEIGHTED_HPP
