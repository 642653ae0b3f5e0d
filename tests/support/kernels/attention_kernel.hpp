// Description of attention over ragged sequences.
// Layer: tests
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/kernels/attention/attention.hpp"
#include "bert/kernels/attention/attention_backward.hpp"
#include "bert/kernels/reference/attention.hpp"
#include "support/kernels/arrays.hpp"

namespace bert::test {

template <int HeadDim>
struct attention_kernel {
  std::vector<std::size_t> starts{0};
  std::size_t heads = 1;
  kernels::dropout drop{};
  array<float> context, log_sum;  // what the forward pass leaves for the backward one

  attention_kernel(std::vector<std::size_t> lengths, std::size_t heads_, kernels::dropout drop_ = {})
      : heads(heads_), drop(drop_) {
    for (const auto length : lengths) starts.push_back(starts.back() + length);
  }

  [[nodiscard]] std::size_t tokens() const { return starts.back(); }
  [[nodiscard]] std::size_t hidden() const { return heads * static_cast<std::size_t>(HeadDim); }
  [[nodiscard]] std::string label() const {
    return cat(starts.size() - 1, " sequences, ", tokens(), " tokens, ", heads, " heads of ", HeadDim);
  }
  [[nodiscard]] sizes inputs() const { return {tokens() * 3 * hidden()}; }
  /// The context, and the log-sums, by which there is no gradient.
  [[nodiscard]] sizes outputs() const { return {tokens() * hidden()}; }
  static bool adds(std::size_t) { return false; }
  static bool has_gradient(std::size_t) { return true; }
  /// Multiplications and additions of q k^T and p v.
  [[nodiscard]] double flops() const { return 2 * products(); }
  /// … and, q k^T computed again, of d_v, d_p, d_q, d_k.
  [[nodiscard]] double backward_flops() const { return 5 * products(); }
  [[nodiscard]] double products() const {
    double all = 0;
    for (std::size_t s = 0; s + 1 < starts.size(); ++s) {
      const auto length = static_cast<double>(starts[s + 1] - starts[s]);
      all += 2 * length * length * static_cast<double>(hidden());
    }
    return all;
  }

  template <class T>
  [[nodiscard]] matrix<const T> wide(const array<T>& x, std::size_t times) const {
    return {x.data(), tokens(), times * hidden()};
  }
  template <class T>
  [[nodiscard]] matrix<T> wide(array<T>& x, std::size_t times) const {
    return {x.data(), tokens(), times * hidden()};
  }

  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    kernels::attention<HeadDim>(e, wide(in[0], 3), starts, wide(out[0], 1), nullptr, drop);
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    kernels::reference::attention(HeadDim, wide(in[0], 3), starts, wide(out[0], 1), static_cast<T*>(nullptr), drop);
  }
  template <executor E>
  void save(const E& e, const arrays<float>& in) {
    context.resize(tokens() * hidden());
    log_sum.resize(tokens() * heads);
    kernels::attention<HeadDim>(e, wide(in[0], 3), starts, wide(context, 1), log_sum.data(), drop);
  }
  template <executor E>
  void backward(const E& e, const arrays<float>& in, const arrays<float>& d_out, arrays<float>& d_in) const {
    kernels::attention_backward<HeadDim>(e, wide(in[0], 3), starts, wide(context, 1), log_sum.data(), wide(d_out[0], 1),
                                         wide(d_in[0], 3), drop);
  }
  template <class T>
  void reference_backward(const arrays<T>& in, const arrays<T>& d_out, arrays<T>& d_in) const {
    array<T> y(tokens() * hidden()), sums(tokens() * heads);
    kernels::reference::attention(HeadDim, wide(in[0], 3), starts, wide(y, 1), sums.data(), drop);
    kernels::reference::attention_backward(HeadDim, wide(in[0], 3), starts, sums.data(), wide(d_out[0], 1), wide(d_in[0], 3),
                                           drop);
  }
};

}  // namespace bert::test
