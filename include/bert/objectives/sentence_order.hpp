// Sentence-order prediction: are A and B in the order of the document?
// Layer: objectives. Test: tests/unit/objectives/joint_test.cpp. Paper: Lan et al. 2020, "ALBERT".
#ifndef BERT_OBJECTIVES_SENTENCE_ORDER_HPP
#define BERT_OBJECTIVES_SENTENCE_ORDER_HPP

#include "bert/core/isa.hpp"
#include "bert/heads/next_sentence.hpp"
#include "bert/objectives/next_sentence.hpp"

namespace bert::inline BERT_ISA::objectives {

/// loss = -mean_s log softmax(logits[s,:])[label_s] of the next-sentence head, label 1 where A and B were swapped
struct sentence_order : detail::per_sequence<detail::is_next_sentence> {
  using heads = bert::type_list<heads::next_sentence>;

  using needs = target_list<target::label>;

  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) { return count_labels("sop", in); }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    return cross_entropy(e, "sop", in, w, t, scale);
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_SENTENCE_ORDER_HPP
