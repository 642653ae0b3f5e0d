// Several objectives on one forward pass.
// Layer: objectives. Test: tests/unit/objectives/joint_test.cpp. Paper: Devlin et al. 2019 (masked LM + next sentence).
#ifndef BERT_OBJECTIVES_JOINT_HPP
#define BERT_OBJECTIVES_JOINT_HPP

#include <cstdint>
#include <tuple>
#include <utility>

#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives {

/// loss = the sum of the objectives' losses
///
///     bert::objectives::joint{cross_entropy{}, weighted{tag_cross_entropy{}, {.weight = 0.5f, .name = "tags"}}}
///
/// Only the first may rewrite the tokens; the others score the batch that the first has prepared. Throws bert::error if two
/// objectives have a term of one name, whose predictions would be counted together: name one by `weighted`.
template <class First, class... Rest>
struct joint {
  static_assert(ensure<(!Rest::rewrites && ... && true), facts<First, Rest...>>,
                "bert::objectives::joint: only the first objective may rewrite tokens; put the masked LM first");

  First first{};
  std::tuple<Rest...> rest{};

  joint() = default;
  explicit joint(First a, Rest... others) requires(sizeof...(Rest) > 0) : first(std::move(a)), rest(std::move(others)...) {}

  using heads = heads_of<First, Rest...>;
  using needs = needs_of<First, Rest...>;
  template <class Model>
  static constexpr bool fits = (First::template fits<Model> && ... && Rest::template fits<Model>);
  static constexpr bool rewrites = First::rewrites;
  static constexpr bool perturbs = (objectives::perturbs<First> || ... || objectives::perturbs<Rest>);

  class work {
   public:
    template <executor E = execution::serial>
    work(const joint& o, const batch_shape& raw, const E& e = {}) : work(o, raw, e, std::index_sequence_for<Rest...>{}) {}
    typename First::work first;
    std::tuple<typename Rest::work...> rest;

   private:
    template <class E, std::size_t... I>
    work(const joint& o, const batch_shape& raw, const E& e, std::index_sequence<I...>)
        : first(make_work(o.first, raw, e)), rest(make_work(std::get<I>(o.rest), raw, e)...) {}
  };

  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = fingerprint_of(first);
    std::apply([&](const auto&... others) { (append(facts, fingerprint_of(others)), ...); }, rest);
    return facts;
  }
  [[nodiscard]] bert::taps taps() const noexcept {
    bert::taps all = tape_options_of(first).taps;
    std::apply([&](const auto&... others) { ((all = all | tape_options_of(others).taps), ...); }, rest);
    return all;
  }
  [[nodiscard]] batch_shape capacity(const batch_shape& raw) const noexcept { return first.capacity(raw); }
  [[nodiscard]] const token_batch& prepare(const training_batch& in, std::uint64_t seed, work& w) const {
    return first.prepare(in, seed, w.first);
  }
  [[nodiscard]] loss_terms counts(const training_batch& in, const work& w) const
      requires(tells_counts<First>&&...&& tells_counts<Rest>) {
    loss_terms terms = first.counts(in, w.first);
    [&]<std::size_t... I>(std::index_sequence<I...>) { (add(std::get<I>(rest).counts(in, std::get<I>(w.rest)), terms), ...); }
    (std::index_sequence_for<Rest...>{});
    return terms;
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    loss_terms terms = first.score(e, in, w.first, t, scale);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (add(std::get<I>(rest).score(e, in, std::get<I>(w.rest), t, scale), terms), ...);
    }
    (std::index_sequence_for<Rest...>{});
    return terms;
  }

 private:
  static void add(const loss_terms& more, loss_terms& to) {
    for (const auto& term : more) {
      check_new_term(to, term, "bert::objectives::joint");
      to.add(term);
    }
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_JOINT_HPP
