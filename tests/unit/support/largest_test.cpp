#include "support/largest.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace {
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();
}  // namespace

TEST_CASE("a NaN at any place is an infinite difference, in either of the two or in both") {
  for (std::size_t at = 0; at < 4; ++at) {
    CAPTURE(at);
    const std::vector<float> good{1, -2, 3, 4};
    auto bad = good;
    bad[at] = not_a_number;
    CHECK(support::largest_difference(bad, good) == infinity);
    CHECK(support::largest_difference(good, bad) == infinity);
    CHECK(support::largest_difference(bad, bad) == infinity);
    CHECK(support::largest_magnitude(bad) == infinity);
    const bert::matrix<const float> a{good.data(), 2, 2}, b{bad.data(), 2, 2};
    CHECK(support::largest_difference(a, b) == infinity);
    CHECK(support::largest_difference(b, a) == infinity);
  }
  CHECK(support::largest_difference(std::vector<float>(3, not_a_number), std::vector<float>(3, 0.0f)) == infinity);
}

TEST_CASE("equal infinities, which differ by NaN, are an infinite difference too") {
  CHECK(support::largest_difference(std::vector<float>{1, infinity}, std::vector<float>{1, infinity}) == infinity);
}

TEST_CASE("the largest difference is the largest, whatever its sign and place, and other lengths are an infinite one") {
  const std::vector<float> a{1, 2, 3}, b{1.5f, 0, 3.25f};
  CHECK(support::largest_difference(a, b) == 2);
  CHECK(support::largest_difference(b, a) == 2);
  CHECK(support::largest_difference(a, a) == 0);
  CHECK(support::largest_difference(a, std::vector<double>{1, 2}) == infinity);
  CHECK(support::largest_difference(std::vector<double>{}, a) == infinity);
  CHECK(support::largest_magnitude(std::vector<float>{1, -7, 3}) == 7);
}

TEST_CASE("gaps between the rows of matrices are not compared, other shapes are an infinite difference") {
  const std::vector<float> dense{1, 2, 3, 4}, apart{1, 2, 99, 3, 5, not_a_number};
  const bert::matrix<const float> a{dense.data(), 2, 2}, b{apart.data(), 2, 2, 3}, c{dense.data(), 1, 4};
  CHECK(support::largest_difference(a, b) == 1);
  CHECK(support::largest_difference(a, c) == infinity);
}

TEST_CASE("once a NaN was added, nothing brings the largest down") {
  support::largest most;
  CHECK(most.value() == 0);
  most.add(2);
  most.add(std::nan(""));
  most.add(1);
  CHECK(most.value() == infinity);
}
