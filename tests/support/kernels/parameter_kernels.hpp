// Descriptions of the kernels over tables and parameters: embeddings, AdamW.
// Layer: tests
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/kernels/optimizer/adamw.hpp"
#include "bert/kernels/reference/adamw.hpp"
#include "bert/kernels/reference/embedding.hpp"
#include "bert/kernels/rows/embedding.hpp"
#include "support/kernels/arrays.hpp"

namespace bert::test {

/// Ids repeat within and across sequences, so that gradients collide.
struct embedding_kernel {
  std::size_t hidden, vocabulary;
  std::vector<std::size_t> starts{0};
  std::vector<token_id> ids;
  std::vector<segment_id> segments;
  std::size_t longest = 0;
  std::vector<std::size_t> groups{};  ///< of the sums over rows

  embedding_kernel(std::vector<std::size_t> lengths, std::size_t hidden_, std::size_t vocabulary_)
      : hidden(hidden_), vocabulary(vocabulary_) {
    random_stream random(3, draw::user);
    for (const auto length : lengths) {
      starts.push_back(starts.back() + length);
      longest = std::max(longest, length);
      for (std::size_t i = 0; i < length; ++i) {
        ids.push_back(static_cast<token_id>(random.below(static_cast<std::uint32_t>(vocabulary))));
        segments.push_back(i > length / 2 ? segment_id{1} : segment_id{0});
      }
    }
  }

  [[nodiscard]] std::string label() const {
    return cat(starts.size() - 1, " sequences, ", ids.size(), " tokens, hidden ", hidden);
  }
  [[nodiscard]] sizes inputs() const { return {vocabulary * hidden, longest * hidden, 2 * hidden}; }
  [[nodiscard]] sizes outputs() const { return {ids.size() * hidden}; }
  [[nodiscard]] double bytes() const { return 8.0 * static_cast<double>(ids.size() * hidden); }
  static bool adds(std::size_t) { return true; }
  static bool has_gradient(std::size_t) { return true; }

  template <class X>
  [[nodiscard]] auto shaped(X& x) const {
    using T = std::remove_pointer_t<decltype(x.data())>;
    return matrix<T>{x.data(), x.size() / hidden, hidden};
  }
  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    kernels::embed(e, ids, segments, starts, shaped(in[0]), shaped(in[1]), shaped(in[2]), shaped(out[0]));
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    kernels::reference::embed(ids, segments, starts, shaped(in[0]), shaped(in[1]), shaped(in[2]), shaped(out[0]));
  }
  template <executor E>
  void backward(const E& e, const arrays<float>&, const arrays<float>& d_out, arrays<float>& d_in) const {
    kernels::embed_backward(e, ids, segments, starts, shaped(d_out[0]), shaped(d_in[0]), shaped(d_in[1]), shaped(d_in[2]),
                            kernels::row_groups{groups});
  }
  template <class T>
  void reference_backward(const arrays<T>&, const arrays<T>& d_out, arrays<T>& d_in) const {
    kernels::reference::embed_backward(ids, segments, starts, shaped(d_out[0]), shaped(d_in[0]), shaped(d_in[1]),
                                       shaped(d_in[2]));
  }
};

/// Inputs: gradient, m, the root of v, p. Outputs: m, v, p.
struct adamw_kernel {
  std::size_t count;
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
    kernels::adamw(e, step, in[0], out[0], out[1], out[2]);
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    start(in, out);
    kernels::reference::adamw<T>(step, in[0], out[0], out[1], out[2]);
  }
};

}  // namespace bert::test
