// The one comparison of numbers with tolerances: the largest difference, from which no NaN is lost.
// Layer: tests. Test: tests/unit/support/largest_test.cpp
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <ranges>

#include "bert/tensor/view.hpp"

namespace support {

/// The largest of the numbers added; 0 of none. A NaN counts as infinity, wherever it stands: std::max(worst, NaN) is worst.
class largest {
 public:
  constexpr void add(double x) noexcept {
    if (!(x <= value_)) value_ = x >= 0 ? x : std::numeric_limits<double>::infinity();
  }
  [[nodiscard]] constexpr double value() const noexcept { return value_; }

 private:
  double value_ = 0;
};

/// max_i |a[i] - b[i]|; infinity where the two differ in length, or where either holds a NaN or an infinity.
template <std::ranges::sized_range A, std::ranges::sized_range B>
[[nodiscard]] double largest_difference(const A& a, const B& b) {
  largest most;
  if (std::ranges::size(a) != std::ranges::size(b)) most.add(std::numeric_limits<double>::infinity());
  auto y = std::ranges::begin(b);
  for (auto x = std::ranges::begin(a); x != std::ranges::end(a) && y != std::ranges::end(b); ++x, ++y)
    most.add(std::abs(static_cast<double>(*x) - static_cast<double>(*y)));
  return most.value();
}

/// The same of two matrices, whatever lies between their rows.
template <class T, class U>
[[nodiscard]] double largest_difference(bert::matrix<T> a, bert::matrix<U> b) {
  largest most;
  if (a.rows != b.rows || a.cols != b.cols) return std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.cols; ++j) most.add(std::abs(static_cast<double>(a(i, j)) - static_cast<double>(b(i, j))));
  return most.value();
}

/// max_i |a[i]|
template <std::ranges::input_range A>
[[nodiscard]] double largest_magnitude(const A& a) {
  largest most;
  for (const auto x : a) most.add(std::abs(static_cast<double>(x)));
  return most.value();
}

}  // namespace support
