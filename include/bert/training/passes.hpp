// The forward and backward passes of a training step over one batch: one of each, or those that the objective runs itself.
// Layer: training. Test: tests/unit/training/trainer_test.cpp, tests/unit/guide/own_passes_test.cpp
#ifndef BERT_TRAINING_PASSES_HPP
#define BERT_TRAINING_PASSES_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/model/tape.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::training {

/// The first argument of an objective's own `run(passes, batch, work, scale)`:
///
///     auto& tape = p.forward(0);                              // with the step's dropout
///     … replace the head's logits on the tape by their gradient …
///     p.backward();                                           // adds to the step's gradients
///     auto& again = p.forward(1, {r, tape.embedding_gradient().rows, H});   // other dropout, perturbed embeddings
///
/// The gradient of a step is the sum of all backward passes.
///
/// An objective that trains a second model returns it by `second_model()`. Its `work` has a tape for it, and `run` uses that:
///
///     tape2.forward(p.executor(), second, batch, p.noise(2));
///     … replace the logits on the tape by their gradient …
///     tape2.backward(p.executor(), second, batch, p.second_gradients(), p.noise(2));    // adds
template <class Model, class Tape, class E, class Second>
class passes {
 public:
  using view = typename Tape::gradient_view;

  passes(const E& e, const Model& model, Tape& tape, const token_batch& batch, const step_noise& noise, const view& gradients,
         bert::gradients how, Second& second, std::span<const std::type_identity_t<Model>* const> teachers = {}) noexcept
      : executor_(&e),
        model_(&model),
        tape_(&tape),
        batch_(&batch),
        noise_(noise),
        gradients_(gradients),
        how_(how),
        second_(&second),
        teachers_(teachers) {}

  [[nodiscard]] const E& executor() const noexcept { return *executor_; }
  [[nodiscard]] const Model& model() const noexcept { return *model_; }
  /// The batch as the objective prepared it.
  [[nodiscard]] const token_batch& batch() const noexcept { return *batch_; }

  /// Runs the model forward. Passes of the same `number` have the same dropout, passes of other numbers another. Adds
  /// `perturbation` [N, H] to the embeddings' output; it must not change until the backward pass is done.
  Tape& forward(std::uint64_t number = 0, matrix<const float> perturbation = {}) {
    current_ = noise(number);
    tape_->forward(*executor_, *model_, *batch_, current_, perturbation);
    return *tape_;
  }
  /// The same, where `change(matrix<float> y)` changes the embeddings' output y [N, H] in its place.
  template <std::invocable<matrix<float>> Change>
  Tape& forward(std::uint64_t number, const Change& change) {
    current_ = noise(number);
    tape_->forward(*executor_, *model_, *batch_, current_, change);
    return *tape_;
  }
  /// After `backward`: adds what `d` [N, H], a further gradient with respect to the embeddings' output before it was changed,
  /// gives to their gradients. Overwrites `d`.
  void backward_embeddings(matrix<float> d) noexcept {
    tape_->backward_embeddings(*executor_, *model_, *batch_, d, gradients_, current_);
  }
  /// Runs the model forward over a part of the batch: consecutive sequences, with `before` rows before them in the batch. Each
  /// row has the dropout that it has in the whole batch. Throws bert::error for a step of several `leaves`.
  Tape& forward(const token_batch& part, const layers::rows_before& before) {
    if (tape_->capacity().leaves != 1)
      throw_error({"bert::training::passes", "leaves of 1, as the batch is run in parts", cat(tape_->capacity().leaves), {}});
    current_ = noise_;
    current_.before.sequences += before.sequences;
    current_.before.tokens += before.tokens;
    current_.before.chosen += before.chosen;
    tape_->forward(*executor_, *model_, part, current_);
    return *tape_;
  }
  /// The backward pass over the part that was run forward last.
  void backward(const token_batch& part) noexcept {
    tape_->backward(*executor_, *model_, part, gradients_, current_, how_);
    how_ = bert::gradients::added;
  }
  /// The earlier weights that teach this step, for an objective with `teacher()`.
  [[nodiscard]] std::span<const Model* const> teachers() const noexcept { return teachers_; }
  /// Runs another model of the same kind forward, without dropout. No backward pass may follow.
  Tape& forward_of(const Model& other) {
    tape_->forward(*executor_, other, *batch_);
    return *tape_;
  }
  /// The dropout of passes of this number.
  [[nodiscard]] step_noise noise(std::uint64_t number) const noexcept {
    step_noise other = noise_;
    if (number != 0) other.key = noise_.hidden_at((std::uint64_t{1} << 32) + number).key;
    return other;
  }
  /// The tape of the last forward pass.
  [[nodiscard]] Tape& tape() const noexcept { return *tape_; }
  /// The backward pass of the last forward pass, from the gradients on the tape. Adds to the step's gradients.
  void backward() noexcept {
    tape_->backward(*executor_, *model_, *batch_, gradients_, current_, how_);
    how_ = bert::gradients::added;
  }
  /// The model's gradients, to which an objective may add after a backward pass.
  [[nodiscard]] const view& gradients() const noexcept { return gradients_; }
  /// The same for the only backward pass of a step's batch, during which `watch` is called (`tape::watch`).
  void backward_once() noexcept {
    tape_->watch(watch_);
    backward();
    tape_->watch({});
  }
  /// What the backward pass of an objective with a single pass is to call.
  void watch(std::function<void(std::size_t)> before) noexcept { watch_ = std::move(before); }
  /// The second model's gradients, to which its backward passes add; zeros at the start of a step.
  [[nodiscard]] auto second_gradients() const noexcept requires(Second::trained) { return second_->gradient_view(); }
  /// What the next backward pass does to the gradients: `written` by the first of a step, else `added`.
  [[nodiscard]] bert::gradients how() const noexcept { return how_; }

 private:
  const E* executor_;
  const Model* model_;
  Tape* tape_;
  const token_batch* batch_;
  step_noise noise_, current_;
  view gradients_;
  bert::gradients how_;
  Second* second_;
  std::span<const Model* const> teachers_;
  std::function<void(std::size_t)> watch_;
};

/// Runs an objective over one prepared batch: by its own `run`, else one forward pass, `score` and one backward pass.
template <class Objective, class Passes, class E>
objectives::loss_terms run_passes(const Objective& o, Passes& p, const E& e, const training_batch& in,
                                  typename Objective::work& work, const objectives::loss_scale& scale) {
  if constexpr (requires { o.run(p, in, work, scale); }) {
    return o.run(p, in, work, scale);
  } else {
    auto& tape = p.forward();
    const auto terms = o.score(e, in, work, tape, scale);
    p.backward_once();
    return terms;
  }
}

}  // namespace bert::training

#endif  // BERT_TRAINING_PASSES_HPP
