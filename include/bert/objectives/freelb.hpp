// FreeLB: several passes over embeddings moved further and further along their gradient, each of which trains.
// Layer: objectives. Test: tests/unit/objectives/freelb_test.cpp
// Paper: Zhu et al. 2020, "FreeLB: enhanced adversarial training for natural language understanding".
#ifndef BERT_OBJECTIVES_FREELB_HPP
#define BERT_OBJECTIVES_FREELB_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/objectives/wrapper.hpp"

namespace bert::inline BERT_ISA::objectives {

struct freelb_options {
  unsigned ascents = 2;    ///< K; a step takes K + 1 forward and backward passes
  float step = 0.1f;       ///< L2 length of an ascent of a sequence's perturbation
  float magnitude = 0.1f;  ///< of the first perturbation; 0: it is zero
  float most = 0.6f;       ///< largest L2 norm of a sequence's perturbation; 0: unbounded
};

/// loss = sum_{k=0..K} L(y + r_k) / (K + 1),  y [N, H] the embeddings' output, of each sequence s of T tokens
/// r_0 uniform in +-magnitude / sqrt(T H),  r_{k+1} = r_k + step g_k / |g_k| within the ball |r| <= most,  g_k = dL/dr_k
///
/// All passes of a step have the same dropout. Each sequence is moved by its own gradient, so it is correct for accumulated
/// batches. The terms are `Inner`'s, means over all passes.
template <class Inner>
struct freelb : wrapper<Inner, freelb_options> {
  using base = wrapper<Inner, freelb_options>;
  using base::base, base::inner, base::options;
  static constexpr bool perturbs = true;

  struct work : base::work {
    using base::work::work;
    std::vector<float> perturbation;
  };
  [[nodiscard]] named_facts fingerprint() const {
    return this->fingerprint_with(
        "freelb", cat(options.ascents, " of ", options.step, " from ", options.magnitude, " to ", options.most));
  }
  template <class Passes>
  loss_terms run(Passes& p, const training_batch& in, work& w, const loss_scale& scale) const {
    constexpr std::size_t cols = std::remove_cvref_t<decltype(p.model())>::architecture::hidden;
    const auto starts = p.batch().starts();
    start(p.noise(0), starts, cols, w.perturbation);
    loss_terms terms;
    for (unsigned k = 0;; ++k) {
      auto& tape = p.forward(0, {w.perturbation.data(), p.batch().tokens(), cols});
      terms += inner.score(p.executor(), in, w.inner, tape, scale.times(1.0f / static_cast<float>(options.ascents + 1)));
      p.backward();
      if (k == options.ascents) return terms;
      ascend(tape.embedding_gradient(), starts, w.perturbation);
    }
  }

  /// r_0, a function of the step's key and of the sequence's index in the whole batch.
  void start(const step_noise& noise, std::span<const std::size_t> starts, std::size_t cols, std::vector<float>& r) const {
    r.resize(starts.back() * cols);
    for (std::size_t s = 0; s + 1 < starts.size(); ++s) {
      random_stream random(noise.key, draw::perturbation, noise.before.sequences + s);
      const std::size_t first = starts[s] * cols, last = starts[s + 1] * cols;
      const float most = options.magnitude / std::sqrt(static_cast<float>(last - first));
      for (std::size_t i = first; i < last; ++i) r[i] = most * (2.0f * random.uniform() - 1.0f);
    }
  }
  /// r_{k+1} from r_k and its gradient.
  void ascend(matrix<const float> g, std::span<const std::size_t> starts, std::vector<float>& r) const noexcept {
    const auto norm = [](const float* x, std::size_t count) {
      double squares = 0;
      for (std::size_t i = 0; i < count; ++i) squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      return static_cast<float>(std::sqrt(squares));
    };
    for (std::size_t s = 0; s + 1 < starts.size(); ++s) {
      const std::size_t first = starts[s] * g.cols, count = starts[s + 1] * g.cols - first;
      float* const own = r.data() + first;
      const float length = norm(g.data + first, count);
      const float along = length > 0 ? options.step / length : 0.0f;
      for (std::size_t i = 0; i < count; ++i) own[i] += along * g.data[first + i];
      const float reached = norm(own, count);
      if (options.most <= 0 || reached <= options.most) continue;
      for (std::size_t i = 0; i < count; ++i) own[i] *= options.most / reached;
    }
  }
};

template <class Inner>
freelb(Inner, freelb_options) -> freelb<Inner>;
template <class Inner>
freelb(Inner) -> freelb<Inner>;

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_FREELB_HPP
