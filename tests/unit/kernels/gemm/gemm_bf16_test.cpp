// Layer: tests. Of: include/bert/kernels/gemm/{gemm_bf16,pack_bf16,tile_bf16}.hpp, include/bert/kernels/simd/bf16.hpp
#include "bert/kernels/gemm/gemm_bf16.hpp"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/reference/gemm_bf16.hpp"
#include "support/products.hpp"

namespace {

using namespace bert;
using namespace bert::kernels;
using support::same_bits;
using support::shape;

template <class T>
struct operand {
  buffer<T> memory;
  matrix<T> view;

  operand(std::size_t rows, std::size_t cols, std::uint64_t seed, std::size_t gap = 0)
      : memory(rows * (cols + gap)), view(memory.data(), rows, cols, cols + gap) {
    random_stream random(seed, draw::user);
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < cols; ++j) {
        const float x = random.uniform() * 2 - 1;
        if constexpr (std::is_same_v<T, bf16>) view(i, j) = to_bf16(x);
        else view(i, j) = x;
      }
  }
};

const std::vector<shape> odd_shapes{{1, 1, 1},     {1, 72, 72},    {2, 31, 5},     {3, 33, 200},
                                    {5, 1003, 72}, {7, 16, 513},   {13, 200, 72},  {14, 32, 512},
                                    {15, 72, 200}, {57, 64, 1025}, {113, 130, 77}, {29, 401, 4096},
                                    {100, 2, 64},  {200, 48, 3},   {30, 40, 5000}, {75, 100, 2048}};

}  // namespace

TEST_CASE("a bf16 product has the bits of the plain loops for odd shapes and row gaps, with any number of threads") {
  for (const shape& s : odd_shapes) {
    const std::size_t m = s.m, n = s.n, k = s.k;
    CAPTURE(m);
    CAPTURE(n);
    CAPTURE(k);
    const operand<bf16> a(m, k, 1, 4 + k % 2);  // a gap of zeros, so that an odd K is followed by one
    const operand<float> w(n, k, 2, 3);
    operand<float> expected(m, n, 3), c(m, n, 4, 9);
    reference::gemm_weight(a.view, w.view, expected.view);
    for (const std::size_t threads : {1u, 2u, 3u}) {
      const execution::threads run{threads};
      buffer<float> memory(packed_bf16_size(k, n));
      gemm<bf16_order::pairs>(run, matrix<const bf16>(a.view),
                              pack_transposed_bf16(run, matrix<const float>(w.view), memory.data()), epilogue::store{c.view});
      CHECK(same_bits(c.view, expected.view));
    }
  }
}

TEST_CASE("rows of a bf16 product do not depend on the rows beside them, whatever the number of rows, tiles and threads") {
  const std::size_t most = 61, n = 90;
  for (const std::size_t k : {300u, 1301u}) {
    const operand<bf16> a(most, k, 1, 4 + k % 2);
    const operand<float> w(n, k, 2);
    buffer<float> memory(packed_bf16_size(k, n));
    const auto b = pack_transposed_bf16(execution::serial{}, matrix<const float>(w.view), memory.data());
    operand<float> alone(most, n, 3);
    for (std::size_t i = 0; i < most; ++i)
      gemm(execution::serial{}, matrix<const bf16>(a.view).block(i, 1), b, epilogue::store{alone.view.block(i, 1)});
    for (const std::size_t threads : {1u, 2u})
      for (std::size_t m = 1; m <= most; ++m) {
        CAPTURE(k);
        CAPTURE(m);
        CAPTURE(threads);
        operand<float> c(m, n, 4);
        gemm(execution::threads{threads}, matrix<const bf16>(a.view).block(0, m), b, epilogue::store{c.view});
        CHECK(same_bits(c.view, matrix<const float>(alone.view).block(0, m)));
      }
  }
}

