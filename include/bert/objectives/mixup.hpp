// Mix-up: each text of a batch is mixed with another one at the embeddings, and so are their labels.
// Layer: objectives. Test: tests/unit/objectives/mixup_test.cpp
// Papers: Zhang et al. 2018, "mixup: Beyond empirical risk minimization"; Guo et al. 2019, "Augmenting data with mixup for
// sentence classification".
#ifndef BERT_OBJECTIVES_MIXUP_HPP
#define BERT_OBJECTIVES_MIXUP_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "bert/core/beta.hpp"
#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/objectives/wrapper.hpp"

namespace bert::inline BERT_ISA::objectives {

struct mixup_options {
  float alpha = 0.2f;  ///< of Beta(alpha, alpha): small values mix few texts by much, 1 all proportions alike
};

/// Which texts of a batch are mixed, and how much of each is its own.
struct mixture {
  float own = 1;                      ///< lambda, from 1/2 to 1
  std::vector<std::size_t> partners;  ///< a permutation of the sequences

  /// A function of the key alone: lambda = max(l, 1 - l), l of Beta(alpha, alpha).
  void draw_from(std::uint64_t key, float alpha, std::size_t sequences) {
    random_stream random(key, draw::perturbation, key_of("mix-up"));
    const double l = beta(random, static_cast<double>(alpha), static_cast<double>(alpha));
    own = static_cast<float>(std::max(l, 1 - l));
    partners.resize(sequences);
    std::iota(partners.begin(), partners.end(), std::size_t{0});
    shuffle(std::span<std::size_t>(partners), random);
  }
};

/// loss = lambda L(y~, labels) + (1 - lambda) L(y~, labels of the partners),
/// y~[s,t,:] = lambda y[s,t,:] + (1 - lambda) y[p(s),t,:],  y [N, H] the embeddings' output, p a permutation of the sequences
///
/// Lambda and p are drawn once a batch, keyed by the step. A text keeps its own length: where its partner is shorter, y~ = y.
/// So lambda is the larger of the two shares. `Inner` is an objective with `logits(tape)` and a label or values a sequence:
/// cross_entropy, binary_cross_entropy, mean_squared_error, … One forward and one backward pass. Two replicas mix within their
/// parts of a batch, so they train otherwise than one does.
///
/// Throws bert::error for an alpha that is not positive, and for a batch of groups or without targets for each sequence.
template <class Inner>
struct mixup : wrapper<Inner, mixup_options> {
  using base = wrapper<Inner, mixup_options>;
  using base::base, base::inner, base::options;
  static constexpr bool perturbs = true;

  struct work : base::work {
    template <executor E = execution::serial>
    work(const mixup& o, const batch_shape& raw, const E& e = {}) : base::work(o, raw, e) {
      if (!(std::isfinite(o.options.alpha) && o.options.alpha > 0))
        throw_error({where, "an .alpha above 0", cat(o.options.alpha), {}});
    }
    mixture mixed;
    training_batch others;            ///< the batch with the partners' targets
    std::vector<float> rows, logits;  ///< [N, H], [S, L]
  };
  [[nodiscard]] named_facts fingerprint() const { return this->fingerprint_with("mix-up", cat(options.alpha)); }
  template <class Passes>
  loss_terms run(Passes& p, const training_batch& in, work& w, const loss_scale& scale) const {
    w.mixed.draw_from(p.noise(mixed_pass).key, options.alpha, in.tokens.sequences());
    give_partners_targets(in, w);
    const auto starts = p.batch().starts();
    auto& tape = p.forward(0, [&](matrix<float> y) { mix(p.executor(), starts, w, y); });
    const loss_terms terms = score_both(p.executor(), in, w, tape, scale);
    p.backward();
    // The pass has given y the gradient g of y~. Of y it is  lambda g[s,t,:] + (1 - lambda) g[q,t,:],  p(q) = s.
    const matrix<const float> g = tape.embedding_gradient();
    w.rows.resize(g.rows * g.cols);
    const matrix<float> rest{w.rows.data(), g.rows, g.cols};
    add_rest(p.executor(), starts, w.mixed, g, rest);
    p.backward_embeddings(rest);
    return terms;
  }

 private:
  static constexpr const char* where = "bert::objectives::mixup";
  static constexpr std::uint64_t mixed_pass = 3;  ///< number of the key

