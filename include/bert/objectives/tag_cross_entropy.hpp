// The cross-entropy of a model's tagger.
// Layer: objectives. Test: tests/unit/objectives/tag_cross_entropy_test.cpp. Paper: Devlin et al. 2019, 5.3.
#pragma once

#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/objectives/per_sequence.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {
template <class Head>
struct is_tagger : std::bool_constant<heads::tagger<Head>> {};
}  // namespace detail

/// loss = -mean_n log softmax(logits[n,:])[tag_n] over the tokens n with tag_n >= 0, of the model's first tagger
///
/// Throws bert::error unless there is one tag a token, each below L.
struct tag_cross_entropy : detail::per_sequence<detail::is_tagger> {
  using needs = target_list<target::tag>;

  struct work : prediction_buffers {
    work(const tag_cross_entropy&, const batch_shape& raw) : prediction_buffers(raw.tokens) {}
  };
  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) noexcept { return in.tokens; }

  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) noexcept {
    loss_terms terms;
    terms.add({.name = "loss", .count = counted(in.tags)});
    return terms;
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    const matrix<float> z = logits(t);
    check_tags(in, z.cols, "bert::objectives::tag_cross_entropy");
    loss_terms terms;
    terms.add(mean_cross_entropy(e, "loss", z, in.tags, scale, w));
    return terms;
  }
};

}  // namespace bert::objectives
