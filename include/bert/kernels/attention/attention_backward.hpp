// Self-attention over ragged sequences, backward: probabilities are recomputed block by block from their log-sums.
// Layer: kernels. Test: tests/unit/kernels/attention/attention_test.cpp. Paper: Dao et al. 2022, "FlashAttention", algorithm 4.
#ifndef BERT_KERNELS_ATTENTION_ATTENTION_BACKWARD_HPP
#define BERT_KERNELS_ATTENTION_ATTENTION_BACKWARD_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/attention/attention.hpp"
#include "bert/kernels/attention/block_product.hpp"
#include "bert/kernels/rows/dropout.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {
namespace detail {

/// Calls out(i, d, x, extent) with x = sum_k a[i,k] b[k, d..] for i < rows and every register of the HeadDim columns of b.
template <std::size_t HeadDim, class Out>
inline void head_product(std::size_t rows, std::size_t depth, left_operand a, const float* b, std::size_t b_stride,
                         Out&& out) noexcept {
  constexpr std::size_t registers = (HeadDim + lanes - 1) / lanes, panels = (registers + block_registers - 1) / block_registers;
  constexpr auto ending = [] {
    if constexpr (HeadDim % lanes == 0) return whole{};
    else return kernels::first{HeadDim % lanes};
  }();
  unrolled<panels>([&](auto panel) {
    constexpr std::size_t column = panel * block_registers * lanes,
                          wide = std::min(block_registers, registers - panel * block_registers);
    const auto put = [&](std::size_t i, auto j, simd x) {
      if constexpr (panel + 1 == panels && j + 1 == wide) out(i, column + j * lanes, x, ending);
      else out(i, column + j * lanes, x, whole{});
    };
    if constexpr (panel + 1 == panels)
      block_product<wide>(rows, depth, a, right_operand<std::decay_t<decltype(ending)>>{b + column, b_stride, ending}, put);
    else block_product<wide>(rows, depth, a, right_operand<>{b + column, b_stride}, put);
  });
}

/// rows[i, d..] = factor * x, or += if `add`.
struct write_or_add {
  float* rows;
  std::size_t stride;
  float factor;
  bool add;

  template <class Extent>
  void operator()(std::size_t i, std::size_t d, simd x, Extent extent) const noexcept {
    float* at = rows + i * stride + d;
    store(at, add ? fma(x, simd(factor), load(at, extent)) : x * simd(factor), extent);
  }
};

/// Rows that the next task will read, prefetched one share at a time: 256 bytes each and far apart, where no hardware
/// prefetcher follows. Saves a quarter of the backward pass if queries, keys and values have left the caches.
struct rows_ahead {
  std::array<matrix<const float>, 5> of{};  // queries, keys, values, context and its gradient

