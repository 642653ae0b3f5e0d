// R-Drop: penalizes the divergence between two passes that differ in dropout alone.
// Layer: objectives. Test: tests/unit/objectives/regularizers_test.cpp. Paper: Liang et al. 2021, "R-Drop".
#ifndef BERT_OBJECTIVES_R_DROP_HPP
#define BERT_OBJECTIVES_R_DROP_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/softmax.hpp"
#include "bert/objectives/counted_rows.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/objectives/wrapper.hpp"

namespace bert::inline BERT_ISA::objectives {

struct r_drop_options {
  float alpha = 1.0f;  ///< weight of the divergence
};

namespace detail {

/// KL(p || q) + KL(q || p) of p = softmax(z), q = softmax(other), all [C]. Adds `factor` times the gradient with respect to
/// `other` to `d`. `logs` [2 C] is scratch.
[[nodiscard]] inline double symmetric_divergence(std::span<const float> z, std::span<const float> other, std::span<double> logs,
                                                 float factor, std::span<float> d) noexcept {
  const std::span<double> p = logs.first(z.size()), q = logs.subspan(z.size(), z.size());
  const double log_z = kernels::log_sum_exp(z), log_other = kernels::log_sum_exp(other);
  for (std::size_t i = 0; i < z.size(); ++i) {
    p[i] = static_cast<double>(z[i]) - log_z;
    q[i] = static_cast<double>(other[i]) - log_other;
  }
  double forward = 0, backward = 0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    forward += std::exp(p[i]) * (p[i] - q[i]);
    backward += std::exp(q[i]) * (q[i] - p[i]);
  }
  for (std::size_t i = 0; i < z.size(); ++i)
    d[i] += factor * static_cast<float>(std::exp(q[i]) - std::exp(p[i]) + std::exp(q[i]) * (q[i] - p[i] - backward));
  return forward + backward;
}

}  // namespace detail

/// loss = (L_1 + L_2) / 2 + alpha mean_n (KL(p1_n || p2_n) + KL(p2_n || p1_n)) / 2,  L_i and p_i of passes of other dropout
///
/// `Inner` is an objective with `logits(tape)`, one row of classes a sequence or, for tags, a token: cross_entropy,
/// next_sentence, tag_cross_entropy, … The mean is over sequences, or tokens with a tag. Three forward passes and two backward
/// passes.
template <class Inner>
struct r_drop : wrapper<Inner, r_drop_options> {
  using base = wrapper<Inner, r_drop_options>;
  using base::base, base::inner, base::options;

  struct work : base::work {
    using base::work::work;
    std::vector<float> logits[2];
    std::vector<double> row;
  };
  [[nodiscard]] named_facts fingerprint() const { return this->fingerprint_with("r_drop", cat(options.alpha)); }
  [[nodiscard]] loss_terms counts(const training_batch& in, const work& w) const requires(tells_counts<Inner>) {
    loss_terms terms = inner.counts(in, w.inner);
    terms.add({.name = "r_drop", .count = counted_rows::count(in)});
    return terms;
  }
  template <class Passes>
  loss_terms run(Passes& p, const training_batch& in, work& w, const loss_scale& scale) const {
    for (const std::size_t pass : {std::size_t{0}, std::size_t{1}}) {
      const matrix<float> z = inner.logits(p.forward(pass));
      if (z.cols < 2)
        throw_error({"bert::objectives::r_drop", "logits of two classes or more", cat(z.cols),
                     "wrap a loss of classes; objectives::fgm and self_distil take others"});
      w.row.resize(2 * z.cols);
      w.logits[pass].resize(z.rows * z.cols);
      for (std::size_t n = 0; n < z.rows; ++n) std::copy_n(z.row(n), z.cols, w.logits[pass].data() + n * z.cols);
    }
    loss_terms terms;
    for (const std::size_t pass : {std::size_t{1}, std::size_t{0}}) {
      auto& tape = pass == 1 ? p.tape() : p.forward(0);
      terms += inner.score(p.executor(), in, w.inner, tape, scale.times(0.5f));
      const matrix<float> d = inner.logits(tape);
      const counted_rows counts(in, d.rows);
      loss_term divergence{.name = "r_drop", .count = counts.count()};
      const float factor = scale.times(options.alpha / 2).of("r_drop", divergence.count);
      for (std::size_t n = 0; n < d.rows; ++n) {
        if (!counts(n)) continue;
        const auto row = [&](std::size_t i) { return std::span<const float>(w.logits[i].data() + n * d.cols, d.cols); };
        divergence.sum += static_cast<double>(options.alpha) / 2 *
                          detail::symmetric_divergence(row(1 - pass), row(pass), w.row, factor, {d.row(n), d.cols});
      }
      if (pass == 0) terms.add(divergence);
      p.backward();
    }
    return terms;
  }
};

template <class Inner>
r_drop(Inner, r_drop_options) -> r_drop<Inner>;
template <class Inner>
r_drop(Inner) -> r_drop<Inner>;

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_R_DROP_HPP
