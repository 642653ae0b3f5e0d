// Next-sentence prediction: does B follow A, or come from another document?
// Layer: objectives. Test: tests/unit/objectives/joint_test.cpp. Paper: Devlin et al. 2019.
#ifndef BERT_OBJECTIVES_NEXT_SENTENCE_HPP
#define BERT_OBJECTIVES_NEXT_SENTENCE_HPP

#include "bert/core/isa.hpp"
#include "bert/heads/next_sentence.hpp"
#include "bert/objectives/per_sequence.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {
template <class Head>
struct is_next_sentence : std::is_base_of<heads::next_sentence, Head> {};
}  // namespace detail

/// loss = -mean_s log softmax(logits[s,:])[label_s], label 0 where B follows A, 1 where B comes from another document
struct next_sentence : detail::per_sequence<detail::is_next_sentence> {
  using heads = bert::type_list<heads::next_sentence>;

  using needs = target_list<target::label>;

  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) { return count_labels("nsp", in); }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    return cross_entropy(e, "nsp", in, w, t, scale);
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_NEXT_SENTENCE_HPP
