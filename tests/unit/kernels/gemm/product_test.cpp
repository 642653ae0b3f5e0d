// Layer: tests. Of: include/bert/kernels/gemm/{product,tile,depth}.hpp
#include "bert/kernels/gemm/product.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bert/kernels/gemm/gemm.hpp"
#include "bert/kernels/gemm/gemm_bf16.hpp"
#include "bert/kernels/gemm/gemm_int8.hpp"
#include "bert/kernels/gemm/gradient_bf16.hpp"
#include "bert/kernels/reference/gemm.hpp"
#include "bert/kernels/reference/gradient_bf16.hpp"
#include "bert/kernels/reference/int8.hpp"
#include "support/products.hpp"

using namespace bert;
using namespace bert::kernels;

namespace {

/// c = sums by plain loops in double.
template <class Reference>
void in_double(Reference reference, matrix<const float> a, matrix<const float> b, matrix<float> c) {
  std::vector<double> wide(c.rows * c.cols);
  reference(a, b, matrix<double>{wide.data(), c.rows, c.cols});
  for (std::size_t i = 0; i < c.rows; ++i)
    for (std::size_t j = 0; j < c.cols; ++j) c(i, j) = static_cast<float>(wide[i * c.cols + j]);
}

struct f32_products {
  /// Half a unit in the last place of at most 2 per step, and the rounding of the expected sum.
  static double tolerance(std::size_t k) { return 1.2e-7 * static_cast<double>(k + 1); }
  template <executor E, class Epilogue>
  static void rows(const E& run, matrix<const float> a, matrix<const float> w, const Epilogue& epilogue) {
    buffer<float> memory(packed_size(w.cols, w.rows));
    gemm(run, a, pack_transposed(run, w, memory.data()), epilogue);
  }
  static void rows_reference(matrix<const float> a, matrix<const float> w, matrix<float> c) {
    in_double([](auto... x) { reference::gemm_weight(x...); }, a, w, c);
  }
  template <executor E, class Epilogue>
  static void columns(const E& run, matrix<const float> a, matrix<const float> b, const Epilogue& epilogue,
                      const row_groups& groups) {
    buffer<float> memory(packed_size(b.rows, b.cols));
    gemm_transposed(run, a, pack(run, b, memory.data()), epilogue, groups);
  }
  static void columns_reference(matrix<const float> a, matrix<const float> b, matrix<float> c) {
    in_double(reference::gemm_transposed, a, b, c);
  }
};

struct bf16_products {
  static double tolerance(std::size_t) { return 0; }
  template <executor E, class Epilogue>
  static void rows(const E& run, matrix<const float> a, matrix<const float> w, const Epilogue& epilogue) {
    const std::size_t stride = 2 * bf16_pairs_of(a.cols);
    buffer<bf16> rounded(a.rows * stride);
    std::fill(rounded.begin(), rounded.end(), bf16{});
    for (std::size_t i = 0; i < a.rows; ++i)
      for (std::size_t k = 0; k < a.cols; ++k) rounded[i * stride + k] = reference::to_bf16_normal(a(i, k));
    buffer<float> memory(packed_bf16_size(w.cols, w.rows));
    gemm<bf16_order::pairs>(run, matrix<const bf16>{rounded.data(), a.rows, a.cols, stride},
                            pack_transposed_bf16(run, w, memory.data()), epilogue);
  }
  static void rows_reference(matrix<const float> a, matrix<const float> w, matrix<float> c) {
    for (std::size_t i = 0; i < c.rows; ++i)
      for (std::size_t j = 0; j < c.cols; ++j)
        c(i, j) = reference::sum_of_pairs(
            a.cols, [&](std::size_t k) { return reference::to_bf16_normal(a(i, k)); },
            [&](std::size_t k) { return reference::to_bf16_normal(w(j, k)); });
  }
  template <executor E, class Epilogue>
  static void columns(const E& run, matrix<const float> a, matrix<const float> b, const Epilogue& epilogue,
                      const row_groups& groups) {
    buffer<float> left(bf16_pairs_of(a.rows, groups.count()) * a.cols), right(packed_bf16_size(b.rows, b.cols, groups.count()));
    gemm_transposed(run, pair_rows(run, a, left.data(), groups), pack_bf16(run, b, right.data(), groups), epilogue, groups);
  }
  static void columns_reference(matrix<const float> a, matrix<const float> b, matrix<float> c) {
    reference::gemm_transposed_bf16(a, b, c);
  }
};

template <class Form>
struct int8_products {
  static double tolerance(std::size_t) { return 0; }
  template <executor E, class Epilogue>
  static void rows(const E& run, matrix<const float> a, matrix<const float> w, const Epilogue& epilogue) {
    buffer<float> left(quantized_size(a.rows, a.cols)), right(packed_int8_size(w.cols, w.rows));
    const quantized x(left.data(), a.rows, a.cols);
    quantize<Form>(run, a, x);
    gemm<Form>(run, x, pack_int8(run, w, right.data()), epilogue);
  }
  static void rows_reference(matrix<const float> a, matrix<const float> w, matrix<float> c) {
    const std::size_t m = a.rows, n = w.rows, k = a.cols;
    std::vector<std::int8_t> x(m * k), y(n * k);
    std::vector<std::int64_t> sums(m * n);
    std::vector<float> s(m), t(n);
    for (std::size_t i = 0; i < m; ++i) s[i] = reference::quantize_row(a.row(i), k, x.data() + i * k);
    for (std::size_t j = 0; j < n; ++j) t[j] = reference::quantize_row(w.row(j), k, y.data() + j * k);
    reference::gemm_int8({x.data(), m, k}, {y.data(), n, k}, {sums.data(), m, n});
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j) c(i, j) = static_cast<float>(sums[i * n + j]) * (s[i] * t[j]);
  }
};

}  // namespace

