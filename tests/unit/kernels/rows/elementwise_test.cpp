// Layer: tests. Of: include/bert/kernels/rows/{elementwise,for_each}.hpp
#include "bert/kernels/rows/elementwise.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <vector>

#include "support/kernel_description.hpp"
#include "support/kernels/row_kernels.hpp"

using namespace bert;
using namespace bert::test;

TEST_CASE("column sums, gathered rows and the pooler's tanh agree with the plain loops") {
  for (const auto& [rows, cols] : {std::array<std::size_t, 2>{1, 1}, {3, 7}, {200, 72}, {33, 130}, {1000, 768}}) {
    check_kernel(bias_kernel{{rows, cols}});
    check_kernel(gather_kernel{{rows, cols}});
    check_kernel(tanh_kernel{{rows, cols}});
  }
}

TEST_CASE("adding one matrix to another does not write between rows") {
  const auto x = random_arrays<float>({5 * 90}, 3)[0];
  array<float> y(5 * 90, 1.0f);
  kernels::add_in_place(execution::serial{}, matrix<const float>{x.data(), 5, 77, 90}, matrix<float>{y.data(), 5, 77, 90});
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == (i % 90 < 77 ? 1.0f + x[i] : 1.0f));
}

TEST_CASE("rows gathered and scattered back are unchanged, and no other row is written") {
  const std::size_t cols = 37;
  const auto x = random_arrays<float>({20 * cols}, 3)[0];
  const std::vector<std::uint32_t> rows{0, 3, 4, 19};
  array<float> some(rows.size() * cols), y(20 * cols, 7.0f);
  const matrix<const float> from{x.data(), 20, cols};
  kernels::gather_rows(execution::threads{2}, from, rows, matrix<float>{some.data(), rows.size(), cols});
  kernels::scatter_rows(execution::threads{2}, matrix<const float>{some.data(), rows.size(), cols}, rows,
                        matrix<float>{y.data(), 20, cols});
  for (std::size_t i = 0; i < 20; ++i)
    for (std::size_t j = 0; j < cols; ++j)
      CHECK(y[i * cols + j] == (std::find(rows.begin(), rows.end(), i) == rows.end() ? 7.0f : x[i * cols + j]));
}

TEST_CASE("clearing writes zeros and nothing beyond") {
  array<float> x(300'001, 3.0f);
  kernels::clear(execution::threads{2}, std::span(x).first(300'000));
  CHECK(std::count(x.begin(), x.end(), 0.0f) == 300'000);
  CHECK(x.back() == 3.0f);
}

TEST_CASE("the squared norm is right to 1e-6 and the same bits for one, two and three threads") {
  for (const std::size_t n : {0u, 1u, 15u, 4096u, 4097u, 100'003u, 5'000'000u}) {
    CAPTURE(n);
    const auto x = random_arrays<float>({n}, 5)[0];
    const double expected = kernels::reference::squared_norm<float>(x), got = kernels::squared_norm(execution::serial{}, x);
    CHECK(got == doctest::Approx(expected).epsilon(1e-6));
    for (const std::size_t t : {1u, 2u, 3u})
      CHECK(std::bit_cast<std::uint64_t>(kernels::squared_norm(execution::threads{t}, x)) == std::bit_cast<std::uint64_t>(got));
  }
}

TEST_CASE("scaling multiplies every element once") {
  array<float> x(20'001, 3.0f);
  kernels::scale(execution::threads{2}, x, 0.5f);
  CHECK(std::count(x.begin(), x.end(), 1.5f) == 20'001);
}

TEST_CASE("ranges cover every index once, for any step") {
  for (const std::size_t count : {0u, 1u, 63u, 64u, 65u, 1000u})
    for (const std::size_t step : {1u, 7u, 64u, 5000u}) {
      std::vector<std::atomic<int>> seen(count);
      kernels::for_each_range(execution::threads{2}, count, step, [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) seen[i].fetch_add(1);
      });
      CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& n) { return n.load() == 1; }));
    }
}
