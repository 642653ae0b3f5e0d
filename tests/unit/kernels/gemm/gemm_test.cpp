// Layer: tests. Of: include/bert/kernels/gemm/{gemm,pack,register_tile,tile_f32}.hpp
#include "bert/kernels/gemm/gemm.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "bert/core/execution.hpp"
#include "bert/core/memory.hpp"
#include "bert/core/random.hpp"
#include "bert/kernels/reference/gemm.hpp"
#include "support/largest.hpp"
#include "support/products.hpp"

namespace {

using namespace bert;
using namespace bert::kernels;
using support::largest_difference;
using support::operand;
using support::same_bits;
using support::shape;

const std::vector<shape> odd_shapes{
    {1, 1, 1},     {1, 72, 72},   {2, 31, 5},     {3, 33, 200},   {5, 1003, 72},  {7, 16, 513},    {13, 200, 72}, {14, 32, 512},
    {15, 72, 200}, {16, 96, 768}, {27, 100, 300}, {57, 64, 1025}, {113, 130, 77}, {29, 401, 1600}, {100, 2, 64},  {200, 48, 3},
};

/// Error bound of a sum of k products of values below one: half a unit in the last place of at most 2 per step.
double allowed(std::size_t k) { return 1.2e-7 * static_cast<double>(k); }

struct expected_product {
  std::vector<double> memory;
  matrix<double> view;
  expected_product(std::size_t m, std::size_t n) : memory(m * n), view(memory.data(), m, n) {}
};

TEST_CASE("a product agrees with the plain loops for odd shapes and row gaps, whether B is given transposed or not") {
  for (const shape& s : odd_shapes)
    for (const std::size_t threads : {1u, 2u}) {
      const std::size_t m = s.m, n = s.n, k = s.k;
      CAPTURE(m);
      CAPTURE(n);
      CAPTURE(k);
      CAPTURE(threads);
      const execution::threads run{threads};
      const operand a(m, k, 1, 3), b(k, n, 2, 5), w(n, k, 3, 7);
      operand c(m, n, 4, 9);
      expected_product expected(m, n);
      buffer<float> memory(packed_size(k, n));

      gemm(run, a.view, pack(run, b.view, memory.data()), epilogue::store{c.view});
      reference::gemm(a.view, b.view, expected.view);
      CHECK(largest_difference(c.view, expected.view) < allowed(k));

      gemm(run, a.view, pack_transposed(run, w.view, memory.data()), epilogue::store{c.view});
      reference::gemm_weight(a.view, w.view, expected.view);
      CHECK(largest_difference(c.view, expected.view) < allowed(k));
    }
}

TEST_CASE("a product with A transposed agrees with the plain loops for odd shapes and row gaps") {
  for (const shape& s : odd_shapes)
    for (const std::size_t threads : {1u, 2u}) {
      const std::size_t m = s.m, n = s.n, k = s.k;
      CAPTURE(m);
      CAPTURE(n);
      CAPTURE(k);
      CAPTURE(threads);
      const execution::threads run{threads};
      const operand a(k, m, 1, 3), b(k, n, 2, 5);
      operand c(m, n, 4, 9);
      expected_product expected(m, n);
      buffer<float> memory(packed_size(k, n));
      gemm_transposed(run, a.view, pack(run, b.view, memory.data()), epilogue::store{c.view});
      reference::gemm_transposed(a.view, b.view, expected.view);
      CHECK(largest_difference(c.view, expected.view) < allowed(k));
    }
}

TEST_CASE("rows a multiple of 4 KB apart, which are copied first, give the same bits as other rows") {
  for (const shape& s : {shape{9, 40, 1024}, {75, 100, 1024}, {130, 500, 2048}}) {
    const std::size_t m = s.m, n = s.n, k = s.k;
    CAPTURE(m);
    const execution::threads run{2};
    const operand close(m, k, 1), b(k, n, 2);
    operand apart(m, k, 3, 16), c(m, n, 4), d(m, n, 5);
    for (std::size_t i = 0; i < m; ++i) std::memcpy(apart.view.row(i), close.view.row(i), k * sizeof(float));
    buffer<float> memory(packed_size(k, n));
    const packed right = pack(run, b.view, memory.data());
    gemm(run, close.view, right, epilogue::store{c.view});
    gemm(run, apart.view, right, epilogue::store{d.view});
    CHECK(same_bits(c.view, d.view));
  }
}

TEST_CASE("packing writes every element of the buffer, zeros past the last column") {
  for (const shape& s : odd_shapes) {
    const std::size_t n = s.n, k = s.k;
    CAPTURE(n);
    CAPTURE(k);
    const execution::serial run;
    const operand b(k, n, 2, 5), w(n, k, 3, 7);
    buffer<float> direct(packed_size(k, n)), transposed(packed_size(k, n));
    for (auto& x : direct) x = NAN;
    for (auto& x : transposed) x = NAN;
    const packed p = pack(run, b.view, direct.data()), q = pack_transposed(run, w.view, transposed.data());
    bool right = true;
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = 0; j < round_up(n, tile_cols); ++j) {
        const std::size_t at = i * tile_cols + j % tile_cols;
        right = right && p.panel(j / tile_cols)[at] == (j < n ? b.view(i, j) : 0.0f);
        right = right && q.panel(j / tile_cols)[at] == (j < n ? w.view(j, i) : 0.0f);
      }
    CHECK(right);
  }
}

TEST_CASE("a row's bits depend neither on the rows beside it nor on the number of threads") {
  for (const shape& s : {shape{0, 72, 200}, {0, 333, 1300}, {0, 768, 96}, {0, 100, 1024}}) {
    const std::size_t n = s.n, k = s.k;
    CAPTURE(n);
    CAPTURE(k);
    const operand all(120, k, 1), b(k, n, 2), w(k, 120, 3);
    buffer<float> memory(packed_size(k, n)), same(packed_size(k, n));
    const packed right = pack(execution::serial{}, b.view, memory.data());
    std::vector<operand> alone;
    for (std::size_t i = 0; i < 120; ++i) {
      alone.emplace_back(1, n, 9);
      gemm(execution::serial{}, matrix<const float>(all.view.block(i, 1)), right, epilogue::store{alone.back().view});
    }
    for (const std::size_t threads : {1u, 2u, 3u}) {
      const execution::threads run{threads};
      pack(run, b.view, same.data());
      CHECK(std::memcmp(same.data(), memory.data(), memory.size() * sizeof(float)) == 0);
      for (std::size_t m = 1; m <= 120; m += m < 60 ? 1 : 20) {
        CAPTURE(m);
        CAPTURE(threads);
        operand c(m, n, 5);
        gemm(run, matrix<const float>(all.view.block(120 - m, m)), right, epilogue::store{c.view});
        bool equal = true;
        for (std::size_t i = 0; i < m; ++i) equal = equal && same_bits(c.view.block(i, 1), alone[120 - m + i].view);
        CHECK(equal);
      }
      operand one(120, n, 6), many(120, n, 7);
      gemm_transposed(execution::serial{}, w.view, right, epilogue::store{one.view});
      gemm_transposed(run, w.view, right, epilogue::store{many.view});
      CHECK(same_bits(one.view, many.view));
    }
  }
}

}  // namespace
