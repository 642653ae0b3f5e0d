// The fast gradient method: a second pass over embeddings moved along their gradient.
// Layer: objectives. Test: tests/unit/objectives/regularizers_test.cpp
// Paper: Miyato et al. 2017, "Adversarial training methods for semi-supervised text classification".
#ifndef BERT_OBJECTIVES_FGM_HPP
#define BERT_OBJECTIVES_FGM_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/objectives/wrapper.hpp"

namespace bert::inline BERT_ISA::objectives {

struct fgm_options {
  float epsilon = 1.0f;  ///< L2 norm of a sequence's perturbation
};

/// loss = L(y) + L(y + r),  r_s = epsilon g_s / |g_s| for sequence s, g = dL/dy, y [N, H] the embeddings' output
///
/// Perturbs the embeddings' output, not the table, each sequence by its own gradient. So it is correct for accumulated batches
/// and for a decoder tied to the table. Two forward and two backward passes. Reports the second loss as "adversarial".
template <class Inner>
struct fgm : wrapper<Inner, fgm_options> {
  using base = wrapper<Inner, fgm_options>;
  using base::base, base::inner, base::options;
  static constexpr bool perturbs = true;

  struct work : base::work {
    using base::work::work;
    std::vector<float> perturbation;
  };
  [[nodiscard]] named_facts fingerprint() const { return this->fingerprint_with("fgm", cat(options.epsilon)); }
  template <class Passes>
  loss_terms run(Passes& p, const training_batch& in, work& w, const loss_scale& scale) const {
    auto& tape = p.forward(0);
    loss_terms terms = inner.score(p.executor(), in, w.inner, tape, scale);
    p.backward();
    const matrix<const float> g = tape.embedding_gradient();
    w.perturbation.resize(g.rows * g.cols);
    const auto starts = p.batch().starts();
    for (std::size_t s = 0; s + 1 < starts.size(); ++s) {
      const std::size_t first = starts[s] * g.cols, last = starts[s + 1] * g.cols;
      double squares = 0;
      for (std::size_t i = first; i < last; ++i) squares += static_cast<double>(g.data[i]) * static_cast<double>(g.data[i]);
      const float factor = squares > 0 ? options.epsilon / static_cast<float>(std::sqrt(squares)) : 0.0f;
      for (std::size_t i = first; i < last; ++i) w.perturbation[i] = factor * g.data[i];
    }
    auto& perturbed = p.forward(1, {w.perturbation.data(), g.rows, g.cols});
    for (loss_term term : inner.score(p.executor(), in, w.inner, perturbed, scale)) {
      term.name = "adversarial";
      terms.add(term);
    }
    p.backward();
    return terms;
  }
};

template <class Inner>
fgm(Inner, fgm_options) -> fgm<Inner>;
template <class Inner>
fgm(Inner) -> fgm<Inner>;

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_FGM_HPP
