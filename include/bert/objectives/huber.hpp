// The Huber loss of a model's regression head: squared near 0, absolute far from it.
// Layer: objectives. Test: tests/unit/objectives/value_loss_test.cpp. Paper: Huber 1964, "Robust estimation of a location
// parameter".
#ifndef BERT_OBJECTIVES_HUBER_HPP
#define BERT_OBJECTIVES_HUBER_HPP

#include <cmath>
#include <cstdint>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/objectives/value_loss.hpp"

namespace bert::inline BERT_ISA::objectives {

/// loss = mean_s L(y[s] - value_s) of the model's regression head,  L(d) = d^2 / 2 for |d| <= delta, else delta (|d| - delta /
/// 2)
///
/// PyTorch's HuberLoss(delta). Throws bert::error unless delta is positive and finite.
struct huber {
  using needs = target_list<target::value>;

  float delta = 1;  ///< where the loss becomes linear

  struct work : prediction_buffers {
    work(const huber& o, const batch_shape&) : prediction_buffers(0) {
      if (!(std::isfinite(o.delta) && o.delta > 0)) throw_error({where, "a .delta above 0", cat(o.delta), {}});
    }
  };
  // As detail::per_sequence has them; not derived from it, so that fields are initialized by name without a warning.
  using found = detail::per_sequence<detail::is_regression>;
  template <class Model>
  static constexpr bool fits = found::template fits<Model>;
  static constexpr bool rewrites = false;
  [[nodiscard]] static constexpr batch_shape capacity(const batch_shape& raw) noexcept { return found::capacity(raw); }
  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) noexcept { return in.tokens; }
  template <class Model>
  [[nodiscard]] static matrix<float> logits(tape<Model>& t) noexcept {
    return found::logits(t);
  }
  [[nodiscard]] named_facts fingerprint() const { return {{"delta", cat(delta)}}; }

  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) {
    loss_terms terms;
    terms.add({.name = "loss", .count = in.values.size()});
    return terms;
  }
  /// Scores the values y [S, 1] of any head; objectives::on names one.
  template <executor E>
  loss_terms score_rows(const E&, const training_batch& in, work&, matrix<float> y, const loss_scale& scale) const {
    return detail::score_values(in, y, scale, where, [this](float difference) { return loss_of(difference); });
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    return score_rows(e, in, w, logits(t), scale);
  }

 private:
  static constexpr const char* where = "bert::objectives::huber";

  [[nodiscard]] detail::value_slope loss_of(float difference) const noexcept {
    const double d = static_cast<double>(difference), most = static_cast<double>(delta);
    if (std::abs(d) <= most) return {d * d / 2, difference};
    return {most * (std::abs(d) - most / 2), std::isnan(difference) ? difference : std::copysign(delta, difference)};
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_HUBER_HPP
