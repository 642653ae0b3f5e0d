// Layer: tests. Of: include/bert/kernels/gemm/gradient_bf16.hpp
#include "bert/kernels/gemm/gradient_bf16.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cstring>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/reference/gradient_bf16.hpp"
#include "support/products.hpp"

namespace {

using namespace bert;
using namespace bert::kernels;
using support::operand;
using support::same_bits;
using support::shape;

const std::vector<shape> odd_shapes{{1, 1, 1},      {1, 72, 72},    {2, 31, 5},     {3, 33, 200}, {5, 103, 72}, {7, 16, 513},
                                    {57, 64, 1025}, {113, 130, 77}, {29, 41, 2051}, {100, 2, 64}, {200, 48, 3}};

}  // namespace

TEST_CASE(
    "the gradient of a weight in bf16 has the bits of the plain loops for odd shapes and row gaps, with any number of "
    "threads") {
  for (const auto& s : odd_shapes) {
    CAPTURE(s.m);
    CAPTURE(s.n);
    CAPTURE(s.k);
    const operand a(s.k, s.m, 1, 3), b(s.k, s.n, 2, 1);
    operand expected(s.m, s.n, 3), c(s.m, s.n, 4, 9);
    reference::gemm_transposed_bf16(a.read(), b.read(), expected.view);
    for (const std::size_t threads : {1u, 2u, 3u}) {
      const execution::threads run{threads};
      buffer<float> left(bf16_pairs_of(s.k) * s.m), right(packed_bf16_size(s.k, s.n));
      gemm_transposed(run, pair_rows(run, a.read(), left.data()), pack_bf16(run, b.read(), right.data()),
                      epilogue::store{c.view});
      CHECK(same_bits(c.view, expected.view));
    }
  }
}

TEST_CASE("the gradient of a weight in bf16 has the bits of the plain loops for every number of rows and height of tiles") {
  const std::size_t n = 37, k = 23;
  const operand b(k, n, 2, 1);
  buffer<float> right(packed_bf16_size(k, n));
  const auto packed = pack_bf16(execution::serial{}, b.read(), right.data());
  for (std::size_t m = 1; m <= 64; ++m) {
    CAPTURE(m);
    const operand a(k, m, 1, 3);
    operand expected(m, n, 3), c(m, n, 4, 9);
    reference::gemm_transposed_bf16(a.read(), b.read(), expected.view);
    buffer<float> left(bf16_pairs_of(k) * m);
    gemm_transposed(execution::serial{}, pair_rows(execution::serial{}, a.read(), left.data()), packed,
                    epilogue::store{c.view});
    CHECK(same_bits(c.view, expected.view));
  }
}

TEST_CASE("the transposed pairs of rows are the pairs of rows transposed, with groups too") {
  for (const auto& s : odd_shapes)
    for (const auto& offsets : support::ways_to_group(s.k)) {
      CAPTURE(s.m);
      CAPTURE(s.k);
      const row_groups groups{offsets};
      const operand a(s.k, s.m, 1, 3);
      buffer<float> rows(bf16_pairs_of(s.k, groups.count()) * s.m), turned(rows.size());
      const auto expected = pair_rows(execution::serial{}, a.read(), rows.data(), groups);
      const auto found = transposed_pair_rows(execution::threads{2}, a.read(), turned.data(), groups);
      REQUIRE(found.rows == expected.cols);
      REQUIRE(found.cols == expected.rows);
      bool same = true;
      for (std::size_t i = 0; i < found.rows; ++i)
        for (std::size_t j = 0; j < found.cols; ++j)
          same = same && std::bit_cast<std::uint32_t>(found(i, j)) == std::bit_cast<std::uint32_t>(expected(j, i));
      CHECK(same);
    }
}

