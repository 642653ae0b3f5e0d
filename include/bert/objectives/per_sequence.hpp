// Base of the objectives with one row of logits a sequence: finds their head, scores labels by cross-entropy.
// Layer: objectives. Test: tests/unit/objectives/joint_test.cpp. Paper: Devlin et al. 2019.
#ifndef BERT_OBJECTIVES_PER_SEQUENCE_HPP
#define BERT_OBJECTIVES_PER_SEQUENCE_HPP

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "bert/core/isa.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {

/// The first head of a model that satisfies `Is`, or void.
template <template <class> class Is, class... Heads>
struct first_head {
  using type = void;
};
template <template <class> class Is, class Head, class... Heads>
struct first_head<Is, Head, Heads...> : first_head<Is, Heads...> {
  using type = std::conditional_t<Is<Head>::value, Head, typename first_head<Is, Heads...>::type>;
};

template <template <class> class Is, class Model>
struct head_where;
template <template <class> class Is, class A, class... Heads>
struct head_where<Is, model<A, Heads...>> : first_head<Is, Heads...> {};

/// Shared by the objectives that score one row of logits a sequence.
template <template <class> class Is>
struct per_sequence {
  template <class Model>
  using head = typename head_where<Is, Model>::type;
  template <class Model>
  static constexpr bool fits = !std::is_void_v<head<Model>>;
  static constexpr bool rewrites = false;

  struct work : prediction_buffers {
    work(const per_sequence&, const batch_shape& raw) : prediction_buffers(raw.sequences) {}
  };
  [[nodiscard]] static constexpr batch_shape capacity(batch_shape raw) noexcept {
    raw.scored = 0;
    return raw;
  }
  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) noexcept { return in.tokens; }

  /// The count of a cross-entropy over `in.labels`, as the term `name`.
  [[nodiscard]] static loss_terms count_labels(std::string_view name, const training_batch& in) {
    loss_terms terms;
    terms.add({.name = name, .count = counted(in.labels)});
    return terms;
  }
  /// The logits of the objective's head, which `score` replaces by their gradient.
  template <class Model>
  [[nodiscard]] static matrix<float> logits(tape<Model>& t) noexcept {
    return t.template head<head<Model>>().logits();
  }

  template <class Model, executor E>
  static loss_terms cross_entropy(const E& e, std::string_view name, const training_batch& in, work& w, tape<Model>& t,
                                  const loss_scale& scale) {
    const matrix<float> z = logits(t);
    check_labels(in, z.cols, "bert::objectives");
    loss_terms terms;
    terms.add(mean_cross_entropy(e, name, z, in.labels, scale, w));
    return terms;
  }
};

}  // namespace detail

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_PER_SEQUENCE_HPP
