// The encoder layer of BERT: self-attention and feed-forward, each followed by residual and norm.
// Layer: layers. Test: tests/unit/layers/post_norm_test.cpp. Papers: Vaswani et al. 2017; Devlin et al. 2019.
//
//   a = attention(x Wqkv^T + bqkv);        m = norm1(x + drop(a Wo^T + bo))
//   f = activation(m Wup^T + bup);         y = norm2(m + drop(f Wdown^T + bdown))
#ifndef BERT_LAYERS_POST_NORM_HPP
#define BERT_LAYERS_POST_NORM_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/kernels/rows/activation.hpp"
#include "bert/kernels/rows/dropout.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/rows/layer_norm.hpp"
#include "bert/layers/attention.hpp"
#include "bert/layers/forward.hpp"
#include "bert/layers/linear.hpp"
#include "bert/layers/module.hpp"
#include "bert/layers/precision.hpp"
#include "bert/layers/step_noise.hpp"
#include "bert/tensor/arena.hpp"

namespace bert::inline BERT_ISA::layers {

/// Stride, in elements, of what products read: even, as a precision may read pairs, and chosen so that a tile's rows do not
/// fall into one set of the first-level cache, where they would be copied. Elements between rows stay zero.
template <class T>
[[nodiscard]] constexpr std::size_t operand_stride(std::size_t cols) noexcept {
  const std::size_t stride = round_up(cols, 2);
  return kernels::detail::rows_collide(stride * sizeof(T) / sizeof(float)) ? stride + alignment / sizeof(T) : stride;
}

/// Stores the rows that a norm writes in an operand of precision P, from the operand's row `first` on.
template <class P>
struct stored_by {
  typename P::operand operand;
  std::size_t first = 0;
  void operator()(std::size_t i, const float* row) const noexcept { P::store_row(operand, first + i, row); }
};

/// epilogue(x W^T), and then(executor, first, last) for ranges of its `n` rows: early if precision P can, else for all at the
/// end.
template <class P, executor E, class Epilogue, class Then>
void multiply_then(const E& e, const typename P::operand& x, const typename P::weight& w, std::size_t n,
                   const Epilogue& epilogue, const Then& then) noexcept {
  if constexpr (requires { P::multiply(e, x, w, epilogue, then); }) {
    P::multiply(e, x, w, epilogue, then);
  } else {
    P::multiply(e, x, w, epilogue);
    then(e, std::size_t{0}, n);
  }
}

/// Stride, in floats, of a matrix on the tape. Whole cache lines: registers that straddle two cost the logits of 30,522 pieces
/// a tenth. Not a multiple of 2 KB: such rows fall into two sets of the first-level cache, loads of one wait for stores to the
/// other, and products must copy them. GELU's derivative then took 27 ms of bert-base's step.
[[nodiscard]] constexpr std::size_t tape_stride(std::size_t cols) noexcept {
  const std::size_t stride = round_up(cols, alignment / sizeof(float));
  return stride % 512 == 0 ? stride + alignment / sizeof(float) : stride;
}

/// The encoder layer of BERT: a module (layers/module.hpp) with policies for activation and attention.
///
/// An encoder layer differs from other modules: `workspace::run` computes y from x [N, H] in place, `tape::forward` into other
/// memory. `workspace::receive(x)` returns the callable to which the norm before passes each row of x. `scratch` is shared by
/// all layers in training. A tape may have `projections`, here q | k | v, which objectives can tap.
template <class Activation, class Attention>
struct post_norm {
  using activation = Activation;
  using attention = Attention;

  enum tensor : std::size_t {
    query_weight,
    key_weight,
    value_weight,
    query_bias,
    key_bias,
    value_bias,
    out_weight,
    out_bias,
    norm1_gain,
    norm1_bias,
    up_weight,
    up_bias,
    down_weight,
    down_bias,
    norm2_gain,
    norm2_bias
  };

