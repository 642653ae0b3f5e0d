// One layer of the encoder: self-attention and feed-forward, each with residual and norm after it.
// Layer: layers. Test: tests/unit/layers/encoder_layer_test.cpp. Papers: Vaswani et al. 2017; Devlin et al. 2019.
//
//   a = attention(x Wqkv^T + bqkv);        m = norm1(x + drop(a Wo^T + bo))
//   f = activation(m Wup^T + bup);         y = norm2(m + drop(f Wdown^T + bdown))
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/kernels/attention/attention.hpp"
#include "bert/kernels/attention/attention_backward.hpp"
#include "bert/kernels/rows/dropout.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/rows/layer_norm.hpp"
#include "bert/layers/linear.hpp"
#include "bert/layers/precision.hpp"
#include "bert/layers/step_noise.hpp"
#include "bert/tensor/arena.hpp"

namespace bert::inline BERT_ISA::layers {

/// Pointers to a layer's tensors in a block of parameters (T = const float) or of gradients (T = float).
template <class A, class T>
struct encoder_layer_parameters {
  static constexpr std::size_t h = A::hidden, f = A::intermediate;
  T *qkv_weight, *qkv_bias, *out_weight, *out_bias, *norm1_gain, *norm1_bias, *up_weight, *up_bias, *down_weight, *down_bias,
      *norm2_gain, *norm2_bias;

  [[nodiscard]] matrix<T> qkv() const noexcept { return {qkv_weight, 3 * h, h}; }
  [[nodiscard]] matrix<T> out() const noexcept { return {out_weight, h, h}; }
  [[nodiscard]] matrix<T> up() const noexcept { return {up_weight, f, h}; }
  [[nodiscard]] matrix<T> down() const noexcept { return {down_weight, h, f}; }
};

/// The four weights packed for inference in precision P, and the vectors beside them.
template <class A, class P = precision::f32>
struct packed_encoder_layer {
  static constexpr std::size_t h = A::hidden, f = A::intermediate;
  typename P::weight qkv, out, up, down;
  const float *qkv_bias, *out_bias, *norm1_gain, *norm1_bias, *up_bias, *down_bias, *norm2_gain, *norm2_bias;

  static constexpr void carve(carver& c) noexcept {
    for (const std::size_t n : {P::weight_size(h, 3 * h), P::weight_size(h, h), P::weight_size(h, f), P::weight_size(f, h)})
      c.take(n);
    for (const std::size_t n : {3 * h, h, h, h, f, h, h, h}) c.take(n);
  }

  /// Packs and copies `p` into what `c` hands out, `carve`'s amount.
  template <executor E>
  packed_encoder_layer(const E& e, carver& c, const encoder_layer_parameters<A, const float>& p) noexcept
      : qkv(pack(e, c, p.qkv())),
        out(pack(e, c, p.out())),
        up(pack(e, c, p.up())),
        down(pack(e, c, p.down())),
        qkv_bias(copy(c, p.qkv_bias, 3 * h)),
        out_bias(copy(c, p.out_bias, h)),
        norm1_gain(copy(c, p.norm1_gain, h)),
        norm1_bias(copy(c, p.norm1_bias, h)),
        up_bias(copy(c, p.up_bias, f)),
        down_bias(copy(c, p.down_bias, h)),
        norm2_gain(copy(c, p.norm2_gain, h)),
        norm2_bias(copy(c, p.norm2_bias, h)) {}

 private:
  template <executor E>
  static typename P::weight pack(const E& e, carver& c, matrix<const float> w) noexcept {
    return P::pack(e, w, c.take(P::weight_size(w.cols, w.rows)));
  }
  static const float* copy(carver& c, const float* from, std::size_t n) noexcept { return std::copy_n(from, n, c.take(n)) - n; }
};

/// Elements from one row to the next of what products read: even, as a precision may read pairs, and not such that the rows of
/// a tile fall into one set of the first-level cache, or they would be copied. What lies between rows stays zero.
template <class T>
[[nodiscard]] constexpr std::size_t operand_stride(std::size_t cols) noexcept {
  const std::size_t stride = round_up(cols, 2);
  return kernels::detail::rows_collide(stride * sizeof(T) / sizeof(float)) ? stride + alignment / sizeof(T) : stride;
}

/// Buffers that all layers share in inference.
template <class A, class P = precision::f32>
struct encoder_layer_workspace {
  static constexpr std::size_t h = A::hidden, f = A::intermediate;
  using element = typename P::element;
  using attended = typename P::template attended<A::head_dim>;
  attended* qkv;
  float* middle;
  element *context, *wide;
  float *operand,
      *inner_operand;  ///< of x and middle, and of context and wide: a product reads one while its rows become the other