TEST_CASE("the gradient of a weight by tiles has the bits of the product by tiles of the transposed operand") {
  if constexpr (tile_cols == 32)
    for (const auto& s : odd_shapes) {
      CAPTURE(s.m);
      CAPTURE(s.n);
      CAPTURE(s.k);
      const operand a(s.k, s.m, 1, 3), b(s.k, s.n, 2, 1);
      operand turned_a(s.m, s.k, 5), turned_b(s.n, s.k, 6), expected(s.m, s.n, 3), c(s.m, s.n, 4, 9);
      for (std::size_t i = 0; i < s.k; ++i) {
        for (std::size_t j = 0; j < s.m; ++j) turned_a.view(j, i) = a.view(i, j);
        for (std::size_t j = 0; j < s.n; ++j) turned_b.view(j, i) = b.view(i, j);
      }
      std::vector<bf16> left(s.m * (s.k + s.k % 2));
      const matrix<bf16> rounded{left.data(), s.m, s.k, s.k + s.k % 2};
      for (std::size_t i = 0; i < s.m; ++i)
        for (std::size_t j = 0; j < s.k; ++j) rounded(i, j) = to_bf16(turned_a.view(i, j));
      buffer<float> packed(packed_bf16_size(s.k, s.n));
      const auto right = pack_transposed_bf16(execution::serial{}, turned_b.read(), packed.data());
      gemm<bf16_order::tiles>(execution::serial{}, rounded, right, epilogue::store{expected.view});
      buffer<float> scratch(bf16_pairs_of(s.k) * s.m + packed_bf16_size(s.k, s.n));
      for (const std::size_t threads : {1u, 2u}) {
        weight_gradient_bf16<bf16_order::tiles>(execution::threads{threads}, a.read(), b.read(), scratch.data(),
                                                epilogue::store{c.view});
        // Up to 64 rows the product of rows takes its depth as one part, which has no other order.
        CHECK(same_bits(c.view, expected.view));
      }
    }
}

TEST_CASE("the gradient of a weight by tiles sums groups as a tree") {
  if constexpr (tile_cols == 32)
    for (const std::size_t k : {77ul, 200ul}) {
      const std::size_t m = 40, n = 70;
      const operand a(k, m, 1, 3), b(k, n, 2, 1);
      for (const auto& offsets : support::ways_to_group(k)) {
        const row_groups groups{offsets};
        buffer<float> scratch(bf16_pairs_of(k, groups.count()) * m + packed_bf16_size(k, n, groups.count()));
        operand c(m, n, 4, 9);
        weight_gradient_bf16<bf16_order::tiles>(execution::threads{2}, a.read(), b.read(), scratch.data(),
                                                epilogue::store{c.view}, groups);
        // Each group alone, then the tree.
        std::vector<operand> parts;
        for (std::size_t g = 0; g < groups.count(); ++g) {
          auto& part = parts.emplace_back(m, n, 7);
          const std::size_t first = offsets[g], rows = offsets[g + 1] - first;
          for (std::size_t i = 0; i < m; ++i)
            for (std::size_t j = 0; j < n; ++j) part.view(i, j) = 0;
          if (rows > 0)
            weight_gradient_bf16<bf16_order::tiles>(execution::serial{}, a.read().block(first, rows),
                                                    b.read().block(first, rows), scratch.data(), epilogue::store{part.view});
        }
        std::size_t count = parts.size();
        for (std::size_t apart = 1; apart < count; apart *= 2)
          for (std::size_t g = 0; g + apart < count; g += 2 * apart)
            for (std::size_t i = 0; i < m; ++i)
              for (std::size_t j = 0; j < n; ++j) parts[g].view(i, j) += parts[g + apart].view(i, j);
        CHECK(same_bits(c.view, parts[0].view));
      }
    }
}

TEST_CASE("a matrix packed has the bits of its transpose packed transposed") {
  for (const auto& s : odd_shapes) {
    CAPTURE(s.n);
    CAPTURE(s.k);
    const operand b(s.k, s.n, 2, 5);
    operand turned(s.n, s.k, 3);
    for (std::size_t i = 0; i < s.k; ++i)
      for (std::size_t j = 0; j < s.n; ++j) turned.view(j, i) = b.view(i, j);
    buffer<float> found(packed_bf16_size(s.k, s.n)), expected(packed_bf16_size(s.k, s.n));
    std::memset(found.data(), 0x7F, found.size() * sizeof(float));
    pack_bf16(execution::threads{2}, b.read(), found.data());
    pack_transposed_bf16(execution::serial{}, turned.read(), expected.data());
    CHECK(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("pairs hold the first row in the lower half and the second in the upper, each rounded to bf16") {
  for (const float x : {0.0f, -0.0f, 1.0f, 1.00390625f, -1.01171875f, 0x1.fep-127f, 3.4e38f})
    for (const float y : {2.5f, 1.01171875f, -0x1p-130f}) {
      std::array<float, lanes> out;
      store(out.data(), pair(simd(x), simd(y)));
      for (const float pair : out)
        CHECK(std::bit_cast<std::uint32_t>(pair) ==
              (std::uint32_t{reference::to_bf16_normal(y).bits} << 16 | std::uint32_t{reference::to_bf16_normal(x).bits}));
    }
}
