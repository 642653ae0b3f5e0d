// A student learns from a teacher: soft labels, hidden states, attention, relations, beside a loss of its own.
// Layer: objectives. Test: tests/unit/objectives/distil/distil_test.cpp
// Papers: Hinton et al. 2015; Sanh et al. 2019, "DistilBERT"; Jiao et al. 2020, "TinyBERT"; Wang et al. 2020, 2021, "MiniLM".
#ifndef BERT_OBJECTIVES_DISTIL_DISTIL_HPP
#define BERT_OBJECTIVES_DISTIL_DISTIL_HPP

#include <cmath>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/objectives/distil/hidden_states.hpp"
#include "bert/objectives/distil/relations.hpp"
#include "bert/objectives/distil/soft_labels.hpp"
#include "bert/objectives/distil/teacher.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives {

struct distil_options {
  float temperature = 2;  ///< T
  float soft = 1;         ///< weight of the soft labels; 0: none
  float hard = 1;         ///< weight of the objective beside them
};

/// In place of the objective beside the soft labels: the batches need no labels.
struct no_hard_loss {
  using heads = bert::type_list<>;
  using needs = target_list<>;
  template <class>
  static constexpr bool fits = true;
  static constexpr bool rewrites = false;
  struct work {
    work(const no_hard_loss&, const batch_shape&) noexcept {}
  };
  [[nodiscard]] static batch_shape capacity(batch_shape raw) noexcept {
    raw.scored = 0;
    return raw;
  }
  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) noexcept { return in.tokens; }
  [[nodiscard]] static loss_terms counts(const training_batch&, const work&) { return {}; }
  template <class Model, executor E>
  static loss_terms score(const E&, const training_batch&, work&, tape<Model>&, const loss_scale&) {
    return {};
  }
};

/// loss = soft * (divergence of the student's logits from the teacher's) + hard * (loss of `Hard`) + the weighted terms
///
///     const auto teacher = bert::freeze<bert::precision::int8>(files.load<big>());
///     bert::fit(student, bert::objectives::distil{teacher, {.temperature = 2}}, texts.batches(64), …);
///     bert::fit(student,
///               bert::objectives::distil{teacher, bert::objectives::cross_entropy{}, {.temperature = 2, .soft = 0.5f, .hard =
///               0.5f},
///                                        bert::objectives::hidden_states{}, bert::objectives::attention_scores{}},
///               train.batches(32), …);
///
/// The soft labels are of the teacher's first head of classes, several labels, a value, tags, a span or pieces, and of the
/// student's first head of that kind; soft_labels.hpp has their formulas. A teacher without such a head gives none. `Hard`
/// trains the same head, or none. `Terms` are hidden_states, hidden_cosine, attention_scores, minilm, minilm_v2, or types with
/// their members; each needs a teacher that runs. The teacher sees what the student sees, masks included, without dropout, on
/// the trainer's executor.
///
/// Throws bert::error for a temperature that is not positive, for weights that are negative, and where labels or vocabulary of
/// the two differ in number.
template <class Teacher, class Hard = no_hard_loss, class... Terms>
class distil {
  using link = teacher_link<Teacher>;
  using teacher_architecture = typename link::architecture;
  static constexpr soft_kind kind = link::kind;
  static constexpr bool has_hard = !std::is_same_v<Hard, no_hard_loss>;
  static constexpr bool has_all = link::runs || sizeof...(Terms) == 0;
  static_assert(ensure<has_all, facts<Teacher, Terms...>>,
                "bert::objectives::distil: logits alone have no hidden states or projections; teach with a bert::frozen model");

 public:
  explicit distil(const Teacher& teacher, distil_options options = {}) requires std::is_same_v<Hard, no_hard_loss>
      : teacher_(teacher), options_(options) {}
  distil(const Teacher& teacher, Hard hard, distil_options options = {}, Terms... terms)
      : teacher_(teacher), hard_(std::move(hard)), options_(options), terms_(std::move(terms)...) {}

  using heads = heads_of<Hard>;
  using needs = typename detail::concatenate<typename link::needs, needs_of<Hard>>::type;
  template <class Model>
  static constexpr bool fits = Hard::template fits<Model> &&
                               (kind == soft_kind::none || !std::is_void_v<detail::head_of_kind<kind, Model>>);
  static constexpr bool rewrites = Hard::rewrites;

  class work {
   public:
    template <executor E = execution::serial>
    work(const distil& o, const batch_shape& raw, const E& e = {})
        : hard(make_work(o.hard_, raw, e)),
          runner(o.teacher_, o.capacity(raw), e, o.teacher_taps()),
          soft(o.capacity(raw)),
          terms(typename Terms::work(raw)...) {
      const auto right = [](float x) { return std::isfinite(x) && x >= 0; };
      if (!right(o.options_.temperature) || o.options_.temperature == 0 || !right(o.options_.soft) || !right(o.options_.hard))
        throw_error({"bert::objectives::distil",
                     "a temperature above 0, weights of 0 or more",
                     cat("temperature ", o.options_.temperature, ", soft ", o.options_.soft, ", hard ", o.options_.hard),
                     {}});
    }

