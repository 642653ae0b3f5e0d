// What an objective is, and the loss terms that it reports.
// Layer: objectives. Test: tests/unit/objectives/joint_test.cpp
#ifndef BERT_OBJECTIVES_OBJECTIVE_HPP
#define BERT_OBJECTIVES_OBJECTIVE_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/loss/cross_entropy.hpp"
#include "bert/model/tape.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::objectives {

/// One term of a loss over some predictions.
struct loss_term {
  static constexpr double unweighted = -1;

  std::string_view name;       ///< "mlm", "nsp", …
  double sum = 0;              ///< of the predictions' losses, each times its weight
  std::uint64_t count = 0;     ///< predictions
  std::uint64_t correct = 0;   ///< predictions whose best class was the target
  double weight = unweighted;  ///< sum of the predictions' weights; `unweighted`: each weighs 1
  double factor = 1;           ///< of the term's mean in the loss

  /// What `sum` is divided by: the sum of the weights, or the number of predictions.
  [[nodiscard]] double divisor() const noexcept { return weight < 0 ? static_cast<double>(count) : weight; }
  [[nodiscard]] double mean() const noexcept { return divisor() == 0 ? 0.0 : sum / divisor(); }
  [[nodiscard]] double accuracy() const noexcept {
    return count == 0 ? 0.0 : static_cast<double>(correct) / static_cast<double>(count);
  }
  [[nodiscard]] double perplexity() const noexcept { return std::exp(mean()); }
};

/// The terms of an objective; `+=` adds those of another batch.
class loss_terms {
 public:
  static constexpr std::size_t most = 8;

  /// Adds a term, to that of its name if there is one. Throws bert::error for one term more than `most`.
  void add(const loss_term& term) {
    for (std::size_t i = 0; i < count_; ++i)
      if (loss_term& same = terms_[i]; same.name == term.name) {
        if (same.weight >= 0 || term.weight >= 0) same.weight = same.divisor() + term.divisor();
        same.sum += term.sum;
        same.count += term.count;
        same.correct += term.correct;
        return;
      }
    if (count_ == most)
      throw_error({"bert::objectives::loss_terms", cat("at most ", most, " terms in a loss"),
                   cat("one more, \"", term.name, '"'), "join fewer objectives"});
    terms_[count_++] = term;
  }
  loss_terms& operator+=(const loss_terms& other) {
    for (const auto& term : other) add(term);
    return *this;
  }
  [[nodiscard]] const loss_term* begin() const noexcept { return terms_.data(); }
  [[nodiscard]] const loss_term* end() const noexcept { return terms_.data() + count_; }
  /// The term of that name; a term without predictions if there is none.
  [[nodiscard]] loss_term operator[](std::string_view name) const noexcept {
    for (const auto& term : *this)
      if (term.name == name) return term;
    return {.name = name};
  }
  [[nodiscard]] bool has(std::string_view name) const noexcept {
    return std::any_of(begin(), end(), [&](const loss_term& term) { return term.name == name; });
  }
  /// The sum of the means, each times its factor.
  [[nodiscard]] double loss() const noexcept {
    double total = 0;
    for (const auto& term : *this) total += term.factor * term.mean();
    return total;
  }

 private:
  std::array<loss_term, most> terms_{};
  std::size_t count_ = 0;
};

/// Throws bert::error if `terms` has a term of that name, from another objective.
inline void check_new_term(const loss_terms& terms, const loss_term& term, const char* where) {
  if (terms.has(term.name))
    throw_error({where, "loss terms of different names", cat('"', term.name, "\" of two objectives"),
                 "name one of them: bert::objectives::weighted{objective, {.name = \"…\"}}"});
}

/// The factor of each prediction's gradient: it makes a term's gradient that of its mean over a whole step, over all
/// accumulated batches and all replicas. Where predictions have weights, their sum takes the place of their number.
class loss_scale {
 public:
  /// The mean over each batch alone, times `factor`.
  constexpr loss_scale(float factor = 1.0f) noexcept : factor_(factor) {}  // NOLINT: a factor is a scale
  /// The mean over the counts of a whole step.
  explicit loss_scale(const loss_terms& step) noexcept : step_(step), known_(true) {}

