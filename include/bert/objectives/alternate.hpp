// Several tasks on one encoder: each batch is of one task and trains that task's objective alone.
// Layer: objectives. Test: tests/unit/objectives/alternate_test.cpp. Paper: Liu et al. 2019, "Multi-task deep neural networks".
#ifndef BERT_OBJECTIVES_ALTERNATE_HPP
#define BERT_OBJECTIVES_ALTERNATE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives {

/// loss of a batch = the loss of the objective number `task` of the batch
///
///     const bert::data::mixed both{topics.batches(16), sentences.batches(16)};
///     bert::fit(model, bert::objectives::alternate{weighted{cross_entropy{}, {.name = "topic"}},
///                                                  weighted{tag_cross_entropy{}, {.name = "tags"}}}, both);
///
/// The heads of the other tasks have no gradient. Where two tasks have heads of one kind, `on` names them. Throws bert::error
/// for a task without an objective, and if the terms of two tasks have one name.
template <class... Tasks>
class alternate {
  static_assert(ensure<(sizeof...(Tasks) > 0), facts<Tasks...>>, "bert::objectives::alternate: name an objective a task");

 public:
  using heads = heads_of<Tasks...>;
  using task_needs = target_list<needs_of<Tasks>...>;
  template <class Model>
  static constexpr bool fits = (Tasks::template fits<Model> && ...);
  static constexpr bool rewrites = (Tasks::rewrites || ...);
  static constexpr bool perturbs = (objectives::perturbs<Tasks> || ...);

  explicit alternate(Tasks... tasks) : tasks_(std::move(tasks)...) {}

  class work {
   public:
    template <executor E = execution::serial>
    work(const alternate& o, const batch_shape& raw, const E& e = {}) : work(o, raw, e, std::index_sequence_for<Tasks...>{}) {}

   private:
    friend class alternate;
    template <class E, std::size_t... I>
    work(const alternate& o, const batch_shape& raw, const E& e, std::index_sequence<I...>)
        : tasks(make_work(std::get<I>(o.tasks_), raw, e)...) {}

    std::tuple<typename Tasks::work...> tasks;
    std::array<loss_terms, sizeof...(Tasks)> seen{};  // the names of each task's terms
  };

  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts;
    std::apply([&](const auto&... tasks) { (append(facts, fingerprint_of(tasks)), ...); }, tasks_);
    return facts;
  }
  [[nodiscard]] bert::taps taps() const noexcept {
    bert::taps all;
    std::apply([&](const auto&... tasks) { ((all = all | tape_options_of(tasks).taps), ...); }, tasks_);
    return all;
  }
  /// The largest that any task needs.
  [[nodiscard]] batch_shape capacity(const batch_shape& raw) const noexcept {
    batch_shape most = std::get<0>(tasks_).capacity(raw);
    const auto include = [&](const batch_shape& s) {
      most.sequences = std::max(most.sequences, s.sequences);
      most.tokens = std::max(most.tokens, s.tokens);
      most.scored = std::max(most.scored, s.scored);
      most.longest = std::max(most.longest, s.longest);
    };
    std::apply([&](const auto&... tasks) { (include(tasks.capacity(raw)), ...); }, tasks_);
    return most;
  }
  [[nodiscard]] const token_batch& prepare(const training_batch& in, std::uint64_t seed, work& w) const {
    const token_batch* prepared = nullptr;
    of_task(in, [&](const auto& o, auto i) { prepared = &o.prepare(in, seed, std::get<i>(w.tasks)); });
    return *prepared;
  }
  [[nodiscard]] loss_terms counts(const training_batch& in, const work& w) const requires(tells_counts<Tasks>&&...) {
    loss_terms terms;
    of_task(in, [&](const auto& o, auto i) { terms = o.counts(in, std::get<i>(w.tasks)); });
    return terms;
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    loss_terms terms;
    of_task(in, [&](const auto& o, auto i) { terms = o.score(e, in, std::get<i>(w.tasks), t, scale); });
    check_names(terms, in.task, w);
    return terms;
  }
  /// One pass, or those that the task's objective runs itself.
  template <class Passes>
  loss_terms run(Passes& p, const training_batch& in, work& w, const loss_scale& scale) const {
    loss_terms terms;
    of_task(in, [&](const auto& o, auto i) {
      auto& of = std::get<i>(w.tasks);
      if constexpr (requires { o.run(p, in, of, scale); }) {
        terms = o.run(p, in, of, scale);
      } else {
        auto& t = p.forward();
        terms = o.score(p.executor(), in, of, t, scale);
        p.backward();
      }
    });
    check_names(terms, in.task, w);
    return terms;
  }

 private:
  /// Calls body(objective, integral_constant) with the objective of the batch's task.
  template <class Body>
  void of_task(const training_batch& in, Body&& body) const {
    if (in.task >= sizeof...(Tasks))
      throw_error({"bert::objectives::alternate", cat("batches of the tasks 0 to ", sizeof...(Tasks) - 1), cat(in.task),
                   "name an objective for each source of bert::data::mixed"});
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((I == in.task ? body(std::get<I>(tasks_), std::integral_constant<std::size_t, I>{}) : void()), ...);
    }
    (std::index_sequence_for<Tasks...>{});
  }
  /// Over accumulated batches, terms of one name would be counted together.
  static void check_names(const loss_terms& terms, std::size_t task, work& w) {
    for (const auto& term : terms) {
      for (std::size_t other = 0; other < sizeof...(Tasks); ++other)
        if (other != task) check_new_term(w.seen[other], term, "bert::objectives::alternate");
      if (!w.seen[task].has(term.name)) w.seen[task].add(term);
    }
  }

  std::tuple<Tasks...> tasks_;
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_ALTERNATE_HPP
