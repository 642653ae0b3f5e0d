// Several objectives on one forward pass.
// Layer: objectives. Test: tests/unit/objectives/joint_test.cpp. Paper: Devlin et al. 2019 (masked LM + next sentence).
#pragma once

#include <cstdint>
#include <tuple>
#include <utility>

#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {
template <class... Lists>
struct concatenate {
  using type = bert::type_list<>;
};
template <class... Ts>
struct concatenate<bert::type_list<Ts...>> {
  using type = bert::type_list<Ts...>;
};
template <class... Ts, class... Us, class... Rest>
struct concatenate<bert::type_list<Ts...>, bert::type_list<Us...>, Rest...>
    : concatenate<bert::type_list<Ts..., Us...>, Rest...> {};
}  // namespace detail

/// loss = the sum of the objectives' losses
///
/// Only the first may rewrite the tokens; the others score the batch that the first has prepared.
template <class First, class... Rest>
struct joint {
  static_assert(ensure<(!Rest::rewrites && ... && true), facts<First, Rest...>>,
                "bert::objectives::joint: only the first objective may rewrite tokens; put the masked LM first");

  First first{};
  std::tuple<Rest...> rest{};

  using heads = typename detail::concatenate<typename First::heads, typename Rest::heads...>::type;
  template <class Model>
  static constexpr bool fits = (First::template fits<Model> && ... && Rest::template fits<Model>);
  static constexpr bool rewrites = First::rewrites;

  class work {
   public:
    work(const joint& o, const batch_shape& raw) : work(o, raw, std::index_sequence_for<Rest...>{}) {}
    typename First::work first;
    std::tuple<typename Rest::work...> rest;

   private:
    template <std::size_t... I>
    work(const joint& o, const batch_shape& raw, std::index_sequence<I...>)
        : first(o.first, raw), rest(typename Rest::work(std::get<I>(o.rest), raw)...) {}
  };

  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = fingerprint_of(first);
    std::apply([&](const auto&... others) { (append(facts, fingerprint_of(others)), ...); }, rest);
    return facts;
  }
  [[nodiscard]] batch_shape capacity(const batch_shape& raw) const noexcept { return first.capacity(raw); }
  [[nodiscard]] const token_batch& prepare(const training_batch& in, std::uint64_t seed, work& w) const {
    return first.prepare(in, seed, w.first);
  }
  [[nodiscard]] loss_terms counts(const training_batch& in, const work& w) const noexcept
      requires(tells_counts<First>&&...&& tells_counts<Rest>) {
    loss_terms terms = first.counts(in, w.first);
    [&]<std::size_t... I>(std::index_sequence<I...>) { ((terms += std::get<I>(rest).counts(in, std::get<I>(w.rest))), ...); }
    (std::index_sequence_for<Rest...>{});
    return terms;
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    loss_terms terms = first.score(e, in, w.first, t, scale);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((terms += std::get<I>(rest).score(e, in, std::get<I>(w.rest), t, scale)), ...);
    }
    (std::index_sequence_for<Rest...>{});
    return terms;
  }
};

}  // namespace bert::objectives
