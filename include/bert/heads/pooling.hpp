// Pooling policies: one vector per sequence from the vectors of its tokens.
// Layer: heads. Test: tests/unit/heads/pooling_test.cpp. Paper: Reimers and Gurevych 2019, "Sentence-BERT", 3.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA {

/// `P::pool(x, y)` writes `y` [H] from `x` [T, H], T > 0, in an order of sums that depends on the shape alone.
template <class P>
concept pooling_policy = requires(matrix<const float> x, std::span<float> y) {
  { P::pool(x, y) }
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
};

/// y[h] = max_t x[t,h]
struct max {
  static void pool(matrix<const float> x, std::span<float> y) noexcept {
    std::copy_n(x.row(0), y.size(), y.begin());
    for (std::size_t t = 1; t < x.rows; ++t)
      for (std::size_t h = 0; h < y.size(); ++h) y[h] = std::max(y[h], x(t, h));
  }
};

/// y[h] = x[0,h], the vector of [CLS]
struct cls {
  static void pool(matrix<const float> x, std::span<float> y) noexcept { std::copy_n(x.row(0), y.size(), y.begin()); }
};

}  // namespace pooling

/// y <- y / max(|y|, 1e-12)
inline void to_unit_length(std::span<float> y) noexcept {
  double squares = 0;
  for (const float value : y) squares += static_cast<double>(value) * static_cast<double>(value);
  const auto scale = static_cast<float>(1.0 / std::max(std::sqrt(squares), 1e-12));
  for (float& value : y) value *= scale;
}

}  // namespace bert
