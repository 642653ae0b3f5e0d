// The cross-entropy of a model's classifier.
// Layer: objectives. Test: tests/unit/objectives/joint_test.cpp. Paper: Devlin et al. 2019.
#pragma once

#include "bert/core/isa.hpp"
#include "bert/heads/classify.hpp"
#include "bert/objectives/per_sequence.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {
template <class Head>
struct is_classifier : std::false_type {};
template <class L>
struct is_classifier<heads::classify<L>> : std::true_type {};
}  // namespace detail

/// loss = -mean_s log softmax(logits[s,:])[label_s] of the model's classifier
struct cross_entropy : detail::per_sequence<detail::is_classifier> {
  template <class Model, executor E>
  loss_parts score(const E& e, const training_batch& in, work& w, tape<Model>& t, float scale) const {
    return per_sequence::cross_entropy(e, "loss", in, w, t, scale);
  }
};

}  // namespace bert::objectives
