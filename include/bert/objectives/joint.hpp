// Several objectives on one forward pass, and the model that an objective needs.
// Layer: objectives. Test: tests/unit/objectives/joint_test.cpp. Paper: Devlin et al. 2019 (masked LM + next sentence).
#pragma once

#include <cstdint>
#include <tuple>
#include <utility>

#include "bert/objectives/objective.hpp"

namespace bert {
namespace objectives {

namespace detail {
template <class... Lists>
struct concatenate {
  using type = bert::detail::type_list<>;
};
template <class... Ts>
struct concatenate<bert::detail::type_list<Ts...>> {
  using type = bert::detail::type_list<Ts...>;
};
template <class... Ts, class... Us, class... Rest>
struct concatenate<bert::detail::type_list<Ts...>, bert::detail::type_list<Us...>, Rest...>
    : concatenate<bert::detail::type_list<Ts..., Us...>, Rest...> {};
}  // namespace detail

/// loss = the sum of the objectives' losses
///
/// Only the first may rewrite the tokens; each of the others scores what the first made of the batch.
template <class First, class... Rest>
struct joint {
  static_assert(ensure<(!Rest::rewrites && ... && true), facts<First, Rest...>>,
                "bert::objectives::joint: only the first objective may rewrite tokens; put the masked one first");

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

  [[nodiscard]] batch_shape capacity(const batch_shape& raw) const noexcept { return first.capacity(raw); }
  [[nodiscard]] const token_batch& prepare(const training_batch& in, std::uint64_t seed, work& w) const {
    return first.prepare(in, seed, w.first);
  }
  template <class Model, executor E>
  loss_parts score(const E& e, const training_batch& in, work& w, tape<Model>& t, float scale) const {
    loss_parts parts = first.score(e, in, w.first, t, scale);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((parts += std::get<I>(rest).score(e, in, std::get<I>(w.rest), t, scale)), ...);
    }(std::index_sequence_for<Rest...>{});
    return parts;
  }
};

}  // namespace objectives

namespace detail {
template <class A, class List>
struct model_of;
template <class A, class... Heads>
struct model_of<A, type_list<Heads...>> {
  using type = model<A, Heads...>;
};
}  // namespace detail

/// The model with exactly the heads that `Objective` trains.
template <class A, class Objective>
using model_for = typename detail::model_of<A, typename Objective::heads>::type;

}  // namespace bert