  void fetch(std::size_t which, std::size_t share, std::size_t shares) const noexcept {
    const auto& m = of[which];
    for (std::size_t i = m.rows * share / shares; i < m.rows * (share + 1) / shares; ++i)
      for (std::size_t j = 0; j < m.cols; j += alignment / sizeof(float)) prefetch(m.row(i) + j);
  }
};

struct attention_backward_task {
  const float *queries, *keys, *values;
  std::size_t stride, length;
  const float *context, *d_context;
  std::size_t context_stride, d_context_stride;
  const float* log_sum;
  float *d_queries, *d_keys, *d_values;
  std::size_t d_stride;
  std::size_t head, heads, first_token;
  rows_ahead ahead;
};

/// Adds the contribution of queries [first, first + count) of a sequence to their gradient and to those of all its keys and
/// values.
template <std::size_t HeadDim, std::size_t Registers>
void attend_backward(const attention_backward_task& task, std::size_t first, std::size_t count, const dropout& drop) noexcept {
  constexpr std::size_t width = Registers * lanes;
  alignas(alignment) float queries[HeadDim * width], d_sums[HeadDim * width];
  alignas(alignment) float p[key_block * width], d_scores[key_block * width];
  alignas(alignment) float log_sum[width] = {}, delta[width] = {};
  alignas(alignment) std::uint32_t row_keys[width] = {};

  const float factor = 1.0f / std::sqrt(static_cast<float>(HeadDim));
  const float* of_queries = task.queries + first * task.stride;
  const float* d_out = task.d_context + first * task.d_context_stride;
  transpose_queries<HeadDim>(of_queries, task.stride, count, width, factor * log2_e, queries);
  transpose_queries<HeadDim>(d_out, task.d_context_stride, count, width, 1.0f, d_sums);
  for (std::size_t i = 0; i < count; ++i) {
    const float *o = task.context + (first + i) * task.context_stride, *d = d_out + i * task.d_context_stride;
    simd along = zero();
    for_each_register(HeadDim,
                      [&](std::size_t j, auto extent) { along = fma(load(o + j, extent), load(d + j, extent), along); });
    delta[i] = sum(along);
    log_sum[i] = task.log_sum[first + i] * log2_e;
    if (drop.active()) row_keys[i] = drop.row_key(dropout_row(task.head, task.heads, task.first_token + first + i));
  }

  const std::size_t key_blocks = (task.length + key_block - 1) / key_block;
  const std::size_t shares = (task.length + query_block - 1) / query_block * key_blocks;
  for (std::size_t key = 0; key < task.length; key += key_block) {
    const std::size_t share = first / query_block * key_blocks + key / key_block;
    const std::size_t keys = std::min(key_block, task.length - key);
    const float* of_keys = task.keys + key * task.stride;
    // Lanes are queries: p = 2^(score - log_sum) in base 2, d_score = p * (d_p - sum_d context * d_context).
    block_product<Registers>(
        keys, HeadDim, {of_keys, task.stride, 1}, right_operand<>{queries, width},
        [&](std::size_t i, auto j, simd x) { store(p + i * width + j * lanes, exp2(x - load(log_sum + j * lanes))); });
    task.ahead.fetch(0, share, shares);
    block_product<Registers>(keys, HeadDim, {task.values + key * task.stride, task.stride, 1}, right_operand<>{d_sums, width},
                             [&](std::size_t i, auto j, simd d_p) {
                               const std::size_t at = i * width + j * lanes;
                               const simd probability = load(p + at), d = load(delta + j * lanes);
                               if (drop.active()) {
                                 const simd f = drop.factors(row_keys + j * lanes, static_cast<std::uint32_t>(key + i));
                                 store(p + at, probability * f);
                                 d_p *= f;
                               }
                               store(d_scores + at, probability * (d_p - d));
                             });
    task.ahead.fetch(1, share, shares);
    head_product<HeadDim>(keys, count, {p, width, 1}, d_out, task.d_context_stride,
                          write_or_add{task.d_values + key * task.d_stride, task.d_stride, 1.0f, first != 0});
    task.ahead.fetch(2, share, shares);
    head_product<HeadDim>(keys, count, {d_scores, width, 1}, of_queries, task.stride,
                          write_or_add{task.d_keys + key * task.d_stride, task.d_stride, factor, first != 0});
    task.ahead.fetch(3, share, shares);
    head_product<HeadDim>(count, keys, {d_scores, 1, width}, of_keys, task.stride,
                          write_or_add{task.d_queries + first * task.d_stride, task.d_stride, factor, key != 0});
    task.ahead.fetch(4, share, shares);
  }
}

}  // namespace detail

/// With d_p = d_context v^T and p as in `attention`: d_v = p^T d_context,  d_s = p * (d_p - rowsum(p * d_p)) / sqrt(D),
/// d_q = d_s k,  d_k = d_s^T q;  rowsum(p * d_p) = rowsum(context * d_context)
///
/// Writes `d_qkv` [N, 3H]; the layout, `starts` and `drop` are those of `attention`, which wrote `context` and `log_sum`.
/// One (sequence, head) is one task with its queries in order: the order of every sum depends on the sequence's length alone.
template <int HeadDim, executor E>
void attention_backward(const E& e, matrix<const float> qkv, std::span<const std::size_t> starts, matrix<const float> context,
                        const float* log_sum, matrix<const float> d_context, matrix<float> d_qkv, dropout drop) noexcept {
  static_assert(HeadDim >= 1);
  constexpr auto dim = static_cast<std::size_t>(HeadDim);
  const std::size_t hidden = context.cols, heads = hidden / dim, items = (starts.size() - 1) * heads;
  // The task width() further on is likely this thread's next.
  const auto ahead_of = [&](std::size_t item) noexcept {
    if ((item += e.width()) >= items) return detail::rows_ahead{};
    const std::size_t start = starts[item / heads], length = starts[item / heads + 1] - start, column = item % heads * dim;
    const auto part = [&](matrix<const float> m, std::size_t first) {
      return m.block(start, length).columns(first + column, dim);
    };
    return detail::rows_ahead{{part(qkv, 0), part(qkv, hidden), part(qkv, 2 * hidden), part(context, 0), part(d_context, 0)}};
  };
  e.parallel_for(items, [&](std::size_t item) {
    const std::size_t head = item % heads, start = starts[item / heads], length = starts[item / heads + 1] - start;
    const float* q = qkv.row(start) + head * dim;
    float* d_q = d_qkv.row(start) + head * dim;
    const detail::attention_backward_task task{q,
                                               q + hidden,
                                               q + 2 * hidden,
                                               qkv.stride,
                                               length,
                                               context.row(start) + head * dim,
                                               d_context.row(start) + head * dim,
                                               context.stride,
                                               d_context.stride,
                                               log_sum + head * context.rows + start,
                                               d_q,
                                               d_q + hidden,
                                               d_q + 2 * hidden,
                                               d_qkv.stride,
                                               head,
                                               heads,
                                               start,
                                               ahead_of(item)};
    detail::for_each_group_of_queries(0, length, [&](auto registers, std::size_t first, std::size_t count) {
      detail::attend_backward<dim, registers>(task, first, count, drop);
    });
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ATTENTION_ATTENTION_BACKWARD_HPP