  template <class A>
  static constexpr auto parameters() {
    constexpr int h = A::hidden, f = A::intermediate;
    constexpr auto zero_bias = [](std::string_view stem, int n, bool joined = false) {
      return parameter{.stem = stem, .rows = n, .role = role::bias, .initial = initialization::zeros, .joined = joined};
    };
    constexpr auto norm = [=](std::string_view stem, initialization initial) {
      return parameter{.stem = stem, .rows = h, .role = role::norm, .initial = initial};
    };
    return std::array<parameter, 16>{{
        {.stem = "attention.self.query.weight", .rows = h, .cols = h},
        {.stem = "attention.self.key.weight", .rows = h, .cols = h, .joined = true},
        {.stem = "attention.self.value.weight", .rows = h, .cols = h, .joined = true},
        zero_bias("attention.self.query.bias", h),
        zero_bias("attention.self.key.bias", h, true),
        zero_bias("attention.self.value.bias", h, true),
        {.stem = "attention.output.dense.weight", .rows = h, .cols = h},
        zero_bias("attention.output.dense.bias", h),
        norm("attention.output.LayerNorm.weight", initialization::ones),
        norm("attention.output.LayerNorm.bias", initialization::zeros),
        {.stem = "intermediate.dense.weight", .rows = f, .cols = h},
        zero_bias("intermediate.dense.bias", f),
        {.stem = "output.dense.weight", .rows = h, .cols = f},
        zero_bias("output.dense.bias", h),
        norm("output.LayerNorm.weight", initialization::ones),
        norm("output.LayerNorm.bias", initialization::zeros),
    }};
  }

  /// The four weights packed for inference in precision P, and the vectors in f32.
  template <class A, class P = precision::f32>
  struct packed {
    static constexpr std::size_t h = A::hidden, f = A::intermediate;
    typename P::weight qkv, out, up, down;
    const float *qkv_bias, *out_bias, *norm1_gain, *norm1_bias, *up_bias, *down_bias, *norm2_gain, *norm2_bias;

    static constexpr void carve(carver& c, const open_sizes&) noexcept {
      for (const std::size_t n : {P::weight_size(h, 3 * h), P::weight_size(h, h), P::weight_size(h, f), P::weight_size(f, h)})
        c.take(n);
      for (const std::size_t n : {3 * h, h, h, h, f, h, h, h}) c.take(n);
    }

    template <executor E>
    packed(const E& e, carver& c, const module_parameters<const float>& p, const open_sizes&) noexcept
        : qkv(pack(e, c, p.joined(query_weight, 3))),
          out(pack(e, c, p.weight(out_weight))),
          up(pack(e, c, p.weight(up_weight))),
          down(pack(e, c, p.weight(down_weight))),
          qkv_bias(packed_copy(c, p[post_norm::query_bias], 3 * h)),
          out_bias(packed_copy(c, p[post_norm::out_bias], h)),
          norm1_gain(packed_copy(c, p[post_norm::norm1_gain], h)),
          norm1_bias(packed_copy(c, p[post_norm::norm1_bias], h)),
          up_bias(packed_copy(c, p[post_norm::up_bias], f)),
          down_bias(packed_copy(c, p[post_norm::down_bias], h)),
          norm2_gain(packed_copy(c, p[post_norm::norm2_gain], h)),
          norm2_bias(packed_copy(c, p[post_norm::norm2_bias], h)) {}

   private:
    template <executor E>
    static typename P::weight pack(const E& e, carver& c, matrix<const float> w) noexcept {
      return P::pack(e, w, c.take(P::weight_size(w.cols, w.rows)));
    }
  };

  /// Buffers that all layers share in inference.
  template <class A, class P = precision::f32>
  class workspace {
    static constexpr std::size_t h = A::hidden, f = A::intermediate;
    using element = typename P::element;
    using attended = typename P::template attended<A::head_dim>;

   public:
    constexpr workspace(carver& c, const batch_shape& shape, const open_sizes&) noexcept
        : qkv_(c.take<attended>(shape.tokens * 3 * h)),
          middle_(c.take(shape.tokens * h)),
          context_(c.take<element>(shape.tokens * operand_stride<element>(h))),
          wide_(c.take<element>(shape.tokens * operand_stride<element>(f))),
          operand_(c.take(P::template operand_size<float>(shape.tokens, h))),
          inner_operand_(c.take(std::max(P::template operand_size<element>(shape.tokens, h),
                                         P::template operand_size<element>(shape.tokens, f)))) {}

    /// The callable to which the norm before the first layer passes the rows of `x` [N, H].
    [[nodiscard]] auto receive(matrix<const float> x) const noexcept { return stored_by<P>{operand_of(x)}; }

