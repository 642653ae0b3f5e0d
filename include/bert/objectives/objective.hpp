// What an objective is, and the numbers that it reports.
// Layer: objectives. Test: tests/unit/objectives/joint_test.cpp
#pragma once

#include <array>
#include <cmath>
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
struct loss_part {
  std::string_view name;      ///< "mlm", "nsp", …
  double sum = 0;             ///< of the losses of all predictions, before any weight
  std::uint64_t count = 0;    ///< predictions
  std::uint64_t correct = 0;  ///< of them, where the best class was the target

  [[nodiscard]] double mean() const noexcept { return count == 0 ? 0.0 : sum / static_cast<double>(count); }
  [[nodiscard]] double accuracy() const noexcept {
    return count == 0 ? 0.0 : static_cast<double>(correct) / static_cast<double>(count);
  }
  [[nodiscard]] double perplexity() const noexcept { return std::exp(mean()); }
};

/// The terms of an objective, at most four; sums over batches by `+=`.
class loss_parts {
 public:
  void add(const loss_part& part) noexcept {
    for (std::size_t i = 0; i < count_; ++i)
      if (parts_[i].name == part.name) {
        parts_[i].sum += part.sum;
        parts_[i].count += part.count;
        parts_[i].correct += part.correct;
        return;
      }
    if (count_ < parts_.size()) parts_[count_++] = part;
  }
  loss_parts& operator+=(const loss_parts& other) noexcept {
    for (const auto& part : other) add(part);
    return *this;
  }
  [[nodiscard]] const loss_part* begin() const noexcept { return parts_.data(); }
  [[nodiscard]] const loss_part* end() const noexcept { return parts_.data() + count_; }
  /// The part of that name; an empty one if there is none.
  [[nodiscard]] loss_part operator[](std::string_view name) const noexcept {
    for (const auto& part : *this)
      if (part.name == name) return part;
    return {.name = name};
  }
  /// The sum of the means.
  [[nodiscard]] double loss() const noexcept {
    double total = 0;
    for (const auto& part : *this) total += part.mean();
    return total;
  }

 private:
  std::array<loss_part, 4> parts_{};
  std::size_t count_ = 0;
};

/// An objective O
///  - says with `fits<Model>` whether the model has the head it trains, and with `heads` which heads a model made for it has;
///  - has a `work` type, its buffers, made from the objective and the capacity of the source;
///  - bounds with `capacity(raw)` the batches that it feeds to the model;
///  - turns a batch as it comes from the source into what the model is fed (`prepare`: masking happens here);
///  - after the forward pass turns the head's logits into their gradient, times `scale`, and reports its parts (`score`).
template <class O, class Model>
concept objective_for = O::template fits<Model>;

/// Room for the loss and the best class of `n` predictions.
struct prediction_buffers {
  explicit prediction_buffers(std::size_t n) : losses(n), predicted(n) {}
  buffer<float> losses;
  buffer<std::int32_t> predicted;
};

/// Mean cross-entropy of `logits` [N, C] against `targets` [N] (below 0: not counted); `logits` <- gradient * scale / N.
template <executor E>
[[nodiscard]] loss_part mean_cross_entropy(const E& e, std::string_view name, matrix<float> logits,
                                           std::span<const std::int32_t> targets, float scale,
                                           prediction_buffers& room) noexcept {
  loss_part part{.name = name};
  for (const auto t : targets) part.count += t >= 0 ? 1 : 0;
  if (part.count == 0) {
    for (std::size_t i = 0; i < targets.size(); ++i) std::fill_n(logits.row(i), logits.cols, 0.0f);
    return part;
  }
  kernels::cross_entropy(e, logits, targets, room.losses.data(), room.predicted.data(), logits,
                         scale / static_cast<float>(part.count));
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] < 0) continue;
    part.sum += static_cast<double>(room.losses[i]);
    part.correct += room.predicted[i] == targets[i] ? 1 : 0;
  }
  return part;
}

/// Throws unless the batch has one label a sequence, each below `classes` (negative ones are not counted).
inline void check_labels(const training_batch& in, std::size_t classes, const char* where) {
  if (in.labels.size() != in.tokens.sequences())
    throw error({where, cat(in.tokens.sequences(), " labels, one a sequence"), cat(in.labels.size()), "use a labelled source"});
  for (const auto label : in.labels)
    if (label >= static_cast<std::int64_t>(classes))
      throw error({where, cat("labels below ", classes), cat(label), "check the head's label set"});
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