TEST_CASE("packing rounds each weight to the nearest bf16 and pads with zeros") {
  const std::size_t n = tile_cols + 3, k = 2 * lanes + 5;
  const operand<float> w(n, k, 2, 1);
  buffer<float> memory(packed_bf16_size(k, n));
  std::memset(memory.data(), 0x7F, memory.size() * sizeof(float));
  const auto b = pack_transposed_bf16(execution::serial{}, matrix<const float>(w.view), memory.data());
  for (std::size_t p = 0; p < b.pairs.panels(); ++p)
    for (std::size_t i = 0; i < b.pairs.k; ++i)
      for (std::size_t j = 0; j < tile_cols; ++j) {
        const auto bits = std::bit_cast<std::uint32_t>(b.pairs.panel(p)[i * tile_cols + j]);
        const std::size_t column = p * tile_cols + j;
        const auto expected = [&](std::size_t row) -> std::uint32_t {
          return column < n && row < k ? to_bf16(w.view(column, row)).bits : 0;
        };
        CHECK(bits == (expected(2 * i) | expected(2 * i + 1) << 16));
      }
}

TEST_CASE(
    "registers round to bf16 as the scalar function does, with ties, infinities, NaN and values below 2^-126, and write "
    "nothing "
    "else") {
  std::vector<float> cases{0.0f,
                           -0.0f,
                           1.0f,
                           -1.0f,
                           1.00390625f,
                           1.01171875f,
                           1.0039063f,
                           3.4e38f,
                           3.3961775e38f,
                           0x1p-126f,
                           0x1.fep-127f,
                           -0x1p-130f,
                           std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity()};
  random_stream random(5, draw::user);
  while (cases.size() < 4096) cases.push_back(std::ldexp(random.uniform() * 2 - 1, static_cast<int>(random.below(250)) - 140));
  for (std::size_t count = 1; count <= lanes; ++count)
    for (std::size_t i = 0; i + lanes <= cases.size(); i += count) {
      std::array<bf16, lanes + 1> out, all;
      out.fill({0x1234});
      all.fill({0x1234});
      store(out.data(), load(cases.data() + i), first{count});
      store(all.data(), load(cases.data() + i), whole{});
      for (std::size_t j = 0; j <= lanes; ++j) {
        CAPTURE(j);
        CHECK(out[j].bits == (j < count ? reference::to_bf16_normal(cases[i + j]).bits : 0x1234));
        CHECK(all[j].bits == (j < lanes ? reference::to_bf16_normal(cases[i + j]).bits : 0x1234));
      }
      std::array<float, lanes> back{};
      store(back.data(), load(out.data(), first{count}));
      for (std::size_t j = 0; j < lanes; ++j)
        CHECK(std::bit_cast<std::uint32_t>(back[j]) == (j < count ? std::uint32_t{out[j].bits} << 16 : 0u));
      store(back.data(), load(all.data(), whole{}));
      for (std::size_t j = 0; j < lanes; ++j) CHECK(std::bit_cast<std::uint32_t>(back[j]) == std::uint32_t{all[j].bits} << 16);
    }
  std::array<bf16, lanes> out;
  store(out.data(), simd(std::numeric_limits<float>::quiet_NaN()), whole{});
  for (const auto x : out) CHECK(std::isnan(to_float(x)));
}

TEST_CASE("epilogues to bf16 round what they would write as floats") {
  const std::size_t m = 17, n = 70, k = 40;
  const operand<bf16> a(m, k, 1);
  const operand<float> w(n, k, 2), bias(1, n, 3);
  operand<float> wide(m, n, 4);
  operand<bf16> narrow(m, n, 5, 2);
  buffer<float> memory(packed_bf16_size(k, n));
  const execution::serial run;
  const auto b = pack_transposed_bf16(run, matrix<const float>(w.view), memory.data());
  const auto agree = [&] {
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j)
        if (narrow.view(i, j).bits != to_bf16(wide.view(i, j)).bits) return false;
    return true;
  };
  gemm(run, matrix<const bf16>(a.view), b, epilogue::bias{wide.view, bias.view.data});
  gemm(run, matrix<const bf16>(a.view), b, epilogue::bias{narrow.view, bias.view.data});
  CHECK(agree());
  struct twice {
    static simd forward(simd x) noexcept { return x + x; }
  };
  gemm(run, matrix<const bf16>(a.view), b, epilogue::bias_activation<twice>{wide.view, bias.view.data});
  gemm(run, matrix<const bf16>(a.view), b, epilogue::bias_activation<twice, bf16>{narrow.view, bias.view.data});
  CHECK(agree());
}
