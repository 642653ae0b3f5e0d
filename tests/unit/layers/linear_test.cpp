#include "bert/layers/linear.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "bert/core/random.hpp"

namespace {

std::vector<float> numbers(std::size_t n, std::uint64_t seed) {
  bert::random_stream random(seed, bert::draw::user);
  std::vector<float> out(n);
  for (float& x : out) x = bert::to_float(bert::to_bf16(random.normal()));  // so that rounding to bf16 changes nothing
  return out;
}

struct shape {
  std::size_t n, in, out;
};

template <class E>
void check_sums(const E& e) {
  for (const auto& size : {shape{1, 1, 1}, shape{3, 7, 5}, shape{19, 72, 200}, shape{40, 33, 2}}) {
    const std::size_t n = size.n, in = size.in, out = size.out;  // clang 14 captures no structured binding
    CAPTURE(n);
    CAPTURE(out);
    const auto x = numbers(n * in, 1), w = numbers(out * in, 2), b = numbers(out, 3), d_y = numbers(n * out, 4);
    std::vector<float> y(n * out), d_x(n * in), d_w(out * in, 0.5f), d_b(out, 0.25f);
    bert::buffer<float> scratch(bert::layers::linear_scratch(n, in, out));
    const bert::matrix<const float> mx{x.data(), n, in}, mw{w.data(), out, in};
    bert::layers::linear_forward(e, mx, mw, bert::kernels::epilogue::bias{{y.data(), n, out}, b.data()}, scratch.data());
    bert::layers::linear_backward(e, mx, mw, bert::matrix<const float>{d_y.data(), n, out},
                                  bert::matrix<float>{d_w.data(), out, in}, d_b.data(),
                                  bert::kernels::epilogue::store{{d_x.data(), n, in}}, scratch.data());
    for (std::size_t o = 0; o < out; ++o) {
      double bias = 0.25;
      for (std::size_t i = 0; i < n; ++i) {
        bias += static_cast<double>(d_y[i * out + o]);
        double sum = static_cast<double>(b[o]);
        for (std::size_t k = 0; k < in; ++k) sum += static_cast<double>(x[i * in + k]) * static_cast<double>(w[o * in + k]);
        CHECK(static_cast<double>(y[i * out + o]) == doctest::Approx(sum).epsilon(1e-4));
      }
      CHECK(static_cast<double>(d_b[o]) == doctest::Approx(bias).epsilon(1e-4));
      for (std::size_t k = 0; k < in; ++k) {
        double sum = 0.5;
        for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(d_y[i * out + o]) * static_cast<double>(x[i * in + k]);
        CHECK(std::abs(static_cast<double>(d_w[o * in + k]) - sum) < 1e-4);
      }
    }
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < in; ++k) {
        double sum = 0;
        for (std::size_t o = 0; o < out; ++o) sum += static_cast<double>(d_y[i * out + o]) * static_cast<double>(w[o * in + k]);
        CHECK(std::abs(static_cast<double>(d_x[i * in + k]) - sum) < 1e-4);
      }
  }
}

}  // namespace

TEST_CASE("forward and backward are the sums of the formulas, at sizes that do not fill a register") {
  check_sums(bert::execution::serial{});
}
TEST_CASE("with products in bf16, forward and backward are the same sums of rounded values") {
  check_sums(bert::layers::in_precision<bert::precision::bf16, bert::execution::serial>{});
  check_sums(bert::layers::in_precision<bert::precision::bf16, bert::execution::threads>{bert::execution::threads{2}});
}
TEST_CASE("with products by parts of bf16, forward and backward are the same sums, by tiles and without") {
  using bert::precision::bf16_sums;
  check_sums(bert::layers::in_precision<bert::precision::bf16x6, bert::execution::threads>{bert::execution::threads{2}});
  check_sums(bert::layers::in_precision<bf16_sums<2, bert::bf16_order::tiles>, bert::execution::serial>{});
  check_sums(
      bert::layers::in_precision<bf16_sums<3, bert::bf16_order::tiles>, bert::execution::threads>{bert::execution::threads{2}});
}
