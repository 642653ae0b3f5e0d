// Description of the kernel that scores spans.
// Layer: tests
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/kernels/loss/span_cross_entropy.hpp"
#include "bert/kernels/reference/span_cross_entropy.hpp"
#include "support/kernels/arrays.hpp"

namespace bert::test {

/// Sequences of these lengths; every fourth is ignored.
struct span_cross_entropy_kernel {
  std::vector<std::size_t> lengths{1};
  static constexpr float output_gradient = 0.375f;

  [[nodiscard]] std::string label() const { return cat(lengths.size(), " x ", lengths.front()); }
  [[nodiscard]] std::vector<std::size_t> starts() const {
    std::vector<std::size_t> all{0};
    for (const std::size_t n : lengths) all.push_back(all.back() + n);
    return all;
  }
  [[nodiscard]] std::size_t rows() const { return starts().back(); }
  [[nodiscard]] std::vector<token_span> spans() const {
    std::vector<token_span> all;
    for (std::size_t s = 0; s < lengths.size(); ++s) {
      const std::size_t first = s * 7 % lengths[s], last = first + s * 5 % (lengths[s] - first);
      if (s % 4 == 3) all.push_back({});
      else all.push_back({static_cast<std::int32_t>(first), static_cast<std::int32_t>(last)});
    }
    return all;
  }
  [[nodiscard]] sizes inputs() const { return {2 * rows()}; }
  [[nodiscard]] sizes outputs() const { return {lengths.size()}; }
  [[nodiscard]] double bytes() const { return 8.0 * static_cast<double>(2 * rows()); }
  [[nodiscard]] double backward_bytes() const { return bytes(); }
  static bool adds(std::size_t) { return false; }
  static bool has_gradient(std::size_t) { return true; }

  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    kernels::span_cross_entropy(e, {in[0].data(), rows(), 2}, starts(), spans(), out[0].data(), nullptr, {}, 0.0f);
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    kernels::reference::span_cross_entropy<T>({in[0].data(), rows(), 2}, starts(), spans(), out[0].data(), nullptr, {}, T(0));
  }
  template <executor E>
  void backward(const E& e, const arrays<float>& in, const arrays<float>&, arrays<float>& d_in) const {
    array<float> losses(lengths.size());
    std::vector<token_span> predicted(lengths.size());
    kernels::span_cross_entropy(e, {in[0].data(), rows(), 2}, starts(), spans(), losses.data(), predicted.data(),
                                {d_in[0].data(), rows(), 2}, output_gradient);
  }
  template <class T>
  void reference_backward(const arrays<T>& in, const arrays<T>&, arrays<T>& d_in) const {
    array<T> losses(lengths.size());
    kernels::reference::span_cross_entropy<T>({in[0].data(), rows(), 2}, starts(), spans(), losses.data(), nullptr,
                                              {d_in[0].data(), rows(), 2}, T(output_gradient));
  }
};

}  // namespace bert::test
