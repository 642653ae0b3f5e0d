// What the tests of matrix products share: operands, shapes, and the checks that every tile's products pass.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "bert/core/execution.hpp"
#include "bert/core/memory.hpp"
#include "bert/core/random.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/reference/row_groups.hpp"
#include "bert/kernels/rows/row_groups.hpp"
#include "bert/tensor/view.hpp"
#include "support/largest.hpp"
#include "support/matrices.hpp"
#include "support/row_groups.hpp"

namespace support {

/// Random numbers in [-1, 1), in the `gap` between rows too, where no kernel may read them.
struct operand {
  bert::buffer<float> memory;
  bert::matrix<float> view;

  operand(std::size_t rows, std::size_t cols, std::uint64_t seed, std::size_t gap = 0)
      : memory(rows * (cols + gap)), view(memory.data(), rows, cols, cols + gap) {
    bert::random_stream random(seed, bert::draw::user);
    for (auto& x : memory) x = random.uniform() * 2 - 1;
  }
  [[nodiscard]] bert::matrix<const float> read() const { return view; }
};

struct shape {
  std::size_t m, n, k;
};

[[nodiscard]] inline bool same_bits(bert::matrix<const float> a, bert::matrix<const float> b) {
  for (std::size_t i = 0; i < a.rows; ++i)
    if (std::memcmp(a.row(i), b.row(i), a.cols * sizeof(float)) != 0) return false;
  return true;
}

/// How a tile's products are tested: a type with
///
///   rows(run, a, w, epilogue)               epilogue(a w^T) of floats a [M, K], w [N, K], packed as the tile wants them
///   rows_reference(a, w, c)                 the plain loops' a w^T
///   tolerance(k)                            of the largest difference from them; 0: the same bits
///   columns(run, a, b, epilogue, groups)    epilogue(a^T b), a [K, M], b [K, N], if the tile has it
///   columns_reference(a, b, c)
template <class P>
concept has_columns = requires(bert::matrix<const float> a, bert::matrix<float> c) {
  P::columns(bert::execution::serial{}, a, a, bert::kernels::epilogue::store{c}, bert::kernels::row_groups{});
};

inline const std::vector<shape> product_shapes{{1, 1, 1},      {1, 72, 72},  {2, 31, 5},    {3, 33, 200},   {5, 403, 72},
                                               {13, 200, 72},  {14, 32, 64}, {16, 96, 768}, {27, 100, 303}, {57, 64, 1025},
                                               {29, 40, 2100}, {100, 2, 64}, {200, 48, 3}};

template <class P>
[[nodiscard]] bool agrees(bert::matrix<const float> c, bert::matrix<const float> expected, std::size_t k) {
  return P::tolerance(k) == 0 ? same_bits(c, expected) : largest_difference(c, expected) <= P::tolerance(k);
}

/// Products equal the plain loops for odd shapes and gaps between rows, have the same bits with 1, 2 and 3 threads, and write
/// nothing beyond C's columns.
template <class P>
void check_odd_shapes() {
  using namespace bert;
  const auto check = [](const shape& s, const operand& expected, const auto& multiply) {
    operand first(s.m, s.n, 3, 9);
    const operand before(s.m, s.n, 3, 9);
    multiply(execution::serial{}, first.view);
    CHECK(agrees<P>(first.view, expected.view, s.k));
    bool kept = true;
    for (std::size_t i = 0; i < s.m; ++i)
      kept = kept && std::memcmp(first.view.row(i) + s.n, before.view.row(i) + s.n, 9 * sizeof(float)) == 0;
    CHECK(kept);
    for (const std::size_t threads : {2u, 3u}) {
      CAPTURE(threads);
      operand c(s.m, s.n, 4);
      multiply(execution::threads{threads}, c.view);
      CHECK(same_bits(c.view, first.view));
    }
  };
  for (const shape& s : product_shapes) {
    CAPTURE(s.m);
    CAPTURE(s.n);
    CAPTURE(s.k);
    operand expected(s.m, s.n, 5);
    const operand a(s.m, s.k, 1, 3), w(s.n, s.k, 2, 7);
    P::rows_reference(a.read(), w.read(), expected.view);
    check(s, expected,
          [&](const auto& run, matrix<float> c) { P::rows(run, a.read(), w.read(), kernels::epilogue::store{c}); });
    if constexpr (has_columns<P>) {
      const operand left(s.k, s.m, 1, 3), right(s.k, s.n, 2, 5);
      P::columns_reference(left.read(), right.read(), expected.view);
      check(s, expected, [&](const auto& run, matrix<float> c) {
        P::columns(run, left.read(), right.read(), kernels::epilogue::store{c}, kernels::row_groups{});
      });
    }
  }
}

/// A row's bits depend neither on the number of rows, nor on what stands in the others.
template <class P>
void check_rows_alone() {
  using namespace bert;
  const std::size_t most = 61, n = 90, k = 300;
  const operand a(most, k, 1), w(n, k, 2);
  operand all(most, n, 3);
  P::rows(execution::serial{}, a.read(), w.read(), kernels::epilogue::store{all.view});
  for (std::size_t m = 1; m <= most; m += m < 36 ? 1 : 5) {
    CAPTURE(m);
    operand c(m, n, 4);
    P::rows(execution::threads{m % 2 + 1}, a.read().block(most - m, m), w.read(), kernels::epilogue::store{c.view});
    CHECK(same_bits(c.view, all.read().block(most - m, m)));
  }
}

// x^2, so that the epilogues need no real activation here.
struct square {
  static bert::kernels::simd forward(bert::kernels::simd x) noexcept { return x * x; }
  static bert::kernels::simd gradient(bert::kernels::simd x) noexcept { return x + x; }
};

/// Every epilogue is its formula of the sums that `store` writes.
template <class P>
void check_epilogues() {
  using namespace bert;
  namespace epilogue = kernels::epilogue;
  const execution::threads run{2};
  for (const shape& s : product_shapes) {
    const std::size_t m = s.m, n = s.n, k = s.k;
    CAPTURE(m);
    CAPTURE(n);
    CAPTURE(k);
    const operand a(m, k, 1), w(n, k, 2), offset(1, n, 3), residual(m, n, 4, 2), start(m, n, 5);
    operand acc(m, n, 6), c(m, n, 5), pre(m, n, 7);
    P::rows(run, a.read(), w.read(), epilogue::store{acc.view});
    const auto close = [&](matrix<float> x, auto formula) {
      bool right_everywhere = true;
      for (std::size_t i = 0; i < m; ++i)
        for (std::size_t j = 0; j < n; ++j)
          right_everywhere = right_everywhere && std::abs(x(i, j) - formula(i, j)) <= 1e-6f * (1 + std::abs(formula(i, j)));
      return right_everywhere;
    };
    const auto z = [&](std::size_t i, std::size_t j) { return acc.view(i, j) + offset.view(0, j); };
    const auto z2 = [&](std::size_t i, std::size_t j) { return z(i, j) * z(i, j); };

    P::rows(run, a.read(), w.read(), epilogue::add{c.view});
    CHECK(close(c.view, [&](auto i, auto j) { return start.view(i, j) + acc.view(i, j); }));
    P::rows(run, a.read(), w.read(), epilogue::bias{c.view, offset.view.data});
    CHECK(close(c.view, z));
    P::rows(run, a.read(), w.read(), epilogue::bias_activation<square>{c.view, offset.view.data, pre.view});
    CHECK(close(c.view, z2));
    CHECK(close(pre.view, z));
    P::rows(run, a.read(), w.read(), epilogue::bias_activation<square>{c.view, offset.view.data});
    CHECK(close(c.view, z2));
    P::rows(run, a.read(), w.read(), epilogue::bias_residual{c.view, offset.view.data, residual.view});
    CHECK(close(c.view, [&](auto i, auto j) { return z(i, j) + residual.view(i, j); }));
    P::rows(run, a.read(), w.read(), epilogue::residual{c.view, residual.view});
    CHECK(close(c.view, [&](auto i, auto j) { return acc.view(i, j) + residual.view(i, j); }));
    P::rows(run, a.read(), w.read(), epilogue::add{c.view, kernels::gradients::written});
    CHECK(same_bits(c.view, acc.view));
    P::rows(run, a.read(), w.read(), epilogue::activation_gradient<square>{c.view, pre.view});
    CHECK(close(c.view, [&](auto i, auto j) { return acc.view(i, j) * 2 * z(i, j); }));
    CHECK(close(pre.view, z2));
  }
}

/// With groups of the depth, the sums are the tree of the groups' own products, with any number of threads; half of the groups
/// give that half's subtree; and the tree is added once to what stands there.
template <class P>
void check_groups() {
  using namespace bert;
  for (const shape& s : {shape{1, 1, 1}, {3, 33, 20}, {15, 40, 127}, {57, 64, 1025}, {30, 600, 130}, {17, 70, 2600}})
    for (const auto& offsets : ways_to_group(s.k)) {
      CAPTURE(s.m);
      CAPTURE(s.n);
      CAPTURE(s.k);
      CAPTURE(offsets.size());
      const operand a(s.k, s.m, 1, 3), b(s.k, s.n, 2, 5);
      const auto product = [&](const auto& run, std::size_t first, std::size_t rows, const std::vector<std::size_t>& groups) {
        operand c(s.m, s.n, 3, 2);
        P::columns(run, a.read().block(first, rows), b.read().block(first, rows),
                   kernels::epilogue::add{c.view, kernels::gradients::written}, kernels::row_groups{groups});
        return elements(c.view);
      };
      std::vector<std::vector<float>> sums;
      for (std::size_t g = 0; g + 1 < offsets.size(); ++g) {
        const std::size_t rows = offsets[g + 1] - offsets[g];
        sums.push_back(rows == 0 ? std::vector<float>(s.m * s.n, 0.0f)
                                 : product(execution::serial{}, offsets[g], rows, {0, rows}));
      }
      const auto expected = kernels::reference::tree_sum(sums);
      const auto same = [](const std::vector<float>& x, const std::vector<float>& y) {
        return std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
      };
      CHECK(same(product(execution::serial{}, 0, s.k, offsets), expected));
      CHECK(same(product(execution::threads{2}, 0, s.k, offsets), expected));
      CHECK(same(product(execution::threads{3}, 0, s.k, offsets), expected));
      if (offsets.size() > 2) {
        const half_of_groups low(offsets, 0), high(offsets, 1);
        auto both = product(execution::threads{2}, low.first, low.rows, low.offsets);
        const auto other = product(execution::serial{}, high.first, high.rows, high.offsets);
        for (std::size_t i = 0; i < both.size(); ++i) both[i] += other[i];
        CHECK(same(both, expected));
      }
      operand onto(s.m, s.n, 9);
      auto added = elements(onto.view);
      for (std::size_t i = 0; i < added.size(); ++i) added[i] += expected[i];
      P::columns(execution::threads{2}, a.read(), b.read(), kernels::epilogue::add{onto.view}, kernels::row_groups{offsets});
      CHECK(same(elements(onto.view), added));
    }
}

/// All of the above.
template <class P>
void check_products() {
  check_odd_shapes<P>();
  check_rows_alone<P>();
  check_epilogues<P>();
  if constexpr (has_columns<P>) check_groups<P>();
}

}  // namespace support