    /// q | k | v of the `n` tokens of the last run [N, 3H], of float or bf16.
    [[nodiscard]] auto projections(std::size_t n) const noexcept {
      return matrix<const typename P::template attended<A::head_dim>>{qkv_, n, 3 * h};
    }

    /// x <- layer(x), `x` [N, H] in place. Pre/post: the operand buffer holds x in precision P.
    template <executor E>
    void run(const E& e, const packed<A, P>& p, const token_run& b, matrix<float> x) const noexcept {
      namespace epi = kernels::epilogue;
      const std::size_t n = x.rows;
      const matrix<typename P::template attended<A::head_dim>> qkv{qkv_, n, 3 * h};
      const matrix<float> middle{middle_, n, h};
      const matrix<element> context{context_, n, h, operand_stride<element>(h)}, wide{wide_, n, f, operand_stride<element>(f)};
      const matrix<const element> read_context = context, read_wide = wide;
      const auto from_x = operand_of(x), from_middle = operand_of(middle);
      const auto norm = [](matrix<float> y, const float* gain, const float* bias, const typename P::operand& to) {
        return [=](const auto& executor, std::size_t first, std::size_t last) {
          const matrix<float> rows = y.block(first, last - first);
          kernels::layer_norm(executor, rows, gain, bias, A::norm_epsilon, rows, nullptr, nullptr, stored_by<P>{to, first});
        };
      };
      const epi::bias_activation<Activation, element> activate{wide, p.up_bias, {}};

      P::multiply(e, from_x, p.qkv, epi::bias{qkv, p.qkv_bias});
      Attention::template run<A::head_dim>(e, matrix<const typename P::template attended<A::head_dim>>{qkv}, b, context);
      multiply_then<P>(e, P::convert(e, read_context, inner_operand_), p.out, n, epi::bias_residual{middle, p.out_bias, x},
                       norm(middle, p.norm1_gain, p.norm1_bias, from_middle));
      const auto from_wide = [&] {
        if constexpr (P::template operand_size<element>(1, 1) != 0) {
          const auto reserved = P::reserve(read_wide, inner_operand_);
          multiply_then<P>(e, from_middle, p.up, n, activate, [&](const auto& executor, std::size_t first, std::size_t last) {
            kernels::for_each_row(executor, last - first, f,
                                  [&](std::size_t i) { P::store_row(reserved, first + i, wide.row(first + i)); });
          });
          return reserved;
        } else {
          P::multiply(e, from_middle, p.up, activate);
          return P::convert(e, read_wide, inner_operand_);
        }
      }();
      multiply_then<P>(e, from_wide, p.down, n, epi::bias_residual{x, p.down_bias, middle},
                       norm(x, p.norm2_gain, p.norm2_bias, from_x));
    }

   private:
    [[nodiscard]] auto operand_of(matrix<const float> x) const noexcept { return P::reserve(x, operand_); }

    attended* qkv_;
    float* middle_;
    element *context_, *wide_;
    // Operands of x and middle, and of context and wide: a product reads one while its epilogue or norm writes the other.
    float *operand_, *inner_operand_;
  };

  /// Buffers that all layers share in training: `wide` holds the activation's value forward and its gradient backward.
  template <class A>
  struct scratch {
    static constexpr std::size_t h = A::hidden, f = A::intermediate;
    float *branch, *d_sum, *d_qkv, *wide, *packed;

    constexpr scratch(carver& c, const batch_shape& shape, const open_sizes&) noexcept
        : branch(c.take(shape.tokens * h)),
          d_sum(c.take(shape.tokens * h)),
          d_qkv(c.take(shape.tokens * 3 * h)),
          wide(c.take(shape.tokens * tape_stride(f))),
          packed(c.take(std::max({linear_scratch(shape.tokens, h, 3 * h, shape), linear_scratch(shape.tokens, h, f, shape),
                                  linear_scratch(shape.tokens, f, h, shape)}))) {}
  };

  /// What the forward pass of one layer keeps for its backward pass: 12 H floats per token for F = 4 H. Its output y is
  /// separate, as it is kept even where activations are recomputed.
  template <class A>
  class tape {
    static constexpr std::size_t h = A::hidden, f = A::intermediate;

