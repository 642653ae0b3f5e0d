// Descriptions of the kernels that work row by row: activations, layer norm, softmax, cross-entropy, dropout, sums.
// Layer: tests
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/kernels/loss/cross_entropy.hpp"
#include "bert/kernels/reference/activation.hpp"
#include "bert/kernels/reference/cross_entropy.hpp"
#include "bert/kernels/reference/dropout.hpp"
#include "bert/kernels/reference/elementwise.hpp"
#include "bert/kernels/reference/layer_norm.hpp"
#include "bert/kernels/reference/softmax.hpp"
#include "bert/kernels/rows/activation.hpp"
#include "bert/kernels/rows/dropout.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/kernels/rows/layer_norm.hpp"
#include "bert/kernels/rows/softmax.hpp"
#include "support/kernels/arrays.hpp"

namespace bert::test {

/// A kernel over [rows, cols]; costs are per element, for the benchmark.
struct row_kernel {
  std::size_t rows = 1, cols = 1;

  [[nodiscard]] std::string label() const { return cat(rows, " x ", cols); }
  [[nodiscard]] std::size_t count() const { return rows * cols; }
  template <class T>
  [[nodiscard]] matrix<const T> shaped(const array<T>& x) const {
    return {x.data(), rows, cols};
  }
  template <class T>
  [[nodiscard]] matrix<T> shaped(array<T>& x) const {
    return {x.data(), rows, cols};
  }
  static bool adds(std::size_t) { return false; }
  static bool has_gradient(std::size_t) { return true; }
};

template <class A>
struct activation_kernel : row_kernel {
  [[nodiscard]] sizes inputs() const { return {count()}; }
  [[nodiscard]] sizes outputs() const { return {count()}; }
  [[nodiscard]] double bytes() const { return 8.0 * static_cast<double>(count()); }
  [[nodiscard]] double backward_bytes() const { return 12.0 * static_cast<double>(count()); }

  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    kernels::activate<A>(e, shaped(in[0]), shaped(out[0]));
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    kernels::reference::activate<A>(shaped(in[0]), shaped(out[0]));
  }
  template <executor E>
  void backward(const E& e, const arrays<float>& in, const arrays<float>& d_out, arrays<float>& d_in) const {
    d_in[0] = d_out[0];
    kernels::activate_backward<A>(e, shaped(in[0]), shaped(d_in[0]));
  }
  template <class T>
  void reference_backward(const arrays<T>& in, const arrays<T>& d_out, arrays<T>& d_in) const {
    d_in[0] = d_out[0];
    kernels::reference::activate_backward<A>(shaped(in[0]), shaped(d_in[0]));
  }
};

struct layer_norm_kernel : row_kernel {
  static constexpr float epsilon = 1e-12f;
  array<float> mean{}, rstd{};
  std::vector<std::size_t> groups{};  ///< of the sums over rows

  [[nodiscard]] sizes inputs() const { return {count(), cols, cols}; }
  [[nodiscard]] sizes outputs() const { return {count()}; }
  [[nodiscard]] double bytes() const { return 8.0 * static_cast<double>(count()); }
  [[nodiscard]] double backward_bytes() const { return 12.0 * static_cast<double>(count()); }
  static bool adds(std::size_t input) { return input != 0; }

