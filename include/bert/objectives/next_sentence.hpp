// Objectives with one class a sequence: next sentence, and the cross-entropy of a classifier.
// Layer: objectives. Test: tests/unit/objectives/joint_test.cpp. Paper: Devlin et al. 2019.
#pragma once

#include <cstdint>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/next_sentence.hpp"
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

template <class Head> struct is_next_sentence : std::is_base_of<heads::next_sentence, Head> {};
template <class Head> struct is_classifier : std::false_type {};
template <class L> struct is_classifier<heads::classify<L>> : std::true_type {};
template <class Head> struct is_regression : std::is_base_of<heads::regress, Head> {};

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

  template <class Model, executor E>
  static loss_parts cross_entropy(const E& e, std::string_view name, const training_batch& in, work& w, tape<Model>& t, float scale) {
    const auto logits = t.template head<head<Model>>().logits();
    check_labels(in, logits.cols, "bert::objectives");
    loss_parts parts;
    parts.add(mean_cross_entropy(e, name, logits, in.labels, scale, w));
    return parts;
  }
};

}  // namespace detail

/// loss = -mean_s log softmax(logits[s,:])[label_s], label 0 where B follows A, 1 where B comes from another document
struct next_sentence : detail::per_sequence<detail::is_next_sentence> {
  using heads = bert::type_list<heads::next_sentence>;

  template <class Model, executor E>
  loss_parts score(const E& e, const training_batch& in, work& w, tape<Model>& t, float scale) const {
    return cross_entropy(e, "nsp", in, w, t, scale);
  }
};

/// The same head and loss where label 1 means that A and B were swapped. Paper: Lan et al. 2020, "ALBERT".
struct sentence_order : detail::per_sequence<detail::is_next_sentence> {
  using heads = bert::type_list<heads::next_sentence>;

  template <class Model, executor E>
  loss_parts score(const E& e, const training_batch& in, work& w, tape<Model>& t, float scale) const {
    return cross_entropy(e, "sop", in, w, t, scale);
  }
};

/// loss = -mean_s log softmax(logits[s,:])[label_s] of the model's classifier
struct cross_entropy : detail::per_sequence<detail::is_classifier> {
  template <class Model, executor E>
  loss_parts score(const E& e, const training_batch& in, work& w, tape<Model>& t, float scale) const {
    return per_sequence::cross_entropy(e, "loss", in, w, t, scale);
  }
};

/// loss = mean_s (y[s] - value_s)^2 of the model's regression head
struct mean_squared_error : detail::per_sequence<detail::is_regression> {
  template <class Model, executor E>
  loss_parts score(const E&, const training_batch& in, work&, tape<Model>& t, float scale) const {
    const auto y = t.template head<head<Model>>().logits();
    if (in.values.size() != y.rows)
      throw error({"bert::objectives::mean_squared_error", cat(y.rows, " values, one a sequence"), cat(in.values.size()), {}});
    loss_part part{.name = "loss", .count = y.rows};
    for (std::size_t s = 0; s < y.rows; ++s) {
      const float difference = y(s, 0) - in.values[s];
      part.sum += static_cast<double>(difference) * static_cast<double>(difference);
      y(s, 0) = scale * 2.0f * difference / static_cast<float>(y.rows);
    }
    loss_parts parts;
    parts.add(part);
    return parts;
  }
};

}  // namespace bert::objectives