  static void give_partners_targets(const training_batch& in, work& w) {
    const std::size_t sequences = in.tokens.sequences();
    const bool labels = in.labels.size() == sequences, values = in.values.size() == sequences * in.width;
    if (!in.groups.empty() || !(labels || values))
      throw_error({where, "a label or values for each sequence, which is an example",
                   in.groups.empty() ? "neither" : "groups of sequences", "mix-up is for classes and values of texts"});
    w.others = in;
    for (std::size_t s = 0; s < sequences; ++s) {
      const std::size_t p = w.mixed.partners[s];
      if (labels) w.others.labels[s] = in.labels[p];
      if (values) std::copy_n(in.values.data() + p * in.width, in.width, w.others.values.data() + s * in.width);
    }
  }
  /// The elements that sequences s and q have both.
  static std::size_t shared(std::span<const std::size_t> starts, std::size_t s, std::size_t q, std::size_t cols) noexcept {
    return std::min(starts[s + 1] - starts[s], starts[q + 1] - starts[q]) * cols;
  }
  template <executor E>
  static void mix(const E& e, std::span<const std::size_t> starts, work& w, matrix<float> y) {
    w.rows.assign(y.data, y.data + y.rows * y.cols);
    const float own = w.mixed.own;
    e.parallel_for(w.mixed.partners.size(), [&](std::size_t s) {
      const std::size_t q = w.mixed.partners[s], count = shared(starts, s, q, y.cols);
      const float* const other = w.rows.data() + starts[q] * y.cols;
      float* const to = y.data + starts[s] * y.cols;
      if (q == s) return;
      for (std::size_t i = 0; i < count; ++i) to[i] = own * to[i] + (1 - own) * other[i];
    });
  }
  /// rest = the gradient with respect to y less g.
  template <executor E>
  static void add_rest(const E& e, std::span<const std::size_t> starts, const mixture& mixed, matrix<const float> g,
                       matrix<float> rest) {
    const float other = 1 - mixed.own;
    const auto range = [&](std::size_t s) { return starts[s] * g.cols; };
    e.parallel_for(mixed.partners.size(), [&](std::size_t s) {
      const std::size_t count = shared(starts, s, mixed.partners[s], g.cols);
      float* const to = rest.data + range(s);
      std::fill(to, rest.data + range(s + 1), 0.0f);
      if (mixed.partners[s] == s) return;
      for (std::size_t i = 0; i < count; ++i) to[i] = -other * g.data[range(s) + i];
    });
    e.parallel_for(mixed.partners.size(), [&](std::size_t q) {  // a permutation: each sequence is written by one
      const std::size_t s = mixed.partners[q], count = shared(starts, s, q, g.cols);
      if (q == s) return;
      for (std::size_t i = 0; i < count; ++i) rest.data[range(s) + i] += other * g.data[range(q) + i];
    });
  }
  /// Scores the logits against both targets; leaves the gradient of the loss in the logits' place.
  template <class Tape, executor E>
  loss_terms score_both(const E& e, const training_batch& in, work& w, Tape& tape, const loss_scale& scale) const {
    const matrix<float> z = inner.logits(tape);
    w.logits.resize(2 * z.rows * z.cols);
    const matrix<float> kept{w.logits.data(), z.rows, z.cols}, first{kept.data + z.rows * z.cols, z.rows, z.cols};
    const auto copy = [&](matrix<const float> from, matrix<float> to) {
      for (std::size_t n = 0; n < from.rows; ++n) std::copy_n(from.row(n), from.cols, to.row(n));
    };
    const float own = w.mixed.own;
    copy(z, kept);
    const loss_terms ours = inner.score(e, in, w.inner, tape, scale.times(own));
    copy(z, first);
    copy(kept, z);
    const loss_terms theirs = inner.score(e, w.others, w.inner, tape, scale.times(1 - own));
    for (std::size_t n = 0; n < z.rows; ++n)
      for (std::size_t i = 0; i < z.cols; ++i) z(n, i) += first(n, i);
    loss_terms terms;
    for (loss_term term : ours) {
      term.sum = static_cast<double>(own) * term.sum + static_cast<double>(1 - own) * theirs[term.name].sum;
      terms.add(term);
    }
    return terms;
  }
};

template <class Inner>
mixup(Inner, mixup_options) -> mixup<Inner>;
template <class Inner>
mixup(Inner) -> mixup<Inner>;

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_MIXUP_HPP