  template <executor E>
  void save(const E& e, const arrays<float>& in) {
    mean.resize(rows);
    rstd.resize(rows);
    array<float> y(count());
    kernels::layer_norm(e, shaped(in[0]), in[1].data(), in[2].data(), epsilon, shaped(y), mean.data(), rstd.data());
  }

  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    kernels::layer_norm(e, shaped(in[0]), in[1].data(), in[2].data(), epsilon, shaped(out[0]), nullptr, nullptr);
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    kernels::reference::layer_norm(shaped(in[0]), in[1].data(), in[2].data(), T(epsilon), shaped(out[0]),
                                   static_cast<T*>(nullptr), static_cast<T*>(nullptr));
  }
  template <executor E>
  void backward(const E& e, const arrays<float>& in, const arrays<float>& d_out, arrays<float>& d_in) const {
    kernels::layer_norm_backward(e, shaped(in[0]), in[1].data(), mean.data(), rstd.data(), shaped(d_out[0]), shaped(d_in[0]),
                                 d_in[1].data(), d_in[2].data(), kernels::row_groups{groups});
  }
  template <class T>
  void reference_backward(const arrays<T>& in, const arrays<T>& d_out, arrays<T>& d_in) const {
    array<T> means(rows), scales(rows), y(count());
    kernels::reference::layer_norm(shaped(in[0]), in[1].data(), in[2].data(), T(epsilon), shaped(y), means.data(),
                                   scales.data());
    kernels::reference::layer_norm_backward(shaped(in[0]), in[1].data(), means.data(), scales.data(), shaped(d_out[0]),
                                            shaped(d_in[0]), d_in[1].data(), d_in[2].data());
  }
};

struct softmax_kernel : row_kernel {
  [[nodiscard]] sizes inputs() const { return {count()}; }
  [[nodiscard]] sizes outputs() const { return {count()}; }
  [[nodiscard]] double bytes() const { return 8.0 * static_cast<double>(count()); }

  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    kernels::softmax_rows(e, shaped(in[0]), shaped(out[0]));
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    kernels::reference::softmax_rows(shaped(in[0]), shaped(out[0]));
  }
};

/// Every fourth row is ignored.
struct cross_entropy_kernel : row_kernel {
  static constexpr float output_gradient = 0.375f;

  [[nodiscard]] sizes inputs() const { return {count()}; }
  [[nodiscard]] sizes outputs() const { return {rows}; }
  [[nodiscard]] double bytes() const { return 8.0 * static_cast<double>(count()); }
  [[nodiscard]] double backward_bytes() const { return 8.0 * static_cast<double>(count()); }
  [[nodiscard]] std::vector<std::int32_t> targets() const {
    std::vector<std::int32_t> all(rows);
    for (std::size_t m = 0; m < rows; ++m) all[m] = m % 4 == 3 ? -1 : static_cast<std::int32_t>(m * 7 % cols);
    return all;
  }

  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    kernels::cross_entropy(e, shaped(in[0]), targets(), out[0].data(), nullptr, {}, 0.0f);
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    kernels::reference::cross_entropy(shaped(in[0]), targets(), out[0].data(), nullptr, matrix<T>{}, T(0));
  }
  template <executor E>
  void backward(const E& e, const arrays<float>& in, const arrays<float>&, arrays<float>& d_in) const {
    array<float> losses(rows);
    std::vector<std::int32_t> predicted(rows);
    kernels::cross_entropy(e, shaped(in[0]), targets(), losses.data(), predicted.data(), shaped(d_in[0]), output_gradient);
  }
  template <class T>
  void reference_backward(const arrays<T>& in, const arrays<T>&, arrays<T>& d_in) const {
    array<T> losses(rows);
    kernels::reference::cross_entropy(shaped(in[0]), targets(), losses.data(), nullptr, shaped(d_in[0]), T(output_gradient));
  }
};

/// out = residual + drop(branch)
struct residual_kernel : row_kernel {
  kernels::dropout drop{.rate = 0.25f, .key = 11};

  [[nodiscard]] sizes inputs() const { return {count(), count()}; }
  [[nodiscard]] sizes outputs() const { return {count()}; }
  [[nodiscard]] double bytes() const { return 12.0 * static_cast<double>(count()); }

  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    kernels::add_residual(e, drop, shaped(in[0]), shaped(in[1]), shaped(out[0]));
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    kernels::reference::add_residual(drop, shaped(in[0]), shaped(in[1]), shaped(out[0]));
  }
  template <executor E>
  void backward(const E& e, const arrays<float>&, const arrays<float>& d_out, arrays<float>& d_in) const {
    d_in[0] = d_in[1] = d_out[0];
    kernels::apply_dropout(e, drop, shaped(d_in[0]));
  }
  template <class T>
  void reference_backward(const arrays<T>&, const arrays<T>& d_out, arrays<T>& d_in) const {
    d_in[0] = d_in[1] = d_out[0];
    kernels::reference::apply_dropout(drop, shaped(d_in[0]));
  }
};