  /// The factor for the term `name`, of which this batch has `count` predictions.
  [[nodiscard]] float of(std::string_view name, std::uint64_t count) const noexcept {
    return of({.name = name, .count = count});
  }
  /// The factor for a term with the count and the weight of this batch.
  [[nodiscard]] float of(const loss_term& batch) const noexcept {
    const auto all = static_cast<float>(divisor(batch));
    return all == 0 ? 0.0f : factor_ / all;
  }
  /// `x`, the gradient of one prediction's loss, as its share of the gradient of the term's mean.
  [[nodiscard]] float share(std::string_view name, std::uint64_t count, float x) const noexcept {
    const auto all = static_cast<float>(divisor({.name = name, .count = count}));
    return all == 0 ? 0.0f : factor_ * x / all;
  }
  /// This scale times `factor`.
  [[nodiscard]] loss_scale times(float factor) const noexcept {
    loss_scale scaled = *this;
    scaled.factor_ *= factor;
    return scaled;
  }
  /// This scale for an objective that calls `inner` what the step calls `outer`.
  [[nodiscard]] loss_scale renamed(std::string_view outer, std::string_view inner) const {
    loss_scale scale = *this;
    if (!known_) return scale;
    scale.step_ = {};
    loss_term own = step_[outer];
    own.name = inner;
    scale.step_.add(own);
    for (const auto& term : step_)
      if (term.name != outer && term.name != inner) scale.step_.add(term);
    return scale;
  }

 private:
  [[nodiscard]] double divisor(const loss_term& batch) const noexcept {
    return known_ ? step_[batch.name].divisor() : batch.divisor();
  }

  float factor_ = 1;
  loss_terms step_;
  bool known_ = false;
};

/// An objective O
///  - says with `fits<Model>` whether the model has the head it trains, and with `heads` which heads a model made for it has;
///  - may say with `needs` what its batches carry (`target_list`);
///  - has a `work` type, its buffers, made from the objective, the capacity of the source and, if it takes one, the executor;
///  - bounds with `capacity(raw)` the batches that the model is given;
///  - turns a batch of the source into the batch that the model is given (`prepare`: masking happens here);
///  - may count its predictions of a prepared batch (`counts`): a mean over several batches or replicas is then over all
///    predictions, without it the mean of the batches' means;
///  - after the forward pass replaces the head's logits by their gradient, scaled by `scale`, and reports its terms (`score`);
///  - or runs the passes itself (`run(passes, batch, work, scale)`: training/passes.hpp), as often as it wants;
///  - may train a second model (`second_model()`, with `run`);
///  - may read hidden states and projections (`taps()`), and ask for the gradient of the embeddings' output (`perturbs`, or
///    `perturbs_embeddings()` where that depends on its values);
///  - may be taught by earlier weights of the training (`teacher()`, with `run`).
template <class O, class Model>
concept objective_for = O::template fits<Model>&& requires(const O& o, const batch_shape& raw, const training_batch& in,
                                                           typename O::work& w) {
  { o.capacity(raw) } -> std::convertible_to<batch_shape>;
  { o.prepare(in, std::uint64_t{}, w) } -> std::convertible_to<const token_batch&>;
};

/// What an objective asks of the tape.
template <class O>
[[nodiscard]] tape_options tape_options_of(const O& o, int lowest = lowest_is_embeddings) noexcept {
  tape_options options{.lowest = lowest};
  if constexpr (requires { o.taps(); }) options.taps = o.taps();
  if constexpr (requires { O::perturbs; }) options.perturbs = O::perturbs;
  if constexpr (requires { o.perturbs_embeddings(); }) options.perturbs = o.perturbs_embeddings();
  return options;
}

/// An objective's buffers.
template <class O, executor E>
[[nodiscard]] typename O::work make_work(const O& o, const batch_shape& raw, const E& e) {
  if constexpr (std::constructible_from<typename O::work, const O&, const batch_shape&, const E&>)
    return typename O::work(o, raw, e);
  else return typename O::work(o, raw);
}

/// The number of predictions of each term of a prepared batch; empty where the objective has no `counts`.
template <class O>
[[nodiscard]] loss_terms counts_of(const O& o, const training_batch& in, const typename O::work& w) {
  if constexpr (requires { o.counts(in, w); }) return o.counts(in, w);
  else return {};
}
template <class O>
inline constexpr bool tells_counts = requires(const O& o, const training_batch& in, const typename O::work& w) {
  { o.counts(in, w) } -> std::same_as<loss_terms>;
};

