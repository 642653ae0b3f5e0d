// Losses that the command line of finetune names.
#pragma once

#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "bert/core/execution.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/model/tape.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/tensor/training_batch.hpp"

namespace finetune {

/// One of several objectives on the same head, chosen at run time.
template <class First, class... Others>
class any_loss {
 public:
  /// `name` is the loss's on the command line.
  template <class Loss>
  any_loss(std::string name, Loss loss) : name_(std::move(name)), loss_(std::move(loss)) {}

  using needs = typename First::needs;
  template <class Model>
  static constexpr bool fits = First::template fits<Model>;
  static constexpr bool rewrites = false;

  /// The work of the loss that was chosen.
  class work {
   public:
    work(const any_loss& o, const bert::batch_shape& raw)
        : of_(std::visit(
              [&](const auto& loss) {
                return any_work(std::in_place_index<index_of<std::remove_cvref_t<decltype(loss)>>()>, loss, raw);
              },
              o.loss_)) {}

   private:
    friend any_loss;
    using any_work = std::variant<typename First::work, typename Others::work...>;
    any_work of_;
  };

  [[nodiscard]] bert::named_facts fingerprint() const {
    bert::named_facts facts{{"loss", name_}};
    bert::append(facts, std::visit([](const auto& loss) { return bert::fingerprint_of(loss); }, loss_));
    return facts;
  }
  [[nodiscard]] static bert::batch_shape capacity(const bert::batch_shape& raw) noexcept { return First::capacity(raw); }
  [[nodiscard]] const bert::token_batch& prepare(const bert::training_batch& in, std::uint64_t seed, work& w) const {
    return *with(w, [&](const auto& loss, auto& own) { return &loss.prepare(in, seed, own); });
  }
  [[nodiscard]] bert::objectives::loss_terms counts(const bert::training_batch& in, const work& w) const {
    return with(w, [&](const auto& loss, const auto& own) { return loss.counts(in, own); });
  }
  /// The outputs of the head that they share.
  template <class Model>
  [[nodiscard]] static bert::matrix<float> logits(bert::tape<Model>& t) noexcept {
    return First::logits(t);
  }
  template <bert::executor E>
  bert::objectives::loss_terms score_rows(const E& e, const bert::training_batch& in, work& w, bert::matrix<float> z,
                                          const bert::objectives::loss_scale& scale) const {
    return with(w, [&](const auto& loss, auto& own) { return loss.score_rows(e, in, own, z, scale); });
  }
  template <class Model, bert::executor E>
  bert::objectives::loss_terms score(const E& e, const bert::training_batch& in, work& w, bert::tape<Model>& t,
                                     const bert::objectives::loss_scale& scale) const {
    return score_rows(e, in, w, logits(t), scale);
  }

 private:
  template <class Work, class Body>
  auto with(Work& w, const Body& body) const {
    return std::visit(
        [&](const auto& loss) {
          constexpr std::size_t i = index_of<std::remove_cvref_t<decltype(loss)>>();
          return body(loss, *std::get_if<i>(&w.of_));
        },
        loss_);
  }
  /// Losses may share a type of work, so it is found by index.
  template <class Loss>
  static constexpr std::size_t index_of() {
    std::size_t i = 0;
    const bool same[] = {std::is_same_v<Loss, First>, std::is_same_v<Loss, Others>...};
    while (!same[i]) ++i;
    return i;
  }

  std::string name_;
  std::variant<First, Others...> loss_;
};

}  // namespace finetune