  constexpr encoder_layer_workspace(carver& c, std::size_t n) noexcept
      : qkv(c.take<attended>(n * 3 * h)),
        middle(c.take(n * h)),
        context(c.take<element>(n * operand_stride<element>(h))),
        wide(c.take<element>(n * operand_stride<element>(f))),
        operand(c.take(P::template operand_size<float>(n, h))),
        inner_operand(c.take(std::max(P::template operand_size<element>(n, h), P::template operand_size<element>(n, f)))) {}

  /// What the norms pass their rows to: the operand of `x` [N, H].
  [[nodiscard]] auto place(matrix<const float> x) const noexcept { return P::place(x, operand); }
};

/// Passes a norm's rows on to an operand of precision P; the norm's first row is the operand's `first`.
template <class P>
struct taken_by {
  typename P::operand operand;
  std::size_t first = 0;
  void operator()(std::size_t i, const float* row) const noexcept { P::take(operand, first + i, row); }
};

/// epilogue(x W^T), then then(executor, first, last) for ranges of its `n` rows: early, if precision P can, or for all at the
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

/// x <- layer(x), `x` [N, H] in place; `w.place(x)` holds x before and after.
template <class A, class P, executor E>
void encoder_layer_forward(const E& e, const packed_encoder_layer<A, P>& p, std::span<const std::size_t> starts,
                           matrix<float> x, const encoder_layer_workspace<A, P>& w) noexcept {
  namespace epi = kernels::epilogue;
  using element = typename P::element;
  constexpr std::size_t h = A::hidden, f = A::intermediate;
  const std::size_t n = x.rows;
  const matrix<typename P::template attended<A::head_dim>> qkv{w.qkv, n, 3 * h};
  const matrix<float> middle{w.middle, n, h};
  const matrix<element> context{w.context, n, h, operand_stride<element>(h)}, wide{w.wide, n, f, operand_stride<element>(f)};
  const matrix<const element> read_context = context, read_wide = wide;
  const auto from_x = w.place(x), from_middle = w.place(middle);
  const auto norm = [](matrix<float> y, const float* gain, const float* bias, const typename P::operand& to) {
    return [=](const auto& executor, std::size_t first, std::size_t last) {
      const matrix<float> rows = y.block(first, last - first);
      kernels::layer_norm(executor, rows, gain, bias, A::norm_epsilon, rows, nullptr, nullptr, taken_by<P>{to, first});
    };
  };
  const epi::bias_activation<typename A::activation, element> activate{wide, p.up_bias, {}};

  P::multiply(e, from_x, p.qkv, epi::bias{qkv, p.qkv_bias});
  kernels::attention<A::head_dim>(e, matrix<const typename P::template attended<A::head_dim>>{qkv}, starts, context);
  multiply_then<P>(e, P::convert(e, read_context, w.inner_operand), p.out, n, epi::bias_residual{middle, p.out_bias, x},
                   norm(middle, p.norm1_gain, p.norm1_bias, from_middle));
  const auto from_wide = [&] {
    if constexpr (P::template operand_size<element>(1, 1) != 0) {
      const auto placed = P::place(read_wide, w.inner_operand);
      multiply_then<P>(e, from_middle, p.up, n, activate, [&](const auto& executor, std::size_t first, std::size_t last) {
        kernels::for_each_row(executor, last - first, f,
                              [&](std::size_t i) { P::take(placed, first + i, wide.row(first + i)); });
      });
      return placed;
    } else {
      P::multiply(e, from_middle, p.up, activate);
      return P::convert(e, read_wide, w.inner_operand);
    }
  }();
  multiply_then<P>(e, from_wide, p.down, n, epi::bias_residual{x, p.down_bias, middle},
                   norm(x, p.norm2_gain, p.norm2_bias, from_x));
}

/// Floats from one row of a matrix on the tape to the next. Whole cache lines: registers that straddle two cost the logits of
/// 30,522 pieces a tenth. Rows a multiple of 2 KB apart fall into two sets of the first-level cache, loads of one wait for
/// stores to the last, and products must copy them: GELU's derivative took 27 ms of bert-base's step that way.
[[nodiscard]] constexpr std::size_t tape_stride(std::size_t cols) noexcept {
  const std::size_t stride = round_up(cols, alignment / sizeof(float));
  return stride % 512 == 0 ? stride + alignment / sizeof(float) : stride;
}

/// What the forward pass of one layer leaves for its backward pass: 12 H floats a token where F = 4 H. `y`, its output, is
/// apart: it lives on where the rest is computed again.
template <class A>
struct encoder_layer_tape {
  static constexpr std::size_t h = A::hidden, f = A::intermediate;
  float *qkv, *context, *sum1, *middle, *before, *sum2;
  float *log_sum, *mean1, *rstd1, *mean2, *rstd2;

