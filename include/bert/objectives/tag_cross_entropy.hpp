// The cross-entropy of a model's tagger.
// Layer: objectives. Test: tests/unit/objectives/tag_cross_entropy_test.cpp. Paper: Devlin et al. 2019, 5.3.
#ifndef BERT_OBJECTIVES_TAG_CROSS_ENTROPY_HPP
#define BERT_OBJECTIVES_TAG_CROSS_ENTROPY_HPP

#include <cstdint>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/objectives/class_loss.hpp"
#include "bert/objectives/joined_pieces.hpp"
#include "bert/objectives/per_sequence.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {
template <class Head>
struct is_tagger : std::bool_constant<heads::tagger<Head>> {};
}  // namespace detail

/// loss = -mean_n log softmax(logits[n,:])[tag_n] over the tokens n with tag_n >= 0, of the model's first tagger
///
/// Where tokens behind n have `joined_tag`, the mean of their logits and those of n takes the place of logits[n,:]: a word is
/// then the mean of its pieces (`data::tagged_pieces::mean`).
///
/// The options are those of `cross_entropy`, a token in place of a sequence. Throws bert::error unless there is one tag a
/// token, each below L.
struct tag_cross_entropy {
  using needs = target_list<target::tag>;

  float label_smoothing = 0;              ///< share of a tag that is spread evenly over all tags
  std::vector<float> class_weights = {};  ///< one a tag; empty: all 1
  float gamma = 0;                        ///< exponent of the focal factor; 2 in its paper

  struct work : prediction_buffers {
    work(const tag_cross_entropy& o, const batch_shape& raw) : prediction_buffers(raw.tokens) {
      check_class_loss(class_loss_of(o), "bert::objectives::tag_cross_entropy");
    }
  };
  // As detail::per_sequence has them; not derived from it, so that fields are initialized by name without a warning.
  using found = detail::per_sequence<detail::is_tagger>;
  template <class Model>
  static constexpr bool fits = found::template fits<Model>;
  static constexpr bool rewrites = false;
  [[nodiscard]] static constexpr batch_shape capacity(const batch_shape& raw) noexcept { return found::capacity(raw); }
  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) noexcept { return in.tokens; }
  template <class Model>
  [[nodiscard]] static matrix<float> logits(tape<Model>& t) noexcept {
    return found::logits(t);
  }
  [[nodiscard]] named_facts fingerprint() const { return class_loss_facts(class_loss_of(*this)); }

  [[nodiscard]] loss_terms counts(const training_batch& in, const work&) const {
    loss_terms terms;
    terms.add(count_classes("loss", in.tags, class_weights));
    return terms;
  }
  /// Scores the logits [N, L] of any head; objectives::on names one.
  template <executor E>
  loss_terms score_rows(const E& e, const training_batch& in, work& w, matrix<float> z, const loss_scale& scale) const {
    constexpr const char* where = "bert::objectives::tag_cross_entropy";
    check_tags(in, z.cols, where);
    loss_terms terms;
    join_pieces(in.tags, z);
    terms.add(class_cross_entropy(e, "loss", z, in.tags, scale, w, class_loss_of(*this), where));
    spread_gradients(in.tags, z);
    return terms;
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    return score_rows(e, in, w, logits(t), scale);
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_TAG_CROSS_ENTROPY_HPP
