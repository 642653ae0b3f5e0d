// Layer: tests. Of: include/bert/kernels/rows/softmax.hpp
#include "bert/kernels/rows/softmax.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "support/kernel_description.hpp"
#include "support/kernels/row_kernels.hpp"

using namespace bert;
using namespace bert::test;

namespace {

struct softmax_with_gradient : softmax_kernel {
  template <executor E>
  void backward(const E&, const arrays<float>& in, const arrays<float>& d_out, arrays<float>& d_in) const {
    reference_backward(in, d_out, d_in);
  }
  template <class T>
  void reference_backward(const arrays<T>& in, const arrays<T>& d_out, arrays<T>& d_in) const {
    arrays<T> y = filled<T>(outputs(), T(0));
    reference(in, y);
    kernels::reference::softmax_rows_backward(shaped(std::as_const(y[0])), shaped(d_out[0]), shaped(d_in[0]));
  }
};

}  // namespace

TEST_CASE("softmax agrees with the plain loops for any width") {
  for (const auto& [rows, cols] : {std::array<std::size_t, 2>{1, 1}, {3, 2}, {5, 17}, {40, 128}, {9, 1003}, {31, 31}})
    check_kernel(softmax_kernel{{rows, cols}});
}

TEST_CASE("softmax of huge and of hugely different logits is finite") {
  const array<float> x{1e4f, 0.0f, -1e30f};
  array<float> y(3);
  kernels::softmax_rows(execution::serial{}, {x.data(), 1, 3}, {y.data(), 1, 3});
  CHECK(y[0] == 1.0f);
  CHECK(y[1] <= 1.2e-38f);
  CHECK(y[2] <= 1.2e-38f);
}

TEST_CASE("a logit beyond what exp can hold takes the whole share, wherever it stands") {
  for (const std::size_t cols : {1u, 3u, 16u, 37u})
    for (std::size_t at = 0; at < cols; ++at) {
      CAPTURE(cols);
      CAPTURE(at);
      array<float> x(cols, -2.0f), y(cols);
      x[at] = 300.0f;
      kernels::softmax_rows(execution::serial{}, {x.data(), 1, cols}, {y.data(), 1, cols});
      for (std::size_t i = 0; i < cols; ++i) CHECK(y[i] == doctest::Approx(i == at ? 1.0f : 0.0f));
    }
}

TEST_CASE("the reference's softmax gradient is its slope") { gradient_is_the_slope(softmax_with_gradient{{{3, 11}}}); }

TEST_CASE("a number added to all logits changes no share, however large it is") {
  const array<float> low{1.0f, 2.0f, 3.0f, 4.5f}, high{1001.0f, 1002.0f, 1003.0f, 1004.5f};
  array<float> a(4), b(4);
  kernels::softmax_rows(execution::serial{}, {low.data(), 1, 4}, {a.data(), 1, 4});
  kernels::softmax_rows(execution::serial{}, {high.data(), 1, 4}, {b.data(), 1, 4});
  for (std::size_t i = 0; i < 4; ++i) CHECK(a[i] == b[i]);
}
