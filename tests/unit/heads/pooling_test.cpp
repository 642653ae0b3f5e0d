// Pooling policies on small matrices.
// Layer: tests.
#include "bert/heads/pooling.hpp"

#include <doctest/doctest.h>

#include <array>
#include <vector>

using namespace bert;

namespace {
template <class Pooling>
std::vector<float> pooled(matrix<const float> x) {
  std::vector<float> y(x.cols, 99.0f);
  Pooling::pool(x, y);
  return y;
}
struct sum_only {
  static void sum(matrix<const float>, std::span<float>) noexcept {}
};
}  // namespace

TEST_CASE("mean, max and cls pool the rows of a sequence and read nothing else") {
  // Four columns, of which the matrix has the first three.
  const std::array<float, 12> numbers{1, -2, 3, 77, 3, -4, -9, 77, 8, -6, 0, 77};
  const matrix<const float> x{numbers.data(), 3, 3, 4};
  CHECK(pooled<pooling::mean>(x) == std::vector<float>{4, -4, -2});
  CHECK(pooled<pooling::max>(x) == std::vector<float>{8, -2, 3});
  CHECK(pooled<pooling::cls>(x) == std::vector<float>{1, -2, 3});
  CHECK(pooled<pooling::max>(x.block(1, 1)) == std::vector<float>{3, -4, -9});
}

TEST_CASE("a vector is scaled to unit length, and zero stays zero") {
  std::array<float, 2> v{3, 4};
  to_unit_length(v);
  CHECK(v[0] == doctest::Approx(0.6));
  CHECK(v[1] == doctest::Approx(0.8));
  std::array<float, 2> zero{};
  to_unit_length(zero);
  CHECK(zero == std::array<float, 2>{});
  std::array<float, 2> huge{3e30f, 4e30f};
  to_unit_length(huge);
  CHECK(huge[1] == doctest::Approx(0.8));
}

TEST_CASE("the concept accepts pooling policies and rejects other types") {
  static_assert(pooling_policy<pooling::mean> && pooling_policy<pooling::max> && pooling_policy<pooling::cls>);
  static_assert(!pooling_policy<sum_only> && !pooling_policy<int>);
}
