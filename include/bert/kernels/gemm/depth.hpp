// The order of a product's sums over its depth K: parts that fit into the cache (BLIS: KC), and groups added as a tree.
// Layer: kernels. Test: tests/unit/kernels/gemm/product_test.cpp
#ifndef BERT_KERNELS_GEMM_DEPTH_HPP
#define BERT_KERNELS_GEMM_DEPTH_HPP

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/rows/row_groups.hpp"

namespace bert::inline BERT_ISA::kernels {

/// Offsets of `groups`, in words of depth: how operands are packed along K. A word holds `each` rows (one in f32, two in bf16),
/// each group is padded with zeros to a multiple of `step` words, and then takes `times` as many, if numbers are sums of so
/// many parts.
class word_groups {
 public:
  word_groups(const row_groups& groups, std::size_t rows, std::size_t each, std::size_t step = 1,
              std::size_t times = 1) noexcept
      : count_(groups.count()) {
    assert(groups.valid(rows));
    for (std::size_t g = 0; g < count_; ++g) {
      const std::size_t size = groups.offsets.empty() ? rows : groups.offsets[g + 1] - groups.offsets[g];
      words_[g + 1] = words_[g] + times * round_up((size + each - 1) / each, step);
    }
  }
  [[nodiscard]] std::span<const std::size_t> offsets() const noexcept { return {words_.data(), count_ + 1}; }
  [[nodiscard]] std::size_t words() const noexcept { return words_[count_]; }

 private:
  std::size_t count_;
  std::array<std::size_t, row_groups::most + 1> words_{};
};

namespace detail {

/// How a product traverses its depth. Groups are multiplied in order. As in a binary counter, their sums wait in slots, the
/// oldest first, until the other half of their subtree is complete.
struct depth_tree {
  /// Slots in use at a time: one per level, and one for the group being multiplied.
  static constexpr std::size_t most_slots = row_groups::most_levels + 1;

  std::span<const std::size_t> groups;  ///< offsets, in words
  std::size_t limit;                    ///< words of a part
  std::size_t step;                     ///< words that a tile multiplies at once
  std::size_t block;                    ///< groups of a part, a power of two
  std::size_t waiting;                  ///< number of the first slots, whose sums wait from one part to the next

  depth_tree(std::span<const std::size_t> offsets, std::size_t part, std::size_t at_a_time) noexcept
      : groups(offsets), limit(part), step(at_a_time), block(count()) {
    while (block > 1 && deepest() > limit) block /= 2;
    const std::size_t parts = count() / block;
    waiting = static_cast<std::size_t>(std::bit_width(parts)) - 1 + (deepest() > limit ? 1 : 0);
  }

  [[nodiscard]] std::size_t count() const noexcept { return groups.size() - 1; }
  [[nodiscard]] std::size_t words() const noexcept { return groups.back(); }
  [[nodiscard]] bool empty(std::size_t group, std::size_t number) const noexcept {
    return groups[group] == groups[group + number];
  }

 private:
  [[nodiscard]] std::size_t deepest() const noexcept {
    std::size_t most = 0;
    for (std::size_t g = 0; g < count(); g += block) most = std::max(most, groups[g + block] - groups[g]);
    return most;
  }
};

/// The range of depth that one call of a tile multiplies: a group, or a piece of a group that is too deep.
struct depth_slice {
  std::size_t first, depth;
  std::size_t top;          ///< the slot that accumulates its sums
  bool resume;              ///< whether to start from the sums of the piece before
  std::uint8_t merges = 0;  ///< number of subtrees added at the end, the smallest first
  std::uint16_t full = 0;   ///< bit i: the i-th subtree is in the next slot below; otherwise it is empty, and +0

  [[nodiscard]] bool pops(std::size_t i) const noexcept { return (full >> i & 1) != 0; }
  /// The slot of the final sums.
  [[nodiscard]] std::size_t slot() const noexcept { return top - static_cast<std::size_t>(std::popcount(full)); }
};

/// Iterates over the parts of the depth.
class depth_walk {
 public:
  explicit depth_walk(const depth_tree& tree) noexcept : tree_(tree) {}

  /// Writes the slices of the next part, at most one per group, and returns their number; 0 at the end. A product of depth 0
  /// has one empty part, so that its sums of 0 are written.
  std::size_t next(depth_slice* out) noexcept {
    if (tree_.words() == 0 && group_ == 0) {
      group_ = tree_.count();
      out[0] = {0, 0, 0, false};
      return 1;
    }
    while (group_ < tree_.count() && tree_.empty(group_, tree_.block)) group_ += tree_.block;
    if (group_ == tree_.count()) return 0;
    const std::size_t first = tree_.groups[group_], depth = tree_.groups[group_ + tree_.block] - first;
    if (depth > tree_.limit) {  // a single group
      const std::size_t pieces = (depth + tree_.limit - 1) / tree_.limit, steps = depth / tree_.step;
      const auto border = [&](std::size_t piece) { return piece == pieces ? depth : steps * piece / pieces * tree_.step; };
      const std::size_t k0 = border(piece_);
      end_ = first + border(piece_ + 1);
      out[0] = {first + k0, end_ - first - k0, top_, piece_ > 0};
      if (++piece_ == pieces) {
        merge(group_++, out[0]);
        piece_ = 0;
      }
      return 1;
    }
    std::size_t count = 0;
    for (const std::size_t last = group_ + tree_.block; group_ < last; ++group_) {
      if (tree_.empty(group_, 1)) continue;
      out[count] = {tree_.groups[group_], tree_.groups[group_ + 1] - tree_.groups[group_], top_, false};
      merge(group_, out[count++]);
    }
    end_ = first + depth;
    return count;
  }
  /// The end of the part, and whether it is the end of the depth.
  [[nodiscard]] std::size_t end() const noexcept { return end_; }
  [[nodiscard]] bool done() const noexcept { return end_ == tree_.words(); }

 private:
  /// Merges completed subtrees: with the left half, which came before, or with the right one if it is empty.
  void merge(std::size_t group, depth_slice& slice) noexcept {
    for (std::size_t number = 1; number < tree_.count(); number *= 2) {
      const std::size_t node = group / number, first = (node ^ 1) * number;
      const bool none = tree_.empty(first, number);
      if (node % 2 == 0 && !none) break;
      if (!none) slice.full = static_cast<std::uint16_t>(slice.full | 1u << slice.merges);
      ++slice.merges;
    }
    top_ = slice.slot() + 1;
  }

  const depth_tree& tree_;
  std::size_t group_ = 0, piece_ = 0, top_ = 0, end_ = 0;
};

}  // namespace detail
}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_DEPTH_HPP
