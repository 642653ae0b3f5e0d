// The masked-LM objective over a masking policy.
// Layer: objectives. Test: tests/unit/objectives/joint_test.cpp. Papers: Devlin et al. 2019; Liu et al. 2019 (dynamic masks).
#ifndef BERT_OBJECTIVES_MASKED_LM_HPP
#define BERT_OBJECTIVES_MASKED_LM_HPP

#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/objectives/masking.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives {

/// loss = -mean over masked positions of log softmax(logits)[original token]
///
/// `Masking` chooses the positions and their replacements. A sequence's masks depend on its tokens, the seed, its key and the
/// epoch alone. What a policy has beside the rates, such as a lexicon, is given to `masking`; the rates are the objective's.
///
///     bert::objectives::masked_lm<bert::masking::lexicon>{.masking = {.words = words}}
template <class Masking = masking::token>
struct masked_lm {
  float rate = 0.15f;   ///< share of the tokens that are predicted
  float mask = 0.8f;    ///< share of these replaced by [MASK]
  float random = 0.1f;  ///< share of these replaced by a random piece; the rest is unchanged
  Masking masking = {};

  using heads = bert::type_list<heads::masked_lm>;
  template <class Model>
  static constexpr bool fits = Model::template has_head<bert::heads::masked_lm>;
  static constexpr bool rewrites = true;
  using needs = target_list<>;

  struct work : prediction_buffers {
    work(const masked_lm& o, const batch_shape& raw) : prediction_buffers(o.capacity(raw).scored) {
      masked.reserve(o.capacity(raw));
    }
    masked_batch masked;
  };

  [[nodiscard]] Masking policy() const noexcept {
    Masking m = masking;
    const auto set = [this](auto& policy) {
      policy.rate = rate;
      policy.mask = mask;
      policy.random = random;
    };
    if constexpr (requires { m.policy; }) set(m.policy);
    else set(m);
    return m;
  }
  /// What the masks depend on; see trainer::keep.
  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts{{"masking rates", cat(rate, "/", mask, "/", random)}};
    append(facts, masking_facts(policy()));
    return facts;
  }
  [[nodiscard]] batch_shape capacity(batch_shape raw) const noexcept {
    raw.scored = policy().max_scored(raw);
    return raw;
  }
  [[nodiscard]] const token_batch& prepare(const training_batch& in, std::uint64_t seed, work& w) const {
    policy()(in, seed, w.masked);
    return w.masked.tokens;
  }
  [[nodiscard]] static loss_terms counts(const training_batch&, const work& w) {
    loss_terms terms;
    terms.add({.name = "mlm", .count = counted(w.masked.targets)});
    return terms;
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch&, work& w, tape<Model>& t, const loss_scale& scale) const {
    loss_terms terms;
    terms.add(mean_cross_entropy(e, "mlm", t.template head<bert::heads::masked_lm>().logits(), w.masked.targets, scale, w));
    return terms;
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_MASKED_LM_HPP
