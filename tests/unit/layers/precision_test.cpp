// The contract of every precision: products close to f32, equal operands row by row or at once, the same bits always.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

#include "bert/core/random.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/kernels/rows/layer_norm.hpp"
#include "bert/layers/precision_bf16.hpp"
#include "bert/layers/precision_int8.hpp"
#include "bert/layers/precision_split.hpp"

namespace {

using namespace bert;

/// bf16x6 by tiles on every processor.
using computed_tiles = precision::bf16_sums<3, bf16_order::tiles>;

buffer<float> numbers(std::size_t count, std::uint64_t seed) {
  buffer<float> out(count);
  random_stream random(seed, draw::user);
  for (auto& x : out) x = random.uniform() * 2 - 1;
  return out;
}

/// y [n, out] = x W^T + b in precision P, the operand converted at once (`whole`) or row by row.
template <class P, class E>
buffer<float> product(const E& e, matrix<const float> x, matrix<const float> w, const float* bias, bool whole) {
  buffer<float> weight(P::weight_size(w.cols, w.rows)), memory(P::template operand_size<float>(x.rows, x.cols)),
      y(x.rows * w.rows);
  const auto packed = P::pack(e, w, weight.data());
  auto operand = P::reserve(x, memory.data());
  if (whole) operand = P::convert(e, x, memory.data());
  else
    for (std::size_t n = 0; n < x.rows; ++n) P::store_row(operand, n, x.row(n));
  P::multiply(e, operand, packed, kernels::epilogue::bias{matrix<float>{y.data(), x.rows, w.rows}, bias});
  return y;
}

bool same(const buffer<float>& a, const buffer<float>& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

}  // namespace

TEST_CASE_TEMPLATE("a linear layer in any precision is the product, within the rounding of its dtype", P, precision::f32,
                   precision::bf16, precision::int8, precision::bf16x3, precision::bf16x6, computed_tiles) {
  // |x W^T| < 1 x 1 x k. A bf16 product has an error of 2^-8, an int8 one of 2^-7; with random signs, sums have some sqrt(k) of
  // that.
  const double unit = std::is_same_v<P, precision::bf16>     ? 0x1p-8
                      : std::is_same_v<P, precision::int8>   ? 0x1p-7
                      : std::is_same_v<P, precision::bf16x3> ? 0x1p-16
                                                             : 1e-6;
  for (const auto& [n, k, out] : {std::array<std::size_t, 3>{1, 40, 56}, {5, 56, 40}, {37, 96, 131}, {3, 7, 5}}) {
    const auto a = numbers(n * k, 1), b = numbers(out * k, 2), bias = numbers(out, 3);
    const matrix<const float> x{a.data(), n, k}, w{b.data(), out, k};
    const auto y = product<P>(execution::serial{}, x, w, bias.data(), true);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < out; ++j) {
        double sum = static_cast<double>(bias[j]);
        for (std::size_t c = 0; c < k; ++c) sum += static_cast<double>(x(i, c)) * static_cast<double>(w(j, c));
        CHECK(std::abs(sum - static_cast<double>(y[i * out + j])) < unit * std::sqrt(static_cast<double>(k)));
      }
    CHECK(same(y, product<P>(execution::serial{}, x, w, bias.data(), false)));
    CHECK(same(y, product<P>(execution::threads{2}, x, w, bias.data(), true)));
    CHECK(same(y, product<P>(execution::threads{3}, x, w, bias.data(), true)));
    const auto last = product<P>(execution::serial{}, x.block(n - 1, 1), w, bias.data(), true);
    CHECK(std::equal(last.begin(), last.end(), y.end() - static_cast<std::ptrdiff_t>(out)));
  }
}