   public:
    constexpr tape(carver& c, const batch_shape& shape, const open_sizes&) noexcept : tape(c, shape.tokens) {}

    /// q | k | v of `n` tokens [N, 3H] from the last forward pass.
    [[nodiscard]] matrix<const float> projections(std::size_t n) const noexcept { return {qkv_, n, projection_cols}; }
    static constexpr std::size_t projection_cols = 3 * h;

    /// y = layer(x), recorded on the tape. `x`, `y` [N, H]; `layer` keys the dropout.
    ///
    /// If `rows` (ascending) is not empty, only those rows of y are written. After attention all arithmetic is row by row, so
    /// in masked LM the last layer does five sixths of its work for a sixth of the rows.
    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, const token_run& b, matrix<const float> x,
                 matrix<float> y, const scratch<A>& s, const step_noise& noise, std::uint64_t layer,
                 std::span<const std::uint32_t> rows = {}) const noexcept {
      namespace epi = kernels::epilogue;
      const std::size_t n = x.rows, some = rows.empty() ? n : rows.size();
      const matrix<float> qkv{qkv_, n, 3 * h}, context{context_, n, h}, sum1{sum1_, some, h}, middle{middle_, some, h},
          before{before_, some, f, tape_stride(f)}, wide{s.wide, some, f, tape_stride(f)}, sum2{sum2_, some, h};

      const std::uint64_t row0 = rows.empty() ? noise.before.tokens : noise.before.chosen;
      const auto with_residual = [&](matrix<const float> in, matrix<const float> w, const float* bias,
                                     matrix<const float> residual, matrix<float> sum, std::uint64_t site) {
        if (noise.hidden == 0) return linear_forward(e, in, w, epi::bias_residual{sum, bias, residual}, s.packed);
        linear_forward(e, in, w, epi::bias{sum, bias}, s.packed);
        kernels::add_residual(e, noise.hidden_at(site, row0), sum, residual, sum);
      };

      linear_forward(e, x, p.joined(query_weight, 3), epi::bias{qkv, p[query_bias]}, s.packed);
      Attention::template forward<A::head_dim>(e, qkv, b, context, log_sum_, noise.attention_at(3 * layer, A::heads));
      if (rows.empty()) {
        with_residual(context, p.weight(out_weight), p[out_bias], x, sum1, 3 * layer + 1);
      } else {
        const matrix<float> some_context{s.d_sum, some, h}, some_x{s.branch, some, h};
        kernels::gather_rows(e, context, rows, some_context);
        kernels::gather_rows(e, x, rows, some_x);
        with_residual(some_context, p.weight(out_weight), p[out_bias], some_x, sum1, 3 * layer + 1);
      }
      kernels::layer_norm(e, sum1, p[norm1_gain], p[norm1_bias], A::norm_epsilon, middle, mean1_, rstd1_);
      linear_forward(e, middle, p.weight(up_weight), epi::bias_activation<Activation>{wide, p[up_bias], before}, s.packed);
      with_residual(wide, p.weight(down_weight), p[down_bias], middle, sum2, 3 * layer + 2);
      const matrix<float> some_y = rows.empty() ? y : matrix<float>{s.d_sum, some, h};
      kernels::layer_norm(e, sum2, p[norm2_gain], p[norm2_bias], A::norm_epsilon, some_y, mean2_, rstd2_);
      if (!rows.empty()) kernels::scatter_rows(e, some_y, rows, y);
    }