namespace detail {
template <class List, class... Lists>
struct concatenate {
  using type = List;
};
template <template <class...> class List, class... Ts, class... Us, class... Rest>
struct concatenate<List<Ts...>, List<Us...>, Rest...> : concatenate<List<Ts..., Us...>, Rest...> {};

template <class O>
struct needs_of {
  using type = target_list<>;
};
template <class O>
requires requires { typename O::needs; }
struct needs_of<O> {
  using type = typename O::needs;
};
template <class O>
struct heads_of {
  using type = bert::type_list<>;
};
template <class O>
requires requires { typename O::heads; }
struct heads_of<O> {
  using type = typename O::heads;
};
}  // namespace detail

/// The targets that objectives need together; nothing of one that does not say.
template <class... Objectives>
using needs_of = typename detail::concatenate<typename detail::needs_of<Objectives>::type...>::type;

/// The heads that objectives train together; none of one that does not say.
template <class... Objectives>
using heads_of = typename detail::concatenate<typename detail::heads_of<Objectives>::type...>::type;

/// Whether an objective asks for the gradient of the embeddings' output.
template <class O>
inline constexpr bool perturbs = false;
template <class O>
requires requires { O::perturbs; }
inline constexpr bool perturbs<O> = O::perturbs;

/// The number of targets that are not negative.
[[nodiscard]] inline std::uint64_t counted(std::span<const std::int32_t> targets) noexcept {
  std::uint64_t n = 0;
  for (const auto t : targets) n += t >= 0 ? 1 : 0;
  return n;
}

/// Buffers for the losses and the best classes of `n` predictions.
struct prediction_buffers {
  explicit prediction_buffers(std::size_t n) : losses(n), predicted(n) {}
  buffer<float> losses;
  buffer<std::int32_t> predicted;
};

/// Cross-entropy of `logits` [N, C] against `targets` [N] (negative: not counted). Writes its gradient, scaled by `scale`, to
/// `logits`.
template <executor E>
[[nodiscard]] loss_term mean_cross_entropy(const E& e, std::string_view name, matrix<float> logits,
                                           std::span<const std::int32_t> targets, const loss_scale& scale,
                                           prediction_buffers& work) noexcept {
  loss_term term{.name = name, .count = counted(targets)};
  if (term.count == 0) {
    for (std::size_t i = 0; i < targets.size(); ++i) std::fill_n(logits.row(i), logits.cols, 0.0f);
    return term;
  }
  kernels::cross_entropy(e, logits, targets, work.losses.data(), work.predicted.data(), logits, scale.of(name, term.count));
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] < 0) continue;
    term.sum += static_cast<double>(work.losses[i]);
    term.correct += work.predicted[i] == targets[i] ? 1 : 0;
  }
  return term;
}

/// Throws unless the batch has one label a sequence, each below `classes` (negative ones are not counted).
inline void check_labels(const training_batch& in, std::size_t classes, const char* where) {
  if (in.labels.size() != in.tokens.sequences())
    throw_error({where, cat(in.tokens.sequences(), " labels, one a sequence"), cat(in.labels.size()), "use a labeled source"});
  for (const auto label : in.labels)
    if (label >= static_cast<std::int64_t>(classes))
      throw_error({where, cat("labels below ", classes), cat(label), "check the head's label set"});
}

/// Throws unless the batch has one tag a token, each below `classes` (negative ones are not counted).
inline void check_tags(const training_batch& in, std::size_t classes, const char* where) {
  if (in.tags.size() != in.tokens.tokens())
    throw_error({where, cat(in.tokens.tokens(), " tags, one a token"), cat(in.tags.size()), "use a source of tagged words"});
  for (const auto tag : in.tags)
    if (tag >= static_cast<std::int64_t>(classes))
      throw_error({where, cat("tags below ", classes), cat(tag), "check the head's label set"});
}

}  // namespace bert::objectives

namespace bert::inline BERT_ISA {

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

#endif  // BERT_OBJECTIVES_OBJECTIVE_HPP
