// Sums over rows in a fixed binary tree of groups, so that replicas that hold some of the groups agree to the bit.
// Layer: kernels. Test: tests/unit/kernels/rows/row_groups_test.cpp
#ifndef BERT_KERNELS_ROWS_ROW_GROUPS_HPP
#define BERT_KERNELS_ROWS_ROW_GROUPS_HPP

#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"

namespace bert::inline BERT_ISA::kernels {

/// The order of a sum over rows. With L groups, s[g] is the sum of group g from +0, in an order that depends on its rows alone.
/// The result is ((s[0] + s[1]) + (s[2] + s[3])) + …, a balanced binary tree.
///
/// A replica with an aligned range of 2^j groups computes that subtree's value; adding the values of two halves gives the bits
/// of one sum over all. An empty group's sum is +0 and is added like any other: a sum of -0 (a product may round to it) becomes
/// +0, as when replicas add their gradients. With one group, the default, rows are summed in order.
struct row_groups {
  static constexpr std::size_t most = 256;       ///< groups
  static constexpr std::size_t most_levels = 8;  ///< of the tree: log2(most)

  /// L + 1 row offsets, L a power of two: group g is rows [offsets[g], offsets[g + 1]), from 0 to the number of rows. Empty:
  /// all rows are one group.
  std::span<const std::size_t> offsets = {};

  [[nodiscard]] constexpr std::size_t count() const noexcept { return offsets.size() < 2 ? 1 : offsets.size() - 1; }
  /// Whether the offsets are valid for `rows` rows.
  [[nodiscard]] constexpr bool valid(std::size_t rows) const noexcept {
    if (offsets.empty()) return true;
    if (offsets.size() < 2 || !std::has_single_bit(count()) || count() > most) return false;
    if (offsets.front() != 0 || offsets.back() != rows) return false;
    for (std::size_t g = 0; g < count(); ++g)
      if (offsets[g] > offsets[g + 1]) return false;
    return true;
  }
};

/// Several registers of sums.
template <std::size_t Count>
struct register_sums {
  std::array<simd, Count> of;

  register_sums() noexcept { of.fill(zero()); }
  [[nodiscard]] simd& operator[](std::size_t i) noexcept { return of[i]; }
  [[nodiscard]] const simd& operator[](std::size_t i) const noexcept { return of[i]; }
  register_sums& operator+=(const register_sums& other) noexcept {
    unrolled<Count>([&](auto i) { of[i] += other.of[i]; });
    return *this;
  }
};

namespace detail {

template <class Group>
[[nodiscard]] auto sum_of_groups(std::span<const std::size_t> offsets, const Group& group) noexcept {
  if (offsets.size() == 2) return group(offsets[0], offsets[1]);
  const std::size_t half = offsets.size() / 2;
  auto sum = sum_of_groups(offsets.first(half + 1), group);
  sum += sum_of_groups(offsets.subspan(half), group);
  return sum;
}

}  // namespace detail

/// The sum over `rows` rows; group(first, last) returns the sum of rows [first, last), in order from +0.
template <class Group>
[[nodiscard]] auto sum_rows(const row_groups& groups, std::size_t rows, const Group& group) noexcept {
  assert(groups.valid(rows));
  if (groups.count() == 1) return group(std::size_t{0}, rows);
  return detail::sum_of_groups(groups.offsets, group);
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ROWS_ROW_GROUPS_HPP
