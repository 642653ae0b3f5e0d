// What tools/mutate compiles into mutated headers: each mutation is chosen at run time, by its number.
// What the compiler itself evaluates has the mutant BERT_MUTANT_COMPILED. Nothing changes a result while none is chosen.
#pragma once

#if !defined(BERT_MUTANT_COMPILED)
#define BERT_MUTANT_COMPILED 0
#endif

#include <string_view>
#include <type_traits>
#include <utility>

namespace bert_mutants {

inline constexpr int most = 20'000;
enum : unsigned char { unreached, reached_site, inert_site };  // inert: these operands admit no such change

inline int chosen = 0;  // 0: none; -1: none, and `seen` is kept
inline unsigned char seen[most] = {};

/// Whether mutant `n` is the one of this run.
constexpr bool on(int n) noexcept {
  if (std::is_constant_evaluated()) return n == BERT_MUTANT_COMPILED;
  const int now = chosen;
  if (now < 0 && seen[n] == unreached) seen[n] = reached_site;
  return now == n;
}
constexpr void inert(int n) noexcept {
  if (!std::is_constant_evaluated() && chosen < 0) seen[n] = inert_site;
}

// a op b  becomes  a op infix<at<7, minus>>{} op b: two operators of one precedence, so no operand needs parsing.
template <int N, class Change>
struct at {};
template <class... Changes>
struct infix {};
template <class A, class... Changes>
struct left {
  const A& value;
};

#define BERT_MUTANTS_CHANGE(name, op)                                                  \
  struct name {                                                                        \
    template <class A, class B>                                                        \
    static constexpr auto apply(const A& a, const B& b) noexcept -> decltype(a op b) { \
      return a op b;                                                                   \
    }                                                                                  \
  };
BERT_MUTANTS_CHANGE(plus, +)
BERT_MUTANTS_CHANGE(minus, -)
BERT_MUTANTS_CHANGE(times, *)
BERT_MUTANTS_CHANGE(over, /)
BERT_MUTANTS_CHANGE(both, &)
BERT_MUTANTS_CHANGE(either, |)
BERT_MUTANTS_CHANGE(up, <<)
BERT_MUTANTS_CHANGE(down, >>)
BERT_MUTANTS_CHANGE(less, <)
BERT_MUTANTS_CHANGE(most_equal, <=)
BERT_MUTANTS_CHANGE(greater, >)
BERT_MUTANTS_CHANGE(least_equal, >=)
BERT_MUTANTS_CHANGE(equal, ==)
BERT_MUTANTS_CHANGE(unequal, !=)
#undef BERT_MUTANTS_CHANGE
struct first {
  template <class A, class B>
  static constexpr A apply(const A& a, const B&) noexcept {
    return a;
  }
};
struct second {
  template <class A, class B>
  static constexpr B apply(const A&, const B& b) noexcept {
    return b;
  }
};

template <class R, class A, class B, class Original>
constexpr R choose(infix<>, const A&, const B&, Original&& original) {
  return original();
}
template <class R, int N, class Change, class... More, class A, class B, class Original>
constexpr R choose(infix<at<N, Change>, More...>, const A& a, const B& b, Original&& original) {
  if constexpr (requires { static_cast<R>(Change::apply(a, b)); }) {
    if (on(N)) return static_cast<R>(Change::apply(a, b));
  } else {
    inert(N);
  }
  return choose<R>(infix<More...>{}, a, b, original);
}

#define BERT_MUTANTS_INFIX(op)                                                                        \
  template <class A, class... Changes>                                                                \
  constexpr left<A, Changes...> operator op(const A& a, infix<Changes...>) noexcept {                 \
    return {a};                                                                                       \
  }                                                                                                   \
  template <class A, class... Changes, class B>                                                       \
  constexpr auto operator op(const left<A, Changes...>& a, const B& b) {                              \
    using result = std::remove_cvref_t<decltype(a.value op b)>;                                       \
    return choose<result>(infix<Changes...>{}, a.value, b, [&]() -> result { return a.value op b; }); \
  }
BERT_MUTANTS_INFIX(+)
BERT_MUTANTS_INFIX(-)
BERT_MUTANTS_INFIX(*)
BERT_MUTANTS_INFIX(/)
BERT_MUTANTS_INFIX(%)
BERT_MUTANTS_INFIX(&)
BERT_MUTANTS_INFIX(|)
BERT_MUTANTS_INFIX(^)
BERT_MUTANTS_INFIX(<<)
BERT_MUTANTS_INFIX(>>)
BERT_MUTANTS_INFIX(<)
BERT_MUTANTS_INFIX(<=)
BERT_MUTANTS_INFIX(>)
BERT_MUTANTS_INFIX(>=)
BERT_MUTANTS_INFIX(==)
BERT_MUTANTS_INFIX(!=)
#undef BERT_MUTANTS_INFIX

// !x  becomes  flip<7>{}->*x, and -x  sign<7>{}->*x: an operator that binds looser than a unary one and tighter than others.
template <int N>
struct flip {};
template <int N>
struct sign {};
template <int N, class T>
constexpr bool operator->*(flip<N>, const T& x) {
  return on(N) ? static_cast<bool>(x) : !x;
}
template <int N, class T>
constexpr auto operator->*(sign<N>, const T& x) {
  using result = std::remove_cvref_t<decltype(-x)>;
  return on(N) ? static_cast<result>(x) : static_cast<result>(-x);
}

/// The negative of what is added or subtracted.
template <int N, class T>
constexpr decltype(auto) negated(T&& x) {
  if constexpr (std::is_arithmetic_v<std::remove_cvref_t<T>> || requires {
                  std::remove_cvref_t<T>::size;
                  -x;
                }) {
    using value = std::remove_cvref_t<T>;
    return value(on(N) ? static_cast<value>(-x) : x);
  } else {
    inert(N);
    return std::forward<T>(x);
  }
}
/// 0 in place of an index.
template <int N, class T>
constexpr decltype(auto) zero(T&& x) {
  if constexpr (std::is_integral_v<std::remove_cvref_t<T>>) {
    return std::remove_cvref_t<T>(on(N) ? std::remove_cvref_t<T>{} : x);
  } else {
    inert(N);
    return std::forward<T>(x);
  }
}
/// What a function returns: the other bool, 0 or 1 in place of a number, an empty object.
template <int N, class T>
constexpr decltype(auto) returned(T&& x) {
  using value = std::remove_cvref_t<T>;
  if constexpr (std::is_arithmetic_v<value>) {
    return value(on(N) ? static_cast<value>(x == value{} ? 1 : 0) : x);
  } else if constexpr (!std::is_lvalue_reference_v<T> && std::is_class_v<value> && std::is_default_constructible_v<value>) {
    return on(N) ? value{} : value(std::forward<T>(x));
  } else {
    inert(N);
    return std::forward<T>(x);
  }
}
/// The other of two arguments of one type.
template <int N, class A, class B>
constexpr A&& other(A&& a, [[maybe_unused]] B&& b) noexcept {
  if constexpr (std::is_same_v<A, B>) {
    return on(N) ? std::forward<B>(b) : std::forward<A>(a);
  } else {
    inert(N);
    return std::forward<A>(a);
  }
}

}  // namespace bert_mutants
