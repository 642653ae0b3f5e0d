// Descriptions of the optimizers' kernels but AdamW's.
// Layer: tests
#pragma once

#include <cstddef>
#include <string>

#include "bert/core/error.hpp"
#include "bert/kernels/reference/optimizers.hpp"
#include "support/kernels/arrays.hpp"

namespace bert::test {

/// Inputs: gradient, v, p. Outputs: v, p.
struct sgd_kernel {
  std::size_t count;
  kernels::sgd_step step{.rate = 1e-2f, .decay = 0.1f, .gradient_scale = 0.5f};

  [[nodiscard]] std::string label() const { return cat(count); }
  [[nodiscard]] sizes inputs() const { return {count, count, count}; }
  [[nodiscard]] sizes outputs() const { return {count, count}; }
  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    out[0] = in[1], out[1] = in[2];
    kernels::sgd(e, step, in[0], out[0], out[1]);
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    out[0] = in[1], out[1] = in[2];
    kernels::reference::sgd<T>(step, in[0], out[0], out[1]);
  }
};

/// Inputs: gradient, m, p. Outputs: m, p.
struct lion_kernel {
  std::size_t count;
  kernels::lion_step step{.rate = 1e-2f, .decay = 0.1f, .gradient_scale = 0.5f};

  [[nodiscard]] std::string label() const { return cat(count); }
  [[nodiscard]] sizes inputs() const { return {count, count, count}; }
  [[nodiscard]] sizes outputs() const { return {count, count}; }
  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    out[0] = in[1], out[1] = in[2];
    kernels::lion(e, step, in[0], out[0], out[1]);
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    out[0] = in[1], out[1] = in[2];
    kernels::reference::lion<T>(step, in[0], out[0], out[1]);
  }
};

/// Inputs: gradient, m, the root of v, p. Outputs: m, v, p.
struct lamb_kernel {
  std::size_t count;
  kernels::trust_ratio trust = kernels::trust_ratio::norms;
  kernels::adamw_step step{.rate = 1e-2f, .decay = 0.1f, .correction1 = 0.19f, .correction2 = 0.002f, .gradient_scale = 0.5f};

  [[nodiscard]] std::string label() const { return cat(count); }
  [[nodiscard]] sizes inputs() const { return {count, count, count, count}; }
  [[nodiscard]] sizes outputs() const { return {count, count, count}; }
  template <class T>
  static void start(const arrays<T>& in, arrays<T>& out) {
    out[0] = in[1];
    for (std::size_t i = 0; i < in[2].size(); ++i) out[1][i] = in[2][i] * in[2][i];
    out[2] = in[3];
  }
  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    start(in, out);
    kernels::lamb(e, step, trust, in[0], out[0], out[1], out[2]);
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    start(in, out);
    kernels::reference::lamb<T>(step, trust, in[0], out[0], out[1], out[2]);
  }
};

/// Inputs: gradient, the roots of the mean squares of rows and of columns (0 columns: a vector), p. Outputs: both, p.
struct adafactor_kernel {
  std::size_t rows, columns;
  kernels::adafactor_step step{.rate = 1e-2f, .decay = 0.1f, .beta2 = 0.7f, .threshold = 0.5f, .gradient_scale = 0.5f};

  [[nodiscard]] std::string label() const { return cat(rows, " x ", columns); }
  [[nodiscard]] std::size_t count() const { return columns == 0 ? rows : rows * columns; }
  [[nodiscard]] sizes inputs() const { return {count(), rows, columns, count()}; }
  [[nodiscard]] sizes outputs() const { return {rows, columns, count()}; }
  template <class T>
  static void start(const arrays<T>& in, arrays<T>& out) {
    for (const std::size_t i : {0u, 1u})
      for (std::size_t j = 0; j < out[i].size(); ++j) out[i][j] = in[i + 1][j] * in[i + 1][j];
    out[2] = in[3];
  }
  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    start(in, out);
    if (columns == 0) kernels::adafactor(e, step, in[0], out[0], out[2]);
    else
      kernels::adafactor(e, step, matrix<const float>{in[0].data(), rows, columns}, out[0], out[1],
                         matrix<float>{out[2].data(), rows, columns});
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    start(in, out);
    kernels::reference::adafactor<T>(step, in[0], out[0], out[1], out[2]);
  }
};

}  // namespace bert::test