TEST_CASE("f32 products agree with the plain loops, with every epilogue, threads, neighboring rows and groups of the depth") {
  support::check_products<f32_products>();
}

TEST_CASE(
    "bf16 products have the bits of the plain loops, with every epilogue, threads, neighboring rows and groups of the depth") {
  support::check_products<bf16_products>();
}

TEST_CASE("int8 products have the bits of the plain loops, with every epilogue, threads and neighboring rows, in two forms") {
  support::check_products<int8_products<byte_dot::best>>();
  support::check_products<int8_products<byte_dot::portable>>();
}

TEST_CASE("a sum that rounds to -0 becomes +0 beside an empty group, as when replicas add their gradients") {
  // tiny * -tiny + 0 rounds to -0 with one rounding (FMA), and to +0 if the product is rounded first.
  std::array<float, lanes> once;
  store(once.data(), fma(simd(1e-30f), simd(-1e-30f), zero()));
  const std::vector<float> tiny{1e-30f, 1e-30f}, negative{-1e-30f, -1e-30f};
  const std::vector<std::size_t> alone{0, 1}, both{0, 1, 2}, one_empty{0, 1, 1}, other_empty{0, 0, 1};
  const auto sign = [&](std::size_t rows, const std::vector<std::size_t>& groups) {
    float c = 1;
    f32_products::columns(execution::serial{}, matrix<const float>{tiny.data(), rows, 1},
                          matrix<const float>{negative.data(), rows, 1}, epilogue::store{{&c, 1, 1}}, row_groups{groups});
    CHECK(c == 0.0f);
    return std::signbit(c);
  };
  CHECK(sign(1, alone) == std::signbit(once[0]));
  CHECK(sign(2, both) == std::signbit(once[0]));
  CHECK_FALSE(sign(1, one_empty));
  CHECK_FALSE(sign(1, other_empty));
}

TEST_CASE("a product of depth 0 writes zeros, with any groups") {
  for (const auto& offsets : {std::vector<std::size_t>{}, {0, 0}, {0, 0, 0, 0, 0}}) {
    support::operand c(3, 20, 1), d(3, 20, 1);
    f32_products::columns(execution::threads{2}, matrix<const float>{nullptr, 0, 3}, matrix<const float>{nullptr, 0, 20},
                          epilogue::store{c.view}, row_groups{offsets});
    bf16_products::columns(execution::threads{2}, matrix<const float>{nullptr, 0, 3}, matrix<const float>{nullptr, 0, 20},
                           epilogue::store{d.view}, row_groups{offsets});
    CHECK(support::largest_magnitude(support::elements(c.view)) == 0);
    CHECK(support::largest_magnitude(support::elements(d.view)) == 0);
  }
}

namespace {
struct must_not_be_called {
  bool* called;
  void fetch(std::size_t, std::size_t) const noexcept { *called = true; }
  template <class Extent>
  void operator()(std::size_t, std::size_t, simd, Extent) const noexcept {
    *called = true;
  }
};
}  // namespace

TEST_CASE("a product of no rows or no columns calls no epilogue") {
  const std::vector<float> w(40 * 70), a(3 * 70);
  buffer<float> memory(packed_size(70, 40));
  const auto b = pack_transposed(execution::serial{}, matrix<const float>{w.data(), 40, 70}, memory.data());
  bool called = false;
  for (const std::size_t threads : {1u, 2u}) {
    gemm(execution::threads{threads}, matrix<const float>{a.data(), 0, 70}, b, must_not_be_called{&called});
    gemm(execution::threads{threads}, matrix<const float>{a.data(), 3, 70}, packed{memory.data(), 70, 0},
         must_not_be_called{&called});
  }
  CHECK(!called);
}
