// Self-distillation while fine-tuning: the model's earlier weights teach it.
// Layer: objectives. Test: tests/unit/objectives/self_distil_test.cpp
// Paper: Xu et al. 2020, "Improving BERT fine-tuning via self-ensemble and self-distillation".
#ifndef BERT_OBJECTIVES_SELF_DISTIL_HPP
#define BERT_OBJECTIVES_SELF_DISTIL_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/objectives/counted_rows.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/objectives/teacher.hpp"
#include "bert/objectives/wrapper.hpp"

namespace bert::inline BERT_ISA::objectives {

struct self_distil_options {
  float weight = 1.0f;  ///< of the distance to the teacher
  teacher_options teacher = {};
};

/// loss = L + weight mean_n mean_c (z[n,c] - t[n,c])^2,  z the logits, t those of the teacher, without dropout
///
///     bert::objectives::self_distil{cross_entropy{}, {.weight = 1, .teacher = {.last = 5}}}
///
/// The teacher are the weights of the steps before (`teacher_options`), or, with votes, the mean of their logits. `Inner` is an
/// objective with `logits(tape)`; of tags the rows with one are counted. A forward pass more a step, with votes `last` more.
template <class Inner>
struct self_distil : wrapper<Inner, self_distil_options> {
  using base = wrapper<Inner, self_distil_options>;
  using base::base, base::inner, base::options;

  struct work : base::work {
    using base::work::work;
    std::vector<float> taught, rows;
  };
  [[nodiscard]] const teacher_options& teacher() const noexcept { return options.teacher; }
  [[nodiscard]] named_facts fingerprint() const { return this->fingerprint_with("self_distil", cat(options.weight)); }
  [[nodiscard]] loss_terms counts(const training_batch& in, const work& w) const requires(tells_counts<Inner>) {
    loss_terms terms = inner.counts(in, w.inner);
    terms.add({.name = "self_distil", .count = counted_rows::count(in)});
    return terms;
  }
  template <class Passes>
  loss_terms run(Passes& p, const training_batch& in, work& w, const loss_scale& scale) const {
    const auto teachers = p.teachers();
    w.taught.clear();
    for (const auto* teacher : teachers) {
      const matrix<float> t = inner.logits(p.forward_of(*teacher));
      w.taught.resize(t.rows * t.cols);
      for (std::size_t i = 0; i < w.taught.size(); ++i)
        w.taught[i] += t(i / t.cols, i % t.cols) / static_cast<float>(teachers.size());
    }
    auto& tape = p.forward(0);
    const matrix<float> z = inner.logits(tape);
    if (w.taught.empty()) return finish(p, inner.score(p.executor(), in, w.inner, tape, scale));
    // The inner loss replaces the logits by their gradient.
    w.rows.resize(z.rows * z.cols);
    const counted_rows counts(in, z.rows);
    loss_term distance{.name = "self_distil", .count = counts.count()};
    const float share = scale.times(2 * options.weight / static_cast<float>(z.cols)).of("self_distil", distance.count);
    for (std::size_t i = 0; i < w.rows.size(); ++i) {
      const float apart = counts(i / z.cols) ? z(i / z.cols, i % z.cols) - w.taught[i] : 0.0f;
      distance.sum += static_cast<double>(options.weight) / static_cast<double>(z.cols) * static_cast<double>(apart) *
                      static_cast<double>(apart);
      w.rows[i] = share * apart;
    }
    loss_terms terms = inner.score(p.executor(), in, w.inner, tape, scale);
    for (std::size_t i = 0; i < w.rows.size(); ++i) z(i / z.cols, i % z.cols) += w.rows[i];
    terms.add(distance);
    return finish(p, terms);
  }

 private:
  template <class Passes>
  static loss_terms finish(Passes& p, const loss_terms& terms) {
    p.backward();
    return terms;
  }
};

template <class Inner>
self_distil(Inner, self_distil_options) -> self_distil<Inner>;
template <class Inner>
self_distil(Inner) -> self_distil<Inner>;

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_SELF_DISTIL_HPP
