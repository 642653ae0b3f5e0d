// The cross-entropy of a model's classifier.
// Layer: objectives. Test: tests/unit/objectives/class_loss_test.cpp. Paper: Devlin et al. 2019.
#ifndef BERT_OBJECTIVES_CROSS_ENTROPY_HPP
#define BERT_OBJECTIVES_CROSS_ENTROPY_HPP

#include <type_traits>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/objectives/class_loss.hpp"
#include "bert/objectives/per_sequence.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {
template <class Head>
struct is_classifier : std::bool_constant<heads::classifier<Head>> {};
}  // namespace detail

/// loss = -mean_s log softmax(logits[s,:])[label_s] of the model's classifier
///
///     bert::objectives::cross_entropy{.label_smoothing = 0.1f, .class_weights = bert::data::balanced_weights(train)}
///
/// With the options, the loss of sequence s is (1 - p_y)^gamma times that of PyTorch's CrossEntropyLoss(weight,
/// label_smoothing) (kernels/loss/class_cross_entropy.hpp), and the mean is its sum over the sum of the labels' weights. Throws
/// bert::error for options out of range, and unless there are no weights or one a class.
struct cross_entropy {
  using needs = target_list<target::label>;

  float label_smoothing = 0;              ///< share of a label that is spread evenly over all classes
  std::vector<float> class_weights = {};  ///< one a class; empty: all 1
  float gamma = 0;                        ///< exponent of the focal factor; 2 in its paper

  struct work : prediction_buffers {
    work(const cross_entropy& o, const batch_shape& raw) : prediction_buffers(raw.sequences) {
      check_class_loss(class_loss_of(o), "bert::objectives::cross_entropy");
    }
  };
  // As detail::per_sequence has them; not derived from it, so that fields are initialized by name without a warning.
  using found = detail::per_sequence<detail::is_classifier>;
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
    terms.add(count_classes("loss", in.labels, class_weights));
    return terms;
  }
  /// Scores the logits [S, L] of any head; objectives::on names one.
  template <executor E>
  loss_terms score_rows(const E& e, const training_batch& in, work& w, matrix<float> z, const loss_scale& scale) const {
    check_labels(in, z.cols, "bert::objectives");
    loss_terms terms;
    terms.add(class_cross_entropy(e, "loss", z, in.labels, scale, w, class_loss_of(*this), "bert::objectives::cross_entropy"));
    return terms;
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    return score_rows(e, in, w, logits(t), scale);
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_CROSS_ENTROPY_HPP