   private:
    friend distil;
    typename Hard::work hard;
    typename link::runner runner;
    detail::soft_work soft;
    std::tuple<typename Terms::work...> terms;
    const token_batch* tokens = nullptr;
  };

  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = fingerprint_of(hard_);
    append(facts,
           {{"distillation", cat("temperature ", options_.temperature, ", soft ", options_.soft, ", hard ", options_.hard)}});
    for_each_term([&](const auto& term) { append(facts, {{cat("weight of ", term.name), cat(term.weight)}}); });
    return facts;
  }
  [[nodiscard]] bert::taps taps() const noexcept {
    bert::taps all = tape_options_of(hard_).taps;
    for_each_term([&](const auto& term) { all = all | term.of_student(); });
    return all;
  }
  [[nodiscard]] batch_shape capacity(const batch_shape& raw) const noexcept { return hard_.capacity(raw); }
  [[nodiscard]] const token_batch& prepare(const training_batch& in, std::uint64_t seed, work& w) const {
    w.tokens = &hard_.prepare(in, seed, w.hard);
    return *w.tokens;
  }
  [[nodiscard]] loss_terms counts(const training_batch& in, const work& w) const requires(tells_counts<Hard>) {
    loss_terms terms = hard_.counts(in, w.hard);
    if (gives_soft()) terms.add({.name = "soft", .count = detail::soft_count<kind>(in, *w.tokens)});
    for_each_term([&](const auto& term) { terms.add({.name = term.name, .count = term.count(*w.tokens)}); });
    return terms;
  }

  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    loss_terms terms;
    if constexpr (kind != soft_kind::none) {
      if (gives_soft()) {
        const detail::teacher_answer& answer = w.runner(in, *w.tokens);
        const matrix<float> z = t.template head<detail::head_of_kind<kind, Model>>().logits();
        matrix<const float> logits = z;
        if constexpr (has_hard) {
          logits = w.soft.save(z, most_rows(w.soft.shape));
          add_hard(e, in, w, t, scale, z, terms);
        }
        loss_term soft =
            detail::score_soft<kind>(e, in, *w.tokens, logits, answer.logits, options_.temperature, z,
                                     scale.times(options_.soft), has_hard ? gradients::added : gradients::written, w.soft);
        soft.factor = static_cast<double>(options_.soft);
        terms.add(soft);
        add_terms(e, w, t, answer, scale, terms, std::index_sequence_for<Terms...>{});
        return terms;
      }
    }
    add_hard(e, in, w, t, scale, {}, terms);
    if (has_terms()) add_terms(e, w, t, w.runner(in, *w.tokens), scale, terms, std::index_sequence_for<Terms...>{});
    return terms;
  }

 private:
  [[nodiscard]] bool has_terms() const noexcept {
    bool any = false;
    for_each_term([&](const auto&) { any = true; });
    return any;
  }
  [[nodiscard]] bool gives_soft() const noexcept { return kind != soft_kind::none && options_.soft > 0; }
  [[nodiscard]] static std::size_t most_rows(const batch_shape& shape) noexcept {
    if (kind == soft_kind::pieces) return std::min(shape.scored, shape.tokens);
    return kind == soft_kind::tags || kind == soft_kind::span ? shape.tokens : shape.sequences;
  }
  [[nodiscard]] bert::taps teacher_taps() const noexcept {
    bert::taps all;
    for_each_term([&](const auto& term) { all = all | term.of_teacher(); });
    return all;
  }
  template <class Body>
  void for_each_term(const Body& body) const {
    [[maybe_unused]] const auto one = [&](const auto& term) {
      if (term.weight != 0) body(term);
    };
    std::apply([&](const auto&... terms) { (one(terms), ...); }, terms_);
  }

  /// Adds the terms of `Hard`; `z` are the logits of the soft labels, if there are any.
  template <class Model, executor E>
  void add_hard(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale, matrix<const float> z,
                loss_terms& terms) const {
    if constexpr (requires { hard_.logits(t); }) {
      if (z.data != nullptr && hard_.logits(t).data != z.data)
        throw_error({"bert::objectives::distil", "an objective beside the soft labels that trains the same head",
                     "another head", "put it on that head: bert::objectives::on<Head>(…)"});
    }
    for (loss_term term : hard_.score(e, in, w.hard, t, scale.times(options_.hard))) {
      term.factor *= static_cast<double>(options_.hard);
      terms.add(term);
    }
  }
  template <class Model, executor E, std::size_t... I>
  void add_terms(const E& e, work& w, tape<Model>& t, const detail::teacher_answer& answer, const loss_scale& scale,
                 loss_terms& terms, std::index_sequence<I...>) const {
    [[maybe_unused]] const auto add = [&](const auto& term, auto& buffers) {
      if (term.weight == 0) return;
      loss_term found{.name = term.name, .count = term.count(*w.tokens), .factor = static_cast<double>(term.weight)};
      const float share = scale.times(term.weight).of(found.name, found.count);
      found.sum = term.template score<teacher_architecture>(e, *w.tokens, t, answer, share, buffers);
      check_new_term(terms, found, "bert::objectives::distil");
      terms.add(found);
    };
    (add(std::get<I>(terms_), std::get<I>(w.terms)), ...);
  }

  link teacher_;
  Hard hard_{};
  distil_options options_;
  std::tuple<Terms...> terms_;
};

template <class Teacher>
distil(const Teacher&) -> distil<Teacher>;
template <class Teacher>
distil(const Teacher&, distil_options) -> distil<Teacher>;
template <class Teacher, class Hard, class... Terms>
distil(const Teacher&, Hard, distil_options, Terms...) -> distil<Teacher, Hard, Terms...>;

/// DistilBERT's three losses: 5 T^2 KL + 2 MLM + 1 (1 - cos of the last hidden states), T = 2, all but the cosine at the masked
/// positions. bert::copy_layers gives the student its start.
template <class Teacher, class Masking = masking::token>
[[nodiscard]] distil<Teacher, masked_lm<Masking>, hidden_cosine> distilbert(const Teacher& teacher, masked_lm<Masking> mlm = {},
                                                                            distil_options options = {
                                                                                .temperature = 2, .soft = 5, .hard = 2}) {
  return {teacher, std::move(mlm), options, hidden_cosine{}};
}

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_DISTIL_DISTIL_HPP
