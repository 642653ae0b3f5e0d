// The order of a set's examples in its batches: any step's batch can be found without those before.
// Layer: data. Test: tests/unit/data/batch_order_test.cpp
#ifndef BERT_DATA_BATCH_ORDER_HPP
#define BERT_DATA_BATCH_ORDER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/data/permutation.hpp"

namespace bert::inline BERT_ISA::data {

/// - `shuffled`: all examples once an epoch, in another order each.
/// - `sequential`: the order of the file.
/// - `by_length`: all examples once an epoch; a batch has examples of similar length, so that batches differ in size and each
///   takes the time of its own. The examples are sorted by length and cut into stretches of 32 batches; each is shuffled, and
///   so are the batches, but for a last one that is smaller.
/// - `balanced`: every class equally often. An epoch has as many examples as the set; those of rare classes come several times,
///   of frequent ones some in this epoch and some in the next.
enum class order : std::uint8_t { shuffled, sequential, by_length, balanced };

[[nodiscard]] constexpr std::string_view name_of(order o) noexcept {
  constexpr std::string_view names[]{"shuffled", "sequential", "by length", "balanced"};
  return names[static_cast<std::size_t>(o)];
}

/// Which of a set's examples a batch has. Its memory is an index an example for `by_length` and `balanced`, else none.
class batch_order {
 public:
  /// `lengths` and `classes` are of the examples; only the orders that depend on them read them. Negative classes are left out.
  /// Throws bert::error for `balanced` without a class for each example.
  batch_order(order kind, std::uint64_t seed, std::size_t batch, std::span<const std::size_t> lengths,
              std::span<const std::int32_t> classes)
      : kind_(kind), seed_(seed), count_(lengths.size()), batch_(batch) {
    if (kind == order::by_length) {
      indices_.resize(count_);
      std::iota(indices_.begin(), indices_.end(), std::uint32_t{0});
      std::stable_sort(indices_.begin(), indices_.end(), [&](auto a, auto b) { return lengths[a] < lengths[b]; });
    }
    if (kind == order::balanced) by_class(classes);
  }

  /// The order of one epoch.
  class epoch_order {
   public:
    /// The example at place `i` of batch `b`.
    [[nodiscard]] std::size_t operator()(std::size_t b, std::size_t i) const noexcept {
      const batch_order& o = *order_;
      const std::size_t place = b * o.batch_ + i;
      switch (o.kind_) {
        case order::sequential: return place;
        case order::by_length: return o.of_similar_length(epoch_, b < shuffled_.size() ? shuffled_(b) : b, i);
        case order::balanced: return o.of_a_class(epoch_, shuffled_(place));
        default: return static_cast<std::size_t>(shuffled_(place));
      }
    }

   private:
    friend class batch_order;
    epoch_order(const batch_order& o, std::uint64_t epoch) noexcept
        : order_(&o),
          epoch_(epoch),
          shuffled_(o.kind_ == order::by_length ? o.count_ / o.batch_ : o.count_,
                    random_stream(o.seed_, draw::shuffling, epoch)) {}

    const batch_order* order_;
    std::uint64_t epoch_;
    permutation shuffled_;  // of batches by length, else of examples
  };
  [[nodiscard]] epoch_order epoch(std::uint64_t number) const noexcept { return {*this, number}; }

 private:
  static constexpr std::size_t batches_a_stretch = 32;

  void by_class(std::span<const std::int32_t> classes) {
    if (classes.size() != count_)
      throw_error({"bert::data::batch_options", "a class for each example, as .order is balanced",
                   cat(classes.size(), " classes, ", count_, " examples"), "take another order"});
    const std::int32_t most = *std::max_element(classes.begin(), classes.end());
    for (std::int32_t c = 0; c <= most; ++c) {
      starts_.push_back(indices_.size());
      for (std::size_t i = 0; i < count_; ++i)
        if (classes[i] == c) indices_.push_back(static_cast<std::uint32_t>(i));
      if (starts_.back() == indices_.size()) starts_.pop_back();  // a class without examples
    }
    if (indices_.empty()) throw_error({"bert::data::batch_options", "an example with a class", "none", "take another order"});
    starts_.push_back(indices_.size());
  }

  [[nodiscard]] std::size_t of_similar_length(std::uint64_t epoch, std::uint64_t batch, std::size_t i) const noexcept {
    const std::size_t stretch = static_cast<std::size_t>(batch) / batches_a_stretch,
                      begin = stretch * batches_a_stretch * batch_, size = std::min(batches_a_stretch * batch_, count_ - begin);
    const permutation within(size, random_stream(seed_, draw::shuffling, epoch, static_cast<std::uint32_t>(1 + stretch)));
    return indices_[begin + static_cast<std::size_t>(within(static_cast<std::size_t>(batch) * batch_ + i - begin))];
  }

  /// Place `q` is of class q mod C. The examples of a class are taken in turns, each turn in another order.
  [[nodiscard]] std::size_t of_a_class(std::uint64_t epoch, std::uint64_t q) const noexcept {
    const std::uint64_t classes = starts_.size() - 1, c = q % classes, an_epoch = (count_ + classes - 1) / classes,
                        place = epoch * an_epoch + q / classes;
    const std::size_t begin = starts_[static_cast<std::size_t>(c)], size = starts_[static_cast<std::size_t>(c) + 1] - begin;
    const permutation within(size, random_stream(seed_, draw::shuffling, place / size, static_cast<std::uint32_t>(1 + c)));
    return indices_[begin + static_cast<std::size_t>(within(place % size))];
  }

  order kind_;
  std::uint64_t seed_;
  std::size_t count_, batch_;
  std::vector<std::uint32_t> indices_;  // of examples, by length or class
  std::vector<std::size_t> starts_;     // of each class in them, and the end
};

}  // namespace bert::data

#endif  // BERT_DATA_BATCH_ORDER_HPP
