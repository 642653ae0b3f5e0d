// Pooling policies: one vector per sequence from the vectors of its tokens.
// Layer: heads. Test: tests/unit/heads/pooling_test.cpp. Paper: Reimers and Gurevych 2019, "Sentence-BERT", 3.
#ifndef BERT_HEADS_POOLING_HPP
#define BERT_HEADS_POOLING_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA {

/// `P::pool(x, y)` writes `y` [H] from `x` [T, H], T > 0, in an order of sums that depends on the shape alone.
template <class P>
concept pooling_policy = requires(matrix<const float> x, std::span<float> y) {
  { P::pool(x, y) }
  noexcept;
};

/// `P::backward(x, y, d_y, d_x)` adds to `d_x` [T, H] the gradient with respect to `x`, given `y` = pool(x) and its gradient.
template <class P>
concept trained_pooling_policy = pooling_policy<P> &&
    requires(matrix<const float> x, std::span<const float> y, std::span<const float> d_y, matrix<float> d_x) {
  { P::backward(x, y, d_y, d_x) }
  noexcept;
};

namespace pooling {

/// y[h] = sum_t x[t,h] / T, [CLS] and [SEP] included, as in sentence-transformers
struct mean {
  static void pool(matrix<const float> x, std::span<float> y) noexcept {
    std::fill(y.begin(), y.end(), 0.0f);
    for (std::size_t t = 0; t < x.rows; ++t)
      for (std::size_t h = 0; h < y.size(); ++h) y[h] += x(t, h);
    const float share = 1.0f / static_cast<float>(x.rows);
    for (float& value : y) value *= share;
  }
  /// d_x[t,h] += d_y[h] / T
  static void backward(matrix<const float> x, std::span<const float>, std::span<const float> d_y, matrix<float> d_x) noexcept {
    const float share = 1.0f / static_cast<float>(x.rows);
    for (std::size_t t = 0; t < x.rows; ++t)
      for (std::size_t h = 0; h < d_y.size(); ++h) d_x(t, h) += share * d_y[h];
  }
};

/// y[h] = max_t x[t,h]
struct max {
  static void pool(matrix<const float> x, std::span<float> y) noexcept {
    std::copy_n(x.row(0), y.size(), y.begin());
    for (std::size_t t = 1; t < x.rows; ++t)
      for (std::size_t h = 0; h < y.size(); ++h) y[h] = std::max(y[h], x(t, h));
  }
  /// d_x[t,h] += d_y[h] for the first t with x[t,h] = y[h]
  static void backward(matrix<const float> x, std::span<const float> y, std::span<const float> d_y,
                       matrix<float> d_x) noexcept {
    constexpr std::size_t block = 64;  // columns whose gradients wait in the first-level cache for their token
    for (std::size_t first = 0; first < y.size(); first += block) {
      std::array<float, block> left{};
      const std::size_t count = std::min(block, y.size() - first);
      std::copy_n(d_y.begin() + static_cast<std::ptrdiff_t>(first), count, left.begin());
      for (std::size_t t = 0; t < x.rows; ++t)
        for (std::size_t j = 0; j < count; ++j) {
          const float here = x(t, first + j) == y[first + j] ? left[j] : 0.0f;
          d_x(t, first + j) += here;
          left[j] -= here;
        }
    }
  }
};

/// y[h] = x[0,h], the vector of [CLS]
struct cls {
  static void pool(matrix<const float> x, std::span<float> y) noexcept { std::copy_n(x.row(0), y.size(), y.begin()); }
  /// d_x[0,h] += d_y[h]
  static void backward(matrix<const float>, std::span<const float>, std::span<const float> d_y, matrix<float> d_x) noexcept {
    for (std::size_t h = 0; h < d_y.size(); ++h) d_x(0, h) += d_y[h];
  }
};

}  // namespace pooling

/// The name of a pooling in a folder: "mean", "cls", "max"; for a policy of your own its `name`, a std::string_view, or "".
template <pooling_policy Pooling>
[[nodiscard]] constexpr std::string_view pooling_name() noexcept {
  if constexpr (std::same_as<Pooling, pooling::mean>) return "mean";
  else if constexpr (std::same_as<Pooling, pooling::cls>) return "cls";
  else if constexpr (std::same_as<Pooling, pooling::max>) return "max";
  else if constexpr (requires { std::string_view(Pooling::name); }) return Pooling::name;
  else return "";
}

/// y <- y / max(|y|, 1e-12). Returns the factor, 1 / max(|y|, 1e-12).
inline float to_unit_length(std::span<float> y) noexcept {
  double squares = 0;
  for (const float value : y) squares += static_cast<double>(value) * static_cast<double>(value);
  const auto scale = static_cast<float>(1.0 / std::max(std::sqrt(squares), 1e-12));
  for (float& value : y) value *= scale;
  return scale;
}

}  // namespace bert

#endif  // BERT_HEADS_POOLING_HPP