  constexpr encoder_layer_tape(carver& c, std::size_t n) noexcept
      : qkv(c.take(n * 3 * h)),
        context(c.take(n * h)),
        sum1(c.take(n * h)),
        middle(c.take(n * h)),
        before(c.take(n * tape_stride(f))),
        sum2(c.take(n * h)),
        log_sum(c.take(n * static_cast<std::size_t>(A::heads))),
        mean1(c.take(n)),
        rstd1(c.take(n)),
        mean2(c.take(n)),
        rstd2(c.take(n)) {}
};

/// Buffers that all layers share in training: `wide` holds the activation's value forward and its gradient backward.
template <class A>
struct encoder_layer_scratch {
  static constexpr std::size_t h = A::hidden, f = A::intermediate;
  float *branch, *d_sum, *d_qkv, *wide, *packed;

  constexpr encoder_layer_scratch(carver& c, std::size_t n) noexcept
      : branch(c.take(n * h)),
        d_sum(c.take(n * h)),
        d_qkv(c.take(n * 3 * h)),
        wide(c.take(n * tape_stride(f))),
        packed(c.take(std::max({linear_scratch(n, h, 3 * h), linear_scratch(n, h, f), linear_scratch(n, f, h)}))) {}
};

/// y = layer(x), kept on the tape. `x`, `y` [N, H]; `layer` keys the dropout.
///
/// If `rows` is not empty, y is wanted in those rows alone, in ascending order, and the others are left as they are: behind
/// attention everything goes row by row, so the last layer of masked LM does five sixths of its work for a sixth of the rows.
template <class A, executor E>
void encoder_layer_forward(const E& e, const encoder_layer_parameters<A, const float>& p, std::span<const std::size_t> starts,
                           matrix<const float> x, const encoder_layer_tape<A>& t, matrix<float> y,
                           const encoder_layer_scratch<A>& s, const step_noise& noise, std::uint64_t layer,
                           std::span<const std::uint32_t> rows = {}) noexcept {
  namespace epi = kernels::epilogue;
  constexpr std::size_t h = A::hidden, f = A::intermediate;
  const std::size_t n = x.rows, some = rows.empty() ? n : rows.size();
  const matrix<float> qkv{t.qkv, n, 3 * h}, context{t.context, n, h}, sum1{t.sum1, some, h}, middle{t.middle, some, h},
      before{t.before, some, f, tape_stride(f)}, wide{s.wide, some, f, tape_stride(f)}, sum2{t.sum2, some, h};

  const auto with_residual = [&](matrix<const float> in, matrix<const float> w, const float* bias, matrix<const float> residual,
                                 matrix<float> sum, std::uint64_t site) {
    if (noise.hidden == 0) return linear_forward(e, in, w, epi::bias_residual{sum, bias, residual}, s.packed);
    linear_forward(e, in, w, epi::bias{sum, bias}, s.packed);
    kernels::add_residual(e, noise.hidden_at(site), sum, residual, sum);
  };

  linear_forward(e, x, p.qkv(), epi::bias{qkv, p.qkv_bias}, s.packed);
  kernels::attention<A::head_dim>(e, qkv, starts, context, t.log_sum, noise.attention_at(3 * layer));
  if (rows.empty()) {
    with_residual(context, p.out(), p.out_bias, x, sum1, 3 * layer + 1);
  } else {
    const matrix<float> some_context{s.d_sum, some, h}, some_x{s.branch, some, h};
    kernels::gather_rows(e, context, rows, some_context);
    kernels::gather_rows(e, x, rows, some_x);
    with_residual(some_context, p.out(), p.out_bias, some_x, sum1, 3 * layer + 1);
  }
  kernels::layer_norm(e, sum1, p.norm1_gain, p.norm1_bias, A::norm_epsilon, middle, t.mean1, t.rstd1);
  linear_forward(e, middle, p.up(), epi::bias_activation<typename A::activation>{wide, p.up_bias, before}, s.packed);
  with_residual(wide, p.down(), p.down_bias, middle, sum2, 3 * layer + 2);
  const matrix<float> some_y = rows.empty() ? y : matrix<float>{s.d_sum, some, h};
  kernels::layer_norm(e, sum2, p.norm2_gain, p.norm2_bias, A::norm_epsilon, some_y, t.mean2, t.rstd2);
  if (!rows.empty()) kernels::scatter_rows(e, some_y, rows, y);
}

/// d <- d_x, given d = d_y [N, H]; adds the gradients of the layer's vectors to `g`, adds or writes those of its weights. Uses
/// the tape up. `rows` as in the forward pass; of d_y, only those count.
template <class A, executor E>
void encoder_layer_backward(const E& e, const encoder_layer_parameters<A, const float>& p,
                            const encoder_layer_parameters<A, float>& g, std::span<const std::size_t> starts,
                            matrix<const float> x, const encoder_layer_tape<A>& t, const encoder_layer_scratch<A>& s,
                            matrix<float> d, const step_noise& noise, std::uint64_t layer, kernels::gradients how,
                            std::span<const std::uint32_t> rows = {}) noexcept {
  namespace epi = kernels::epilogue;
  constexpr std::size_t h = A::hidden, f = A::intermediate;
  const std::size_t n = x.rows, some = rows.empty() ? n : rows.size();
  const matrix<const float> qkv{t.qkv, n, 3 * h}, context{t.context, n, h}, sum1{t.sum1, some, h}, middle{t.middle, some, h},
      sum2{t.sum2, some, h};
  const matrix<float> before{t.before, some, f, tape_stride(f)}, d_sum{s.d_sum, some, h}, d_qkv{s.d_qkv, n, 3 * h},
      d_wide{s.wide, some, f, tape_stride(f)};
  // Until attention's turn, the rows that count lie where d_qkv will.
  const matrix<float> some_d = rows.empty() ? d : matrix<float>{s.d_qkv, some, h};
  const matrix<float> some_context{s.d_qkv + n * h, some, h};
  if (!rows.empty()) {
    kernels::gather_rows(e, d, rows, some_d);
    kernels::gather_rows(e, context, rows, some_context);
  }

  // The branch's share of a sum's gradient: the gradient itself, or a dropped copy of it.
  const auto branch_of = [&](matrix<float> d_total, std::uint64_t site) -> matrix<const float> {
    if (noise.hidden == 0) return d_total;
    const matrix<float> branch{s.branch, some, h};
    std::copy_n(d_total.data, some * h, branch.data);
    kernels::apply_dropout(e, noise.hidden_at(site), branch);
    return branch;
  };

  kernels::layer_norm_backward(e, sum2, p.norm2_gain, t.mean2, t.rstd2, some_d, d_sum, g.norm2_gain, g.norm2_bias);
  const auto d_down = branch_of(d_sum, 3 * layer + 2);
  linear_input_gradient(e, p.down(), d_down, epi::activation_gradient<typename A::activation>{d_wide, before}, s.packed);
  linear_weight_gradient(e, before, d_down, g.down(), g.down_bias, s.packed, how);  // `before` is the activation's value now
  linear_backward(e, middle, p.up(), d_wide, g.up(), g.up_bias, epi::residual{some_d, d_sum}, s.packed, how);

  kernels::layer_norm_backward(e, sum1, p.norm1_gain, t.mean1, t.rstd1, some_d, d_sum, g.norm1_gain, g.norm1_bias);
  linear_backward(e, rows.empty() ? context : matrix<const float>(some_context), p.out(), branch_of(d_sum, 3 * layer + 1),
                  g.out(), g.out_bias, epi::store{some_d}, s.packed, how);
  if (!rows.empty()) {
    kernels::clear(e, {d.data, n * h});
    kernels::scatter_rows(e, some_d, rows, d);
  }
  kernels::attention_backward<A::head_dim>(e, qkv, starts, context, t.log_sum, d, d_qkv, noise.attention_at(3 * layer));
  if (rows.empty()) {
    linear_backward(e, x, p.qkv(), d_qkv, g.qkv(), g.qkv_bias, epi::residual{d, d_sum}, s.packed, how);
  } else {
    linear_backward(e, x, p.qkv(), d_qkv, g.qkv(), g.qkv_bias, epi::store{d}, s.packed, how);
    kernels::scatter_add_rows(e, d_sum, rows, d);
  }
}

}  // namespace bert::layers
