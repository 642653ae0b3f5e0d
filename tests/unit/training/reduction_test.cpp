#include "bert/training/reduction.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace {

using bert::objectives::loss_terms;

/// Replicas that call one after the other: the last one finds what all have given.
struct one_by_one {
  std::vector<std::vector<std::uint64_t>>* given;
  std::size_t number;

  [[nodiscard]] std::size_t rank() const { return number; }
  [[nodiscard]] std::size_t size() const { return given->size(); }
  void gather(std::span<const std::uint64_t> mine, std::span<std::uint64_t> all) const {
    (*given)[number].assign(mine.begin(), mine.end());
    auto to = all.begin();
    for (auto part : *given) {
      part.resize(mine.size());
      to = std::copy(part.begin(), part.end(), to);
    }
  }
  void add(std::span<float>) const {}
};
static_assert(bert::training::reduction<one_by_one> && bert::training::reduction<bert::training::alone>);

loss_terms over_all(const std::vector<loss_terms>& each) {
  std::vector<std::vector<std::uint64_t>> given(each.size());
  loss_terms last;
  for (std::size_t r = 0; r < each.size(); ++r) last = bert::training::over_replicas(one_by_one{&given, r}, each[r]);
  return last;
}

loss_terms terms(double a, std::uint64_t count, std::uint64_t correct, double b) {
  loss_terms t;
  t.add({.name = "a", .sum = a, .count = count, .correct = correct});
  t.add({.name = "b", .sum = b, .count = 2 * count, .correct = 0});
  return t;
}

}  // namespace

TEST_CASE("over replicas, counts and right answers of each term are sums and losses are added by the tree") {
  // Chosen so that ((a0 + a1) + (a2 + a3)) is no other order's sum.
  const std::array<double, 4> a{1.0, 0x1p-53, 0x1p-53, 0x1p-53};
  const double tree = (a[0] + a[1]) + (a[2] + a[3]);
  CHECK(tree != a[0] + a[1] + a[2] + a[3]);
  const loss_terms sum = over_all({terms(a[0], 3, 1, 8), terms(a[1], 4, 2, 4), terms(a[2], 5, 3, 2), terms(a[3], 6, 4, 1)});
  CHECK(sum["a"].sum == tree);
  CHECK(sum["a"].count == 18);
  CHECK(sum["a"].correct == 10);
  CHECK(sum["b"].sum == 15);
  CHECK(sum["b"].count == 36);
  CHECK(sum["b"].correct == 0);
  CHECK(over_all({terms(5, 3, 1, 8), terms(7, 1, 0, 1)})["a"].sum == 12);
}

TEST_CASE("a replica without examples, which is the last here, has the loss of all, weights and factors in it") {
  loss_terms one;
  one.add({.name = "a", .sum = 6, .count = 3, .factor = 0.5});
  one.add({.name = "b", .sum = 5, .count = 2, .correct = 1, .weight = 2.5});
  const loss_terms sum = over_all({one, {}}), halves = over_all({one, one, {}, {}});
  CHECK(sum.loss() == 0.5 * 2 + 2);
  CHECK(halves.loss() == sum.loss());
  CHECK((sum.end() - sum.begin()) == 2);
  CHECK(over_all({{}, {}}).loss() == 0);
}

TEST_CASE("one replica's terms stay as they are") {
  const loss_terms same = bert::training::over_replicas(bert::training::alone{}, terms(2.5, 3, 1, 8));
  CHECK(same["a"].sum == 2.5);
  CHECK(same["a"].count == 3);
  CHECK(same["b"].sum == 8);
}

TEST_CASE("groups of examples cover them in order and differ by one at most, the first never empty") {
  for (const std::size_t n : {1u, 2u, 5u, 16u, 33u})
    for (const std::size_t groups : {1u, 2u, 4u, 16u}) {
      CAPTURE(n);
      CAPTURE(groups);
      CHECK(bert::training::group_start(n, 0, groups) == 0);
      CHECK(bert::training::group_start(n, groups, groups) == n);
      CHECK(bert::training::group_start(n, 1, groups) >= 1);
      for (std::size_t g = 0; g < groups; ++g) {
        const std::size_t size = bert::training::group_start(n, g + 1, groups) - bert::training::group_start(n, g, groups);
        CHECK(size >= n / groups);
        CHECK(size <= n / groups + 1);
      }
    }
}
