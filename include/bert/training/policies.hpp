// Finds a trainer's policies among its arguments by their kind, in any order.
// Layer: training. Test: tests/unit/training/trainer_test.cpp
#ifndef BERT_TRAINING_POLICIES_HPP
#define BERT_TRAINING_POLICIES_HPP

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/layers/linear.hpp"
#include "bert/model/tape.hpp"
#include "bert/training/groups.hpp"
#include "bert/training/reduction.hpp"
#include "bert/training/schedules.hpp"
#include "bert/training/weights.hpp"

namespace bert::inline BERT_ISA::training {

template <class T>
struct is_executor : std::bool_constant<executor<T>> {};
template <class T>
struct is_activation_policy : std::bool_constant<activation_policy<T>> {};
template <class T>
struct is_precision : std::bool_constant<training_precision<T>> {};
template <class T>
struct is_groups : std::bool_constant<optim::parameter_groups<T>> {};
template <class T>
struct is_reduction : std::bool_constant<reduction<T>> {};
template <class T>
struct is_weight_policy : std::bool_constant<weight_policy<T>> {};
/// Of `fit`, which makes the trainer's optimizer and schedule where none is given.
template <class T>
struct is_optimizer : std::bool_constant<optim::optimizer<T>> {};
template <class T>
struct is_schedule : std::bool_constant<schedules::schedule<T>> {};

/// The first of `Policies` that satisfies `Is`, or Default.
template <template <class> class Is, class Default, class... Policies>
struct first_policy {
  using type = Default;
};
template <template <class> class Is, class Default, class Policy, class... Policies>
struct first_policy<Is, Default, Policy, Policies...>
    : std::conditional_t<Is<Policy>::value, std::type_identity<Policy>, first_policy<Is, Default, Policies...>> {};
template <template <class> class Is, class Default, class... Policies>
using policy_of = typename first_policy<Is, Default, Policies...>::type;

/// The argument of that type, or a default one.
template <template <class> class Is, class Default, class... Policies>
[[nodiscard]] policy_of<Is, Default, Policies...> pick_policy(const Policies&... policies) {
  using wanted = policy_of<Is, Default, Policies...>;
  if constexpr ((std::is_same_v<wanted, Policies> || ...)) return std::get<const wanted&>(std::tie(policies...));
  else return wanted{};
}

/// How many of `Policies` satisfy `Is`.
template <template <class> class Is, class... Policies>
inline constexpr std::size_t policies_of = (std::size_t{Is<Policies>::value} + ... + 0);

/// Whether no two of the policies over weights are of one type.
template <class... Policies>
inline constexpr bool weight_policies_differ = true;
template <class Policy, class... Policies>
inline constexpr bool weight_policies_differ<Policy, Policies...> =
    !(weight_policy<Policy> && (std::is_same_v<Policy, Policies> || ...)) && weight_policies_differ<Policies...>;

/// Whether each of `Policies` is of a trainer's kinds, and no two are of the same kind, or, of policies over weights, of the
/// same type.
template <class... Policies>
inline constexpr bool policies_fit =
    ((is_executor<Policies>::value || is_activation_policy<Policies>::value || is_precision<Policies>::value ||
      is_groups<Policies>::value || is_reduction<Policies>::value || is_weight_policy<Policies>::value) &&
     ...) &&
    weight_policies_differ<Policies...>&& policies_of<is_executor, Policies...> <= 1 &&
    policies_of<is_activation_policy, Policies...> <= 1 && policies_of<is_precision, Policies...> <= 1 &&
    policies_of<is_groups, Policies...> <= 1 && policies_of<is_reduction, Policies...> <= 1;

}  // namespace bert::training

#endif  // BERT_TRAINING_POLICIES_HPP
