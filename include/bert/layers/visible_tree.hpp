// Knowledge in a sequence: attention over a visible tree, and embeddings at soft positions.
// Layer: layers. Test: tests/unit/layers/visible_tree_test.cpp. Paper: Liu et al. 2020, "K-BERT".
#ifndef BERT_LAYERS_VISIBLE_TREE_HPP
#define BERT_LAYERS_VISIBLE_TREE_HPP

#include <cstddef>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/kernels/attention/tree_attention.hpp"
#include "bert/layers/embeddings.hpp"
#include "bert/layers/module.hpp"
#include "bert/tensor/token_batch.hpp"

namespace bert::inline BERT_ISA::attention {

/// The trunk sees the trunk, an entity sees its branches, a branch sees itself and its entity: the tree that a batch's marks
/// describe (kernels::for_each_visible). bert::data::injector writes them. Without marks, every token sees every token.
///
///     struct knowing : bert::architecture_of<bert::dims{…}, bert::layers::post_norm<bert::activation::gelu_erf,
///     bert::attention::visible_tree>,
///                                            bert::layers::soft_embeddings> {};
struct visible_tree {
  template <int HeadDim, executor E, class In, class Out>
  static void run(const E& e, matrix<const In> qkv, const token_run& run, matrix<Out> context) noexcept {
    kernels::tree_attention<HeadDim>(e, qkv, run.starts, run.marks, context);
  }
  template <int HeadDim, executor E>
  static void forward(const E& e, matrix<const float> qkv, const token_run& run, matrix<float> context, float* log_sum,
                      kernels::dropout drop) noexcept {
    kernels::tree_attention<HeadDim>(e, qkv, run.starts, run.marks, context, log_sum, drop);
  }
  template <int HeadDim, executor E>
  static void backward(const E& e, matrix<const float> qkv, const token_run& run, matrix<const float> context,
                       const float* log_sum, matrix<const float> d_context, matrix<float> d_qkv,
                       kernels::dropout drop) noexcept {
    kernels::tree_attention_backward<HeadDim>(e, qkv, run.starts, run.marks, context, log_sum, d_context, d_qkv, drop);
  }
};

}  // namespace bert::attention

namespace bert::inline BERT_ISA::layers {

/// positions[n] = the trunk tokens before n in its sequence; in a branch, those before the branch and its tokens before n: a
/// branch goes on where its entity ends, and the trunk as if there were none.
inline void soft_positions(const token_run& b, std::span<token_id> positions) noexcept {
  const std::size_t origin = b.starts.front();
  for (std::size_t s = 0; s + 1 < b.starts.size(); ++s) {
    token_id trunk = 0, next = 0;
    for (std::size_t n = b.starts[s] - origin; n < b.starts[s + 1] - origin; ++n) {
      const std::int32_t mark = b.marks.empty() ? 0 : b.marks[n];
      if (mark == 0) positions[n] = trunk++;
      else positions[n] = mark > 0 || n + origin == b.starts[s] || b.marks[n - 1] == 0 ? (next = trunk) : ++next;
    }
  }
}

/// BERT's embeddings at soft positions: a module (layers/module.hpp) with the tensors of `embeddings`, and its output where a
/// batch has no marks.
struct soft_embeddings : embeddings {
  template <class A, class P = precision::f32>
  class workspace {
   public:
    constexpr workspace(carver& c, const batch_shape& shape, const open_sizes&) noexcept
        : positions_(c.take<token_id>(shape.tokens)) {}

    template <executor E, class Then = kernels::leave_row>
    void run(const E& e, const packed<A, P>& p, const token_run& b, matrix<float> y, const Then& then = {}) const noexcept {
      const std::span<token_id> positions{positions_, b.ids.size()};
      soft_positions(b, positions);
      kernels::embed_at(e, b.ids, b.segments, positions, p.word, p.position, p.segment, y);
      kernels::layer_norm(e, y, p.norm_gain, p.norm_bias, A::norm_epsilon, y, nullptr, nullptr, then);
    }

   private:
    token_id* positions_;
  };

  template <class A>
  class tape {
   public:
    constexpr tape(carver& c, const batch_shape& s, const open_sizes&) noexcept
        : positions_(c.take<token_id>(s.tokens)),
          sum_(c.take(s.tokens * A::hidden)),
          mean_(c.take(s.tokens)),
          rstd_(c.take(s.tokens)),
          y_(c.take(s.tokens * A::hidden)) {}

    [[nodiscard]] matrix<float> output(std::size_t n) const noexcept { return {y_, n, A::hidden}; }

    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, const token_run& b,
                 const step_noise& noise) const noexcept {
      const std::size_t n = b.ids.size();
      const std::span<token_id> positions{positions_, n};
      soft_positions(b, positions);
      const matrix<float> sum{sum_, n, A::hidden};
      kernels::embed_at(e, b.ids, b.segments, positions, p.weight(word), p.weight(position), p.weight(segment), sum);
      kernels::layer_norm(e, sum, p[norm_gain], p[norm_bias], A::norm_epsilon, output(n), mean_, rstd_);
      kernels::apply_dropout(e, noise.hidden_at(site), output(n));
    }
    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g, const token_run& b,
                  matrix<float> d, const step_noise& noise, const kernels::row_groups& groups = {}) const noexcept {
      const matrix<const float> sum{sum_, b.ids.size(), A::hidden};
      kernels::apply_dropout(e, noise.hidden_at(site), d);
      kernels::layer_norm_backward(e, sum, p[norm_gain], mean_, rstd_, d, d, g[norm_gain], g[norm_bias], groups);
      kernels::embed_backward(e, b.ids, b.segments, b.starts, d, g.weight(word), {}, g.weight(segment), groups);
      // A position is looked up as a word is.
      kernels::embed_backward(e, std::span<const token_id>{positions_, b.ids.size()}, b.segments, b.starts, d,
                              g.weight(position), {}, {}, groups);
    }

   private:
    token_id* positions_;
    float *sum_, *mean_, *rstd_, *y_;
  };
};

}  // namespace bert::layers

#endif  // BERT_LAYERS_VISIBLE_TREE_HPP
