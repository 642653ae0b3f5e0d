// The cross-entropy of a model's classifier.
// Layer: objectives. Test: tests/unit/objectives/joint_test.cpp. Paper: Devlin et al. 2019.
#pragma once

#include <type_traits>

#include "bert/core/isa.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/objectives/per_sequence.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {
template <class Head>
struct is_classifier : std::bool_constant<heads::classifier<Head>> {};
}  // namespace detail

/// loss = -mean_s log softmax(logits[s,:])[label_s] of the model's classifier
struct cross_entropy : detail::per_sequence<detail::is_classifier> {
  using needs = target_list<target::label>;

  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) noexcept { return count_labels("loss", in); }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    return per_sequence::cross_entropy(e, "loss", in, w, t, scale);
  }
};

}  // namespace bert::objectives
