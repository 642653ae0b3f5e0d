// Descriptions of the kernels in bert/kernels/loss that have options.
// Layer: tests
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bert/kernels/loss/binary_cross_entropy.hpp"
#include "bert/kernels/loss/class_cross_entropy.hpp"
#include "bert/kernels/reference/cross_entropy.hpp"
#include "support/kernels/row_kernels.hpp"

namespace bert::test {

/// Positive weights, no two alike; those of the reference are the same numbers.
template <class T>
[[nodiscard]] array<T> made_up_weights(std::size_t count) {
  array<T> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = static_cast<T>(0.25f + 0.125f * static_cast<float>(i * 5 % 13));
  return all;
}

struct class_cross_entropy_kernel : cross_entropy_kernel {
  float smoothing = 0, gamma = 0;
  bool weighted = false;

  [[nodiscard]] std::string label() const { return cat(row_kernel::label(), " ", smoothing, " ", gamma, " ", weighted); }
  template <class T>
  [[nodiscard]] array<T> weights() const {
    return made_up_weights<T>(weighted ? cols : 0);
  }

  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    const auto w = weights<float>();
    kernels::class_cross_entropy(e, shaped(in[0]), targets(), out[0].data(), nullptr, {}, 0.0f, {smoothing, w, gamma});
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    const auto w = weights<T>();
    kernels::reference::class_cross_entropy<T>(shaped(in[0]), targets(), out[0].data(), nullptr, matrix<T>{}, T(0),
                                               T(smoothing), w, T(gamma));
  }
  template <executor E>
  void backward(const E& e, const arrays<float>& in, const arrays<float>&, arrays<float>& d_in) const {
    const auto w = weights<float>();
    array<float> losses(rows);
    std::vector<std::int32_t> predicted(rows);
    kernels::class_cross_entropy(e, shaped(in[0]), targets(), losses.data(), predicted.data(), shaped(d_in[0]), output_gradient,
                                 {smoothing, w, gamma});
  }
  template <class T>
  void reference_backward(const arrays<T>& in, const arrays<T>&, arrays<T>& d_in) const {
    const auto w = weights<T>();
    array<T> losses(rows);
    kernels::reference::class_cross_entropy<T>(shaped(in[0]), targets(), losses.data(), nullptr, shaped(d_in[0]),
                                               T(output_gradient), T(smoothing), w, T(gamma));
  }
};

struct binary_cross_entropy_kernel : row_kernel {
  static constexpr float output_gradient = 0.375f;
  bool weighted = false;

  [[nodiscard]] sizes inputs() const { return {count()}; }
  [[nodiscard]] sizes outputs() const { return {rows}; }
  /// 0, 1, a share, and unknown.
  template <class T>
  [[nodiscard]] array<T> targets() const {
    array<T> all(count());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i % 7 == 6 ? T(-1) : i % 7 == 5 ? T(0.25f) : T(i % 3 == 0 ? 1 : 0);
    return all;
  }
  template <class T>
  [[nodiscard]] array<T> weights() const {
    return made_up_weights<T>(weighted ? cols : 0);
  }

  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    const auto y = targets<float>(), w = weights<float>();
    kernels::binary_cross_entropy(e, shaped(in[0]), shaped(y), w, out[0].data(), {}, 0.0f);
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    const auto y = targets<T>(), w = weights<T>();
    kernels::reference::binary_cross_entropy<T>(shaped(in[0]), shaped(y), w, out[0].data(), matrix<T>{}, T(0));
  }
  template <executor E>
  void backward(const E& e, const arrays<float>& in, const arrays<float>&, arrays<float>& d_in) const {
    const auto y = targets<float>(), w = weights<float>();
    array<float> losses(rows);
    kernels::binary_cross_entropy(e, shaped(in[0]), shaped(y), w, losses.data(), shaped(d_in[0]), output_gradient);
  }
  template <class T>
  void reference_backward(const arrays<T>& in, const arrays<T>&, arrays<T>& d_in) const {
    const auto y = targets<T>(), w = weights<T>();
    array<T> losses(rows);
    kernels::reference::binary_cross_entropy<T>(shaped(in[0]), shaped(y), w, losses.data(), shaped(d_in[0]),
                                                T(output_gradient));
  }
};

}  // namespace bert::test
