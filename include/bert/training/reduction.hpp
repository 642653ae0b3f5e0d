// Data parallelism: replicas that train the same model on other parts of each batch, and how their gradients are summed.
// Layer: training. Test: tests/unit/training/reduction_test.cpp
#ifndef BERT_TRAINING_REDUCTION_HPP
#define BERT_TRAINING_REDUCTION_HPP

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::training {

/// A reduction R joins `size()` replicas, a power of two, of which this is number `rank()`. All replicas call the same
/// functions in the same order with spans of the same length:
///  - `gather(mine, all)` writes the `mine` of replica r to all[r mine.size(), …);
///  - `add(values)` replaces `values`, in every replica, by their sum over replicas, element by element in the order
///    ((r0 + r1) + (r2 + r3)) + …, so that the bits are those of one replica that sums all groups.
template <class R>
concept reduction = std::copy_constructible<R> &&
    requires(const R& r, std::span<const std::uint64_t> mine, std::span<std::uint64_t> all, std::span<float> values) {
  { r.rank() } -> std::convertible_to<std::size_t>;
  { r.size() } -> std::convertible_to<std::size_t>;
  r.gather(mine, all);
  r.add(values);
};

/// A reduction that can sum while the backward pass goes on: `begin(values)` has the effect of `add(values)` by the time that
/// `finish()` returns. Between the two nothing else is called but further `begin`, in the same order in every replica.
template <class R>
concept background_reduction = reduction<R> && requires(const R& r, std::span<float> values) {
  r.begin(values);
  r.finish();
};

/// One replica, which has all of each batch.
struct alone {
  [[nodiscard]] static constexpr std::size_t rank() noexcept { return 0; }
  [[nodiscard]] static constexpr std::size_t size() noexcept { return 1; }
  static void gather(std::span<const std::uint64_t>, std::span<std::uint64_t>) noexcept {}
  static void add(std::span<float>) noexcept {}
};

/// The terms of a loss over all replicas: counts are summed, losses and weights too, in the order of `add`. A replica that had
/// no examples, and so no terms, has those of the others under names of its own: loss() is the same in all.
template <reduction R>
[[nodiscard]] objectives::loss_terms over_replicas(const R& replicas, const objectives::loss_terms& terms) {
  if (replicas.size() == 1) return terms;
  using objectives::loss_term;
  constexpr std::size_t most = objectives::loss_terms::most;
  struct sent {
    std::uint64_t present, sum, count, correct, weight, factor;
  };
  constexpr std::size_t fields = sizeof(sent) / sizeof(std::uint64_t);
  std::array<std::uint64_t, fields * most> mine{};
  std::size_t n = 0;
  for (const loss_term& t : terms) {
    const auto bits = [](double x) { return std::bit_cast<std::uint64_t>(x); };
    const auto packed = std::bit_cast<std::array<std::uint64_t, fields>>(
        sent{1, bits(t.sum), t.count, t.correct, bits(t.weight), bits(t.factor)});
    std::copy(packed.begin(), packed.end(), mine.begin() + static_cast<std::ptrdiff_t>(fields * n++));
  }
  std::vector<std::uint64_t> all(mine.size() * replicas.size());
  replicas.gather(mine, all);
  const auto over_pairs = [](std::vector<double>& sums) {
    for (; sums.size() > 1; sums.resize(sums.size() / 2))
      for (std::size_t r = 0; r < sums.size() / 2; ++r) sums[r] = sums[2 * r] + sums[2 * r + 1];
    return sums.front();
  };
  constexpr std::array<std::string_view, most> names{"1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th"};
  objectives::loss_terms sum;
  for (std::size_t i = 0; i < most; ++i) {
    std::vector<double> sums, weights;
    loss_term total{.name = i < n ? terms.begin()[i].name : names[i]};
    bool present = false, weighted = false;
    for (std::size_t r = 0; r < replicas.size(); ++r) {
      std::array<std::uint64_t, fields> packed{};
      std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(mine.size() * r + fields * i), fields, packed.begin());
      const auto of = std::bit_cast<sent>(packed);
      sums.push_back(std::bit_cast<double>(of.sum));
      total.count += of.count;
      total.correct += of.correct;
      weights.push_back(std::bit_cast<double>(of.weight));
      if (of.present == 0) continue;
      present = true;
      weighted = weighted || weights.back() >= 0;
      total.factor = std::bit_cast<double>(of.factor);
    }
    if (!present) break;
    total.sum = over_pairs(sums);
    if (weighted) total.weight = over_pairs(weights);
    sum.add(total);
  }
  return sum;
}

/// The first example of group `g` among `n` examples. Sizes of groups differ by at most 1; the first is empty only if n = 0.
[[nodiscard]] constexpr std::size_t group_start(std::size_t n, std::size_t g, std::size_t groups) noexcept {
  return (n * g + groups - 1) / groups;
}

}  // namespace bert::training

#endif  // BERT_TRAINING_REDUCTION_HPP
