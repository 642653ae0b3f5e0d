// The gradients of a step: summed over the groups of a batch, over replicas and over accumulated batches.
// Layer: training. Test: tests/unit/training/reduction_test.cpp, tests/unit/training/buckets_test.cpp
#ifndef BERT_TRAINING_SUMMED_GRADIENTS_HPP
#define BERT_TRAINING_SUMMED_GRADIENTS_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <tuple>

#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/model/model.hpp"
#include "bert/model/tape.hpp"
#include "bert/training/buckets.hpp"
#include "bert/training/groups.hpp"
#include "bert/training/reduction.hpp"

namespace bert::inline BERT_ISA::training {

/// One block of gradients that a step's backward passes write. Each batch begins with `begin` and ends with `end`; after the
/// last, `sum()` is over all of them.
///
/// With more than one leaf, each batch's gradients are summed over replicas on their own before they are accumulated, so that
/// the order of all sums is the same with any number of replicas. With replicas, the gradients of heads tied to the token
/// embeddings have a place of their own behind the block: each of the two is summed over replicas before they are added, which
/// keeps the bits of one replica.
template <class Model, reduction Reduction>
class summed_gradients {
  static constexpr bool replicated = !std::same_as<Reduction, alone>;
  static constexpr bool overlaps = background_reduction<Reduction>;
  using architecture = typename Model::architecture;
  using layout_type = gradient_layout<std::tuple_size_v<typename Model::table_type>>;

 public:
  /// Keeps references to `model` and `layout`.
  summed_gradients(const Model& model, const layout_type& layout, unsigned leaves, unsigned batches)
      : model_(&model),
        layout_(&layout),
        apart_(leaves > 1),
        batches_(batches),
        tied_(replicated ? model.table()[0].count() : 0),
        all_(layout.size + tied_) {
    if constexpr (overlaps) buckets_ = begun_buckets(buckets_of<architecture>(model.table(), layout, tied_));
  }

  /// The block and what lies behind it.
  [[nodiscard]] std::span<float> all() noexcept { return all_.span(); }
  /// The block: after the last batch, the gradients of the step.
  [[nodiscard]] std::span<const float> sum() const noexcept { return all_.span().first(layout_->size); }
  [[nodiscard]] block_view<architecture, float> view() noexcept {
    return {model_->table(), all_.data(), layout_->offsets, replicated ? all_.data() + layout_->size : nullptr};
  }

  /// Begins the step's batch `i`; says whether its backward pass overwrites or adds.
  template <executor E>
  [[nodiscard]] kernels::gradients begin(const E& e, unsigned i) noexcept {
    if constexpr (replicated) kernels::clear(e, all_.span().subspan(layout_->size));
    buckets_.reset();
    return i == 0 || apart_ ? kernels::gradients::written : kernels::gradients::added;
  }
  /// Has the backward passes of `passes` begin the sums over replicas, where the reduction can sum meanwhile.
  template <class Passes>
  void watch(Passes& passes, const Reduction& replicas) {
    if constexpr (overlaps)
      if (apart_) passes.watch([this, &replicas](std::size_t l) { buckets_.begin(replicas, all(), static_cast<int>(l)); });
  }
  /// Sums the gradients of batch `i` over all replicas, and adds them to those of the batches before.
  template <executor E>
  void end(const E& e, const Reduction& replicas, unsigned i) {
    if (!apart_) return;
    if constexpr (overlaps) buckets_.finish(replicas, all());
    else if constexpr (replicated) replicas.add(all());
    if (tied_ != 0 && layout_->offsets[0] != not_trained)
      kernels::add_in_place(e, row(all_.data() + layout_->size, tied_), {all_.data() + layout_->offsets[0], 1, tied_});
    if (batches_ == 1) return;
    if (accumulated_.empty()) accumulated_ = buffer<float>(layout_->size);
    if (i == 0) std::copy_n(all_.data(), layout_->size, accumulated_.data());
    else kernels::add_in_place(e, row(all_.data(), layout_->size), {accumulated_.data(), 1, layout_->size});
    if (i + 1 == batches_) std::copy_n(accumulated_.data(), layout_->size, all_.data());
  }

 private:
  [[nodiscard]] static matrix<const float> row(const float* x, std::size_t n) noexcept { return {x, 1, n}; }

  const Model* model_;
  const layout_type* layout_;
  bool apart_;
  unsigned batches_;
  std::size_t tied_;
  buffer<float> all_, accumulated_;
  begun_buckets buckets_;  ///< of a reduction in the background
};

}  // namespace bert::training

#endif  // BERT_TRAINING_SUMMED_GRADIENTS_HPP
