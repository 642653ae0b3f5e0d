#include "bert/tensor/view.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <type_traits>
#include <vector>

namespace {

using bert::dynamic;
using bert::matrix;
using bert::view;

static_assert(std::is_convertible_v<matrix<float>, matrix<const float>>);
static_assert(!std::is_convertible_v<matrix<const float>, matrix<float>>);
static_assert(std::is_constructible_v<view<float, dynamic, 4>, float*, int>);
static_assert(!std::is_constructible_v<view<float, dynamic, 4>, float*, int, int>, "one extent is dynamic, not two");
static_assert(std::is_convertible_v<view<float, 3, 4>, view<const float, dynamic, 4>>);
static_assert(!std::is_convertible_v<view<float, dynamic, 4>, view<const float, 3, 4>>,
              "a dynamic extent does not convert to a static one");
static_assert(!std::is_convertible_v<view<float, 3, 4>, view<const float, 3, 5>>);

TEST_CASE("a block of rows or columns of a matrix views the same memory") {
  std::vector<int> memory(20);
  std::iota(memory.begin(), memory.end(), 0);
  const matrix<int> m(memory.data(), 4, 5);
  CHECK(m(2, 3) == 13);
  CHECK(m[1].size() == 5);
  const auto rows = m.block(1, 2);
  CHECK(rows.rows == 2);
  CHECK(rows(0, 0) == 5);
  const auto part = m.columns(2, 3).block(1, 2);
  CHECK(part(1, 2) == 14);
  CHECK(part[0].size() == 3);
  part(0, 0) = -1;
  CHECK(memory[7] == -1);
}

TEST_CASE("a view takes its dynamic extents in order and keeps the static ones") {
  std::vector<float> memory(24, 1.0f);
  const view<float, dynamic, 3, dynamic> v(memory.data(), 2, 4);
  CHECK(v.shape() == std::array<std::size_t, 3>{2, 3, 4});
  CHECK(v.size() == 24);
  CHECK(v[1].data() == memory.data() + 12);
  CHECK(v[1].size() == 12);
}

TEST_CASE("a view of two extents is a matrix") {
  std::vector<float> memory{1, 2, 3, 4, 5, 6};
  const view<float, dynamic, 3> v(memory.data(), 2);
  const matrix<const float> m = v.as_matrix();
  CHECK(m(1, 0) == 4);
  CHECK(v(1, 2) == 6);
  CHECK(v[0][1] == 2);
  CHECK(std::accumulate(v.begin(), v.end(), 0.0f) == 21);
}

TEST_CASE("an element of a view of one extent is a reference") {
  std::vector<int> memory{1, 2, 3};
  const view<int, dynamic> v(memory.data(), 3);
  v[1] = 7;
  CHECK(memory[1] == 7);
}

TEST_CASE("a view of no rows has no elements, and its flat() is empty") {
  const view<float, dynamic, 3> v(nullptr, 0);
  CHECK(v.size() == 0);
  CHECK(v.flat().empty());
}

}  // namespace
