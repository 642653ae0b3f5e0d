// The earlier weights of a training that teach it: what the trainer keeps for an objective with `teacher()`.
// Layer: training. Test: tests/unit/objectives/self_distil_test.cpp
// Paper: Xu et al. 2020, "Improving BERT fine-tuning via self-ensemble and self-distillation".
#ifndef BERT_TRAINING_TEACHER_HPP
#define BERT_TRAINING_TEACHER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/optimizer/averages.hpp"
#include "bert/objectives/teacher.hpp"
#include "bert/training/optimizer.hpp"

namespace bert::inline BERT_ISA::training {

/// Takes the place of a teacher for an objective without one.
template <class Model>
struct no_teacher {
  template <class Objective>
  no_teacher(const Objective&, const Model&) noexcept {}
  [[nodiscard]] static std::span<const Model* const> models() noexcept { return {}; }
  [[nodiscard]] static std::string describe() { return {}; }
  static void add_blocks(std::vector<optim::state_block>&) noexcept {}
  static void resume(std::uint64_t) noexcept {}
  template <class E>
  static void after(const E&, const Model&, std::uint64_t) noexcept {}
};

/// The models that teach the next step (`models()`), from the weights at the start and after each step.
template <class Model>
class teacher {
 public:
  template <class Objective>
  teacher(const Objective& o, const Model& m) : options_(o.teacher()) {
    using objectives::teacher_kind;
    const bool moving = options_.kind == teacher_kind::moving_average;
    if (moving && !(options_.decay >= 0 && options_.decay < 1))
      throw_error({"bert::objectives::teacher_options", "a decay from 0 to below 1", cat(options_.decay), {}});
    if (options_.last == 0) return;
    if (!moving) last_.assign(options_.last, m);
    if (options_.kind != teacher_kind::votes) mean_.assign(1, m);
    for (std::size_t i = 0; i < last_.size(); ++i) names_.push_back(cat("teacher.", i));
    resume(0);
  }
  teacher(const teacher&) = delete;
  teacher& operator=(const teacher&) = delete;

  [[nodiscard]] std::span<const Model* const> models() const noexcept { return models_; }
  [[nodiscard]] std::string describe() const {
    if (options_.last == 0) return {};
    if (options_.kind == objectives::teacher_kind::moving_average) return cat(" teacher_decay=", options_.decay);
    return cat(" teacher_last=", options_.last, mean_.empty() ? " votes" : "");
  }
  void add_blocks(std::vector<optim::state_block>& to) {
    for (std::size_t i = 0; i < last_.size(); ++i) to.emplace_back(names_[i].c_str(), last_[i].block());
    if (!mean_.empty()) to.emplace_back("teacher", mean_[0].block());
  }
  /// Finds the models that teach step `done`, after the blocks have been read.
  void resume(std::uint64_t done) {
    models_.clear();
    if (!mean_.empty()) models_.push_back(&mean_[0]);
    else
      for (std::size_t i = 0; i < filled(done); ++i) models_.push_back(&last_[i]);
  }
  /// Takes in the weights after step `step`.
  template <class E>
  void after(const E& e, const Model& m, std::uint64_t step) {
    if (options_.last == 0) return;
    if (last_.empty()) {
      const auto t = static_cast<float>(step);
      return kernels::move_towards(e, m.block(), 1.0f - std::min(options_.decay, (1.0f + t) / (10.0f + t)), mean_[0].block());
    }
    kernels::copy(e, m.block(), last_[(step + 1) % last_.size()].block());
    if (mean_.empty()) return resume(step + 1);
    // The mean is computed anew, so that no rounding adds up: mean_k, then mean_k + (x - mean_k) / (k + 1).
    kernels::copy(e, last_[0].block(), mean_[0].block());
    for (std::size_t k = 1; k < filled(step + 1); ++k)
      kernels::move_towards(e, last_[k].block(), 1.0f / static_cast<float>(k + 1), mean_[0].block());
  }

 private:
  /// Slots of `last_` that hold weights before step `step`: the start, and one a step.
  [[nodiscard]] std::size_t filled(std::uint64_t step) const noexcept {
    return static_cast<std::size_t>(std::min<std::uint64_t>(step + 1, last_.size()));
  }

  objectives::teacher_options options_;
  std::vector<Model> last_, mean_;  ///< `mean_` has one model, or none for votes
  std::vector<std::string> names_;
  std::vector<const Model*> models_;
};

namespace detail {
template <class Objective, class Model>
struct teacher_of {
  using type = no_teacher<Model>;
};
template <class Objective, class Model>
requires requires(const Objective& o) { o.teacher(); }
struct teacher_of<Objective, Model> {
  using type = teacher<Model>;
};
}  // namespace detail

template <class Objective, class Model>
using teacher_of = typename detail::teacher_of<Objective, Model>::type;

}  // namespace bert::training

#endif  // BERT_TRAINING_TEACHER_HPP