    /// d <- d_x, given d = d_y [N, H]; adds the gradients of the layer's vectors to `g`, adds or writes those of its weights.
    /// Overwrites the tape. `rows` as in the forward pass; other rows of d_y are ignored.
    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g, const token_run& b,
                  matrix<const float> x, const scratch<A>& s, matrix<float> d, const step_noise& noise, std::uint64_t layer,
                  const backward_pass& pass, std::span<const std::uint32_t> rows = {}) const noexcept {
      namespace epi = kernels::epilogue;
      const kernels::gradients how = pass.how;
      const std::size_t n = x.rows, some = rows.empty() ? n : rows.size();
      const matrix<const float> qkv{qkv_, n, 3 * h}, context{context_, n, h}, sum1{sum1_, some, h}, middle{middle_, some, h},
          sum2{sum2_, some, h};
      const matrix<float> before{before_, some, f, tape_stride(f)}, d_sum{s.d_sum, some, h}, d_qkv{s.d_qkv, n, 3 * h},
          d_wide{s.wide, some, f, tape_stride(f)};
      // Until attention's backward pass, the chosen rows use the memory of d_qkv.
      const matrix<float> some_d = rows.empty() ? d : matrix<float>{s.d_qkv, some, h};
      const matrix<float> some_context{s.d_qkv + n * h, some, h};
      if (!rows.empty()) {
        kernels::gather_rows(e, d, rows, some_d);
        kernels::gather_rows(e, context, rows, some_context);
      }

      const std::uint64_t row0 = rows.empty() ? noise.before.tokens : noise.before.chosen;
      const kernels::row_groups &all = pass.groups.tokens, &groups = rows.empty() ? all : pass.groups.chosen;
      // The gradient of a residual's branch: that of the sum, or a copy of it with dropout.
      const auto branch_of = [&](matrix<float> d_total, std::uint64_t site) -> matrix<const float> {
        if (noise.hidden == 0) return d_total;
        const matrix<float> branch{s.branch, some, h};
        std::copy_n(d_total.data, some * h, branch.data);
        kernels::apply_dropout(e, noise.hidden_at(site, row0), branch);
        return branch;
      };

      kernels::layer_norm_backward(e, sum2, p[norm2_gain], mean2_, rstd2_, some_d, d_sum, g[norm2_gain], g[norm2_bias], groups);
      const auto d_down = branch_of(d_sum, 3 * layer + 2);
      linear_input_gradient(e, p.weight(down_weight), d_down, epi::activation_gradient<Activation>{d_wide, before}, s.packed);
      // `before` now holds the activation's value.
      linear_weight_gradient(e, before, d_down, g.weight(down_weight), g[down_bias], s.packed, how, groups);
      linear_backward(e, middle, p.weight(up_weight), d_wide, g.weight(up_weight), g[up_bias], epi::residual{some_d, d_sum},
                      s.packed, how, groups);

      kernels::layer_norm_backward(e, sum1, p[norm1_gain], mean1_, rstd1_, some_d, d_sum, g[norm1_gain], g[norm1_bias], groups);
      linear_backward(e, rows.empty() ? context : matrix<const float>(some_context), p.weight(out_weight),
                      branch_of(d_sum, 3 * layer + 1), g.weight(out_weight), g[out_bias], epi::store{some_d}, s.packed, how,
                      groups);
      if (!rows.empty()) {
        kernels::clear(e, {d.data, n * h});
        kernels::scatter_rows(e, some_d, rows, d);
      }
      Attention::template backward<A::head_dim>(e, qkv, b, context, log_sum_, d, d_qkv,
                                                noise.attention_at(3 * layer, A::heads));
      if (pass.d_projections.data != nullptr) kernels::add_in_place(e, pass.d_projections, d_qkv);
      linear_weight_gradient(e, x, d_qkv, g.joined(query_weight, 3), g[query_bias], s.packed, how, all);
      if (!pass.input) return;
      if (rows.empty()) {
        linear_input_gradient(e, p.joined(query_weight, 3), d_qkv, epi::residual{d, d_sum}, s.packed);
      } else {
        linear_input_gradient(e, p.joined(query_weight, 3), d_qkv, epi::store{d}, s.packed);
        kernels::scatter_add_rows(e, d_sum, rows, d);
      }
    }

   private:
    constexpr tape(carver& c, std::size_t n) noexcept
        : qkv_(c.take(n * 3 * h)),
          context_(c.take(n * h)),
          sum1_(c.take(n * h)),
          middle_(c.take(n * h)),
          before_(c.take(n * tape_stride(f))),
          sum2_(c.take(n * h)),
          log_sum_(c.take(n * static_cast<std::size_t>(A::heads))),
          mean1_(c.take(n)),
          rstd1_(c.take(n)),
          mean2_(c.take(n)),
          rstd2_(c.take(n)) {}

    float *qkv_, *context_, *sum1_, *middle_, *before_, *sum2_;
    float *log_sum_, *mean1_, *rstd1_, *mean2_, *rstd2_;
  };
};

}  // namespace bert::layers

#endif  // BERT_LAYERS_POST_NORM_HPP
