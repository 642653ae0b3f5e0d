// docs/architecture.md, "How to add a kernel", as a program: the root mean square norm of Zhang and Sennrich 2019, without
// gain.
#include <doctest/doctest.h>

#include <cmath>

#include "bert/core/execution.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/view.hpp"
#include "support/kernel_description.hpp"
#include "support/kernels/row_kernels.hpp"

namespace guide {

using bert::matrix;
using namespace bert::kernels;

// The reference: plain loops over any scalar, so that its gradient can be checked by central differences in double.
template <class T>
void rms_norm_reference(matrix<const T> x, matrix<T> y) {
  for (std::size_t m = 0; m < x.rows; ++m) {
    T squares = 0;
    for (std::size_t i = 0; i < x.cols; ++i) squares += x(m, i) * x(m, i);
    for (std::size_t i = 0; i < x.cols; ++i) y(m, i) = x(m, i) / std::sqrt(squares / static_cast<T>(x.cols));
  }
}
template <class T>
void rms_norm_backward_reference(matrix<const T> x, matrix<const T> d_y, matrix<T> d_x) {
  for (std::size_t m = 0; m < x.rows; ++m) {
    T squares = 0, along = 0;
    for (std::size_t i = 0; i < x.cols; ++i) squares += x(m, i) * x(m, i), along += x(m, i) * d_y(m, i);
    const T r = 1 / std::sqrt(squares / static_cast<T>(x.cols));
    for (std::size_t i = 0; i < x.cols; ++i) d_x(m, i) = r * (d_y(m, i) - x(m, i) * along / squares);
  }
}

// The kernel: threads split rows, registers split a row; the order of a row's sums does not depend on other rows.
/// y[m,:] = x[m,:] / sqrt(mean(x[m,:]^2)); writes `y`, which may be `x`. [M, N]
template <bert::executor E>
void rms_norm(const E& e, matrix<const float> x, matrix<float> y) noexcept {
  for_each_row(e, x.rows, x.cols, [&](std::size_t m) {
    simd squares = zero();
    for_each_register(x.cols, [&, row = x.row(m)](std::size_t i, auto extent) {
      const simd v = load(row + i, extent);  // lanes beyond the row are zeros
      squares = fma(v, v, squares);
    });
    const simd r(1.0f / std::sqrt(sum(squares) / static_cast<float>(x.cols)));
    for_each_register(x.cols, [&, from = x.row(m), to = y.row(m)](std::size_t i, auto extent) {
      store(to + i, load(from + i, extent) * r, extent);
    });
  });
}
/// d_x[m,:] = r (d_y[m,:] - x[m,:] sum(x d_y) / sum(x^2)), r as above; writes `d_x`, which may be `d_y`.
template <bert::executor E>
void rms_norm_backward(const E& e, matrix<const float> x, matrix<const float> d_y, matrix<float> d_x) noexcept {
  for_each_row(e, x.rows, x.cols, [&](std::size_t m) {
    simd squares = zero(), along = zero();
    for_each_register(x.cols, [&, row = x.row(m), d = d_y.row(m)](std::size_t i, auto extent) {
      const simd v = load(row + i, extent);
      squares = fma(v, v, squares);
      along = fma(v, load(d + i, extent), along);
    });
    const float total = sum(squares);
    const simd r(1.0f / std::sqrt(total / static_cast<float>(x.cols))), share(-sum(along) / total);
    for_each_register(x.cols, [&, row = x.row(m), d = d_y.row(m), to = d_x.row(m)](std::size_t i, auto extent) {
      store(to + i, r * fma(load(row + i, extent), share, load(d + i, extent)), extent);
    });
  });
}

// The description, from which test, gradient check, determinism check and benchmark are made.
struct rms_norm_kernel : bert::test::row_kernel {
  [[nodiscard]] bert::test::sizes inputs() const { return {count()}; }
  [[nodiscard]] bert::test::sizes outputs() const { return {count()}; }

  template <bert::executor E>
  void forward(const E& e, const bert::test::arrays<float>& in, bert::test::arrays<float>& out) const {
    rms_norm(e, shaped(in[0]), shaped(out[0]));
  }
  template <class T>
  void reference(const bert::test::arrays<T>& in, bert::test::arrays<T>& out) const {
    rms_norm_reference(shaped(in[0]), shaped(out[0]));
  }
  template <bert::executor E>
  void backward(const E& e, const bert::test::arrays<float>& in, const bert::test::arrays<float>& d_out,
                bert::test::arrays<float>& d_in) const {
    rms_norm_backward(e, shaped(in[0]), shaped(d_out[0]), shaped(d_in[0]));
  }
  template <class T>
  void reference_backward(const bert::test::arrays<T>& in, const bert::test::arrays<T>& d_out,
                          bert::test::arrays<T>& d_in) const {
    rms_norm_backward_reference(shaped(in[0]), shaped(d_out[0]), shaped(d_in[0]));
  }
};

}  // namespace guide

TEST_CASE("a kernel written outside the library passes the library's own checks from one description") {
  for (const auto& [rows, cols] : {std::array<std::size_t, 2>{2, 3}, {3, 7}, {5, 200}, {40, 768}})
    bert::test::check_kernel(guide::rms_norm_kernel{{rows, cols}});
}
