// Layer: tests. Of: include/bert/kernels/rows/unit_rows.hpp
#include "bert/kernels/rows/unit_rows.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "bert/kernels/reference/unit_rows.hpp"
#include "support/kernel_description.hpp"
#include "support/kernels/row_kernels.hpp"

namespace {

using namespace bert;        // NOLINT
using namespace bert::test;  // NOLINT

struct unit_rows_kernel : row_kernel {
  [[nodiscard]] sizes inputs() const { return {count()}; }
  [[nodiscard]] sizes outputs() const { return {count(), rows}; }

  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    kernels::unit_rows(e, shaped(in[0]), shaped(out[0]), out[1].data());
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    kernels::reference::unit_rows(shaped(in[0]), shaped(out[0]), out[1].data());
  }
};

struct unit_rows_gradient : row_kernel {
  [[nodiscard]] sizes inputs() const { return {count()}; }
  [[nodiscard]] sizes outputs() const { return {count()}; }

  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    array<float> inverse(rows);
    kernels::unit_rows(e, shaped(in[0]), shaped(out[0]), inverse.data());
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    array<T> inverse(rows);
    kernels::reference::unit_rows(shaped(in[0]), shaped(out[0]), inverse.data());
  }
  template <executor E>
  void backward(const E& e, const arrays<float>& in, const arrays<float>& d_out, arrays<float>& d_in) const {
    array<float> y(count()), inverse(rows);
    kernels::unit_rows(e, shaped(in[0]), shaped(y), inverse.data());
    d_in[0] = d_out[0];
    kernels::unit_rows_backward(e, shaped(std::as_const(y)), inverse.data(), shaped(d_in[0]));
  }
  template <class T>
  void reference_backward(const arrays<T>& in, const arrays<T>& d_out, arrays<T>& d_in) const {
    array<T> y(count()), inverse(rows);
    kernels::reference::unit_rows(shaped(in[0]), shaped(y), inverse.data());
    d_in[0] = d_out[0];
    kernels::reference::unit_rows_backward(shaped(std::as_const(y)), inverse.data(), shaped(d_in[0]));
  }
};

}  // namespace

TEST_CASE("rows of unit length, their factors and their gradients are those of plain loops in double") {
  for (const auto& [rows, cols] : {std::pair{1u, 1u}, {3u, 5u}, {7u, 16u}, {40u, 33u}, {2u, 768u}}) {
    check_kernel(unit_rows_kernel{{rows, cols}});
    check_kernel(unit_rows_gradient{{rows, cols}});
  }
}

TEST_CASE("a row of zeros stays one") {
  std::array<float, 20> x{};
  float inverse = 0;
  kernels::unit_rows(execution::serial{}, matrix<const float>{x.data(), 1, 20}, matrix<float>{x.data(), 1, 20}, &inverse);
  CHECK(inverse == 1e12f);
  for (const float v : x) CHECK(v == 0.0f);
}

TEST_CASE("add_scaled adds to whole registers and to the rest, and to nothing else") {
  for (const std::size_t n : {1u, 15u, 16u, 37u}) {
    std::vector<float> x(n + 1, 3.0f), y(n + 1, 1.0f);
    kernels::add_scaled(-2.0f, x.data(), y.data(), n);
    for (std::size_t i = 0; i < n; ++i) CHECK(y[i] == -5.0f);
    CHECK(y[n] == 1.0f);
    CHECK(kernels::dot_product(x.data(), y.data(), n) == -15.0f * static_cast<float>(n));
  }
}