/// The pooler's tanh.
struct tanh_kernel : row_kernel {
  [[nodiscard]] sizes inputs() const { return {count()}; }
  [[nodiscard]] sizes outputs() const { return {count()}; }

  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    out[0] = in[0];
    kernels::tanh_forward(e, shaped(out[0]));
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    out[0] = in[0];
    kernels::reference::tanh_forward(shaped(out[0]));
  }
  template <executor E>
  void backward(const E& e, const arrays<float>& in, const arrays<float>& d_out, arrays<float>& d_in) const {
    arrays<float> y(1);
    forward(e, in, y);
    d_in[0] = d_out[0];
    kernels::tanh_backward(e, shaped(std::as_const(y[0])), shaped(d_in[0]));
  }
  template <class T>
  void reference_backward(const arrays<T>& in, const arrays<T>& d_out, arrays<T>& d_in) const {
    arrays<T> y(1);
    reference(in, y);
    d_in[0] = d_out[0];
    kernels::reference::tanh_backward(shaped(std::as_const(y[0])), shaped(d_in[0]));
  }
};

/// y = x + bias on every row: its backward pass is the column sum.
struct bias_kernel : row_kernel {
  std::vector<std::size_t> groups{};  ///< of the sums over rows

  [[nodiscard]] sizes inputs() const { return {cols}; }
  [[nodiscard]] sizes outputs() const { return {count()}; }
  [[nodiscard]] double backward_bytes() const { return 4.0 * static_cast<double>(count()); }
  static bool adds(std::size_t) { return true; }

  template <executor E>
  void forward(const E&, const arrays<float>& in, arrays<float>& out) const {
    reference(in, out);
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    for (std::size_t i = 0; i < count(); ++i) out[0][i] = in[0][i % cols];
  }
  template <executor E>
  void backward(const E& e, const arrays<float>&, const arrays<float>& d_out, arrays<float>& d_in) const {
    kernels::column_sums(e, shaped(d_out[0]), d_in[0].data(), kernels::row_groups{groups});
  }
  template <class T>
  void reference_backward(const arrays<T>&, const arrays<T>& d_out, arrays<T>& d_in) const {
    kernels::reference::column_sums(shaped(d_out[0]), d_in[0].data());
  }
};

/// Every third row, taken out; back, added in.
struct gather_kernel : row_kernel {
  [[nodiscard]] std::vector<std::uint32_t> taken() const {
    std::vector<std::uint32_t> all;
    for (std::size_t m = 0; m < rows; m += 3) all.push_back(static_cast<std::uint32_t>(m));
    return all;
  }
  [[nodiscard]] sizes inputs() const { return {count()}; }
  [[nodiscard]] sizes outputs() const { return {taken().size() * cols}; }
  static bool adds(std::size_t) { return true; }

  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    kernels::gather_rows(e, shaped(in[0]), taken(), {out[0].data(), taken().size(), cols});
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    kernels::reference::gather_rows(shaped(in[0]), taken(), matrix<T>{out[0].data(), taken().size(), cols});
  }
  template <executor E>
  void backward(const E& e, const arrays<float>&, const arrays<float>& d_out, arrays<float>& d_in) const {
    kernels::scatter_add_rows(e, {d_out[0].data(), taken().size(), cols}, taken(), shaped(d_in[0]));
  }
  template <class T>
  void reference_backward(const arrays<T>&, const arrays<T>& d_out, arrays<T>& d_in) const {
    kernels::reference::scatter_add_rows(matrix<const T>{d_out[0].data(), taken().size(), cols}, taken(), shaped(d_in[0]));
  }
};

}  // namespace bert::test
