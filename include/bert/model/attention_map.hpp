// The attention probabilities of one layer for one sequence, for inspection; the attention kernel never stores them.
// Layer: model. Test: tests/unit/model/attention_map_test.cpp. Paper: Vaswani et al. 2017, 3.2.
//
//   p[a,i,j] = softmax_j(q[a,i,:] . k[a,j,:] / sqrt(D))
#ifndef BERT_MODEL_ATTENTION_MAP_HPP
#define BERT_MODEL_ATTENTION_MAP_HPP

#include <cmath>
#include <cstddef>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/kernels/rows/softmax.hpp"
#include "bert/model/session.hpp"

namespace bert::inline BERT_ISA {

/// Probabilities [A, T, T] of one layer: row i of head a has the weights of all tokens' values in token i's context.
class attention_probabilities {
 public:
  attention_probabilities(std::size_t heads, std::size_t tokens)
      : heads_(heads), tokens_(tokens), values_(heads * tokens * tokens) {}

  [[nodiscard]] std::size_t heads() const noexcept { return heads_; }
  [[nodiscard]] std::size_t tokens() const noexcept { return tokens_; }
  /// Head `a`: [T, T], each row sums to 1.
  [[nodiscard]] matrix<const float> operator[](std::size_t a) const noexcept {
    return {values_.data() + a * tokens_ * tokens_, tokens_, tokens_};
  }
  [[nodiscard]] matrix<float> operator[](std::size_t a) noexcept {
    return {values_.data() + a * tokens_ * tokens_, tokens_, tokens_};
  }

 private:
  std::size_t heads_, tokens_;
  buffer<float> values_;
};

/// The attention of layer `layer` (from 0) over `batch`, which holds one sequence. Plain loops, not optimized. Throws
/// bert::error unless `batch` is one sequence and the layer exists, and wherever a session throws.
template <class A, class... Heads>
[[nodiscard]] attention_probabilities attention_map(const frozen<model<A, Heads...>, precision::f32>& f,
                                                    const token_batch& batch, std::size_t layer) {
  constexpr std::size_t h = A::hidden, d = A::head_dim;
  if (batch.sequences() != 1)
    throw_error({"bert::attention_map", "one sequence", cat(batch.sequences()), "ask for one sequence after the other"});
  if (layer >= std::size_t{A::layers})
    throw_error({"bert::attention_map", cat("a layer from 0 to ", A::layers - 1), cat(layer), {}});
  detail::check_batch<A>(batch, f.sizes().vocab, "bert::attention_map");

  const std::size_t n = batch.tokens();
  const execution::serial e;
  using workspace = typename A::layer_module::template workspace<A>;
  using embedding_workspace = typename A::embedding_module::template workspace<A>;
  const batch_shape shape = detail::complete<model<A>>(batch.shape());
  carver count;
  (void)workspace(count, shape, f.sizes());
  (void)embedding_workspace(count, shape, f.sizes());
  buffer<float> shared(count.used()), hidden(n * h), projected(n * 3 * h);
  carver carve{shared.data()};
  const workspace work(carve, shape, f.sizes());
  const embedding_workspace embeddings(carve, shape, f.sizes());
  const matrix<float> x{hidden.data(), n, h}, qkv{projected.data(), n, 3 * h};

  embeddings.run(e, f.embeddings(), batch, x, work.receive(x));
  for (std::size_t l = 0; l < layer; ++l) work.run(e, f.layer(l), batch, x);
  kernels::gemm(e, x, f.layer(layer).qkv, kernels::epilogue::bias{qkv, f.layer(layer).qkv_bias});

  attention_probabilities p(A::heads, n);
  for (std::size_t a = 0; a < p.heads(); ++a) {
    const matrix<const float> q = qkv.columns(a * d, d), k = qkv.columns(h + a * d, d);
    const matrix<float> out = p[a];
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        float dot = 0;
        for (std::size_t c = 0; c < d; ++c) dot += q(i, c) * k(j, c);
        out(i, j) = dot / std::sqrt(static_cast<float>(d));
      }
    kernels::softmax_rows(e, matrix<const float>(out), out);
  }
  return p;
}

}  // namespace bert

#endif  // BERT_MODEL_ATTENTION_MAP_HPP
