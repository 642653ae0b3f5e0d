#include "bert/data/permutation.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <vector>

namespace {

using bert::draw;
using bert::random_stream;
using bert::data::permutation;

TEST_CASE("every index occurs exactly once") {
  for (const std::uint64_t count : {1u, 2u, 3u, 4u, 5u, 16u, 17u, 1'000u, 65'536u, 65'537u}) {
    const permutation order(count, random_stream(count, draw::shuffling));
    std::vector<bool> seen(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto at = order(i);
      REQUIRE(at < count);
      REQUIRE_FALSE(seen[at]);
      seen[at] = true;
    }
  }
}

TEST_CASE("over many keys each position gets each index equally often") {
  constexpr std::size_t count = 7, keys = 21'000;
  std::array<std::array<double, count>, count> hits{};
  for (std::size_t key = 0; key < keys; ++key) {
    const permutation order(count, random_stream(key, draw::shuffling));
    for (std::size_t i = 0; i < count; ++i) ++hits.at(i).at(order(i));
  }
  // Expected 3,000, with a standard deviation of 51.
  for (const auto& row : hits)
    for (const double n : row) CHECK(std::abs(n - 3'000) < 5 * 51);
}

TEST_CASE("adjacent indices map a third of the range apart on average, as in a uniform permutation") {
  constexpr std::uint64_t count = 100'000;
  const permutation order(count, random_stream(3, draw::shuffling));
  double apart = 0;
  for (std::uint64_t i = 1; i < count; ++i)
    apart += std::abs(static_cast<double>(order(i)) - static_cast<double>(order(i - 1))) / static_cast<double>(count);
  CHECK(apart / static_cast<double>(count) == doctest::Approx(1.0 / 3).epsilon(0.01));
}

}  // namespace
