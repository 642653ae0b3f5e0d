// The squared error of the cosine of scored pairs.
// Layer: objectives. Test: tests/unit/objectives/on_vectors_test.cpp. Paper: Reimers and Gurevych 2019, "Sentence-BERT", 3.
#ifndef BERT_OBJECTIVES_COSINE_MSE_HPP
#define BERT_OBJECTIVES_COSINE_MSE_HPP

#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/objectives/cosent.hpp"
#include "bert/objectives/on_vectors.hpp"

namespace bert::inline BERT_ISA::objectives {

/// loss = mean_g (cos(a_g, b_g) - value_g)^2;  values from -1 to 1, most often 0 to 1
struct cosine_mse {
  using needs = target_list<target::group, target::value>;

  struct work {
    work(const cosine_mse&, const batch_shape& raw) : cosines(raw.sequences) {}
    detail::pair_cosines cosines;
  };
  static void check(const training_batch& in) { detail::check_scored_pairs(in, "bert::objectives::cosine_mse"); }
  [[nodiscard]] static std::uint64_t count(const training_batch& in) noexcept { return in.examples(); }

  template <class Model>
  static constexpr bool fits = detail::embeds<Model>;
  static constexpr bool rewrites = false;
  [[nodiscard]] static constexpr batch_shape capacity(const batch_shape& raw) noexcept { return detail::unscored(raw); }
  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) {
    check(in);
    return in.tokens;
  }
  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) noexcept {
    return detail::loss_count(count(in));
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& share) const {
    return score_vectors(e, in, w, detail::vectors_of(t), share);
  }

  template <executor E>
  loss_terms score_vectors(const E& e, const training_batch& in, work& w, matrix<float> y, const loss_scale& share) const {
    const auto s = w.cosines.forward(e, in, y);
    const auto d = w.cosines.gradients(s.size());
    loss_term term{.name = "loss", .count = s.size()};
    for (std::size_t g = 0; g < s.size(); ++g) {
      const double error = s[g] - static_cast<double>(in.values[in.groups[g]]);
      term.sum += error * error;
      d[g] = share.share("loss", term.count, static_cast<float>(2 * error));
    }
    w.cosines.backward(e, in, d, y);
    loss_terms terms;
    terms.add(term);
    return terms;
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_COSINE_MSE_HPP
