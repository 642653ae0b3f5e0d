// Self-attention over ragged sequences, forward: one pass over blocks of keys, without a T x T matrix.
// Layer: kernels. Test: tests/unit/kernels/attention/attention_test.cpp
// Papers: Vaswani et al. 2017, section 3.2; Milakov and Gimelshein 2018, "Online normalizer calculation for softmax"; Dao et
// al. 2022.
#ifndef BERT_KERNELS_ATTENTION_ATTENTION_HPP
#define BERT_KERNELS_ATTENTION_ATTENTION_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <type_traits>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/attention/block_product.hpp"
#include "bert/kernels/rows/dropout.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {
namespace detail {

/// Keys of a block: its scores, 64 x 64 floats, take 16 KB of the first-level cache; queries and sums take 16 KB each.
inline constexpr std::size_t key_block = 64;
/// Queries of a block, one per lane.
inline constexpr std::size_t query_block = block_registers * lanes;

/// The dropout mask's row of a query. The heads of a token are consecutive, so the row does not depend on the size of the
/// batch.
[[nodiscard]] constexpr std::uint64_t dropout_row(std::size_t head, std::size_t heads, std::size_t token) noexcept {
  return std::uint64_t{token} * heads + head;
}

/// out[d * width + i] = finish(rows[i * stride + d]) for i < count, finish(0) for count <= i < width; width is whole registers.
template <std::size_t Columns, class Finish>
inline void transpose_rows(const float* rows, std::size_t stride, std::size_t count, std::size_t width, const Finish& finish,
                           float* out) noexcept {
  for (std::size_t i = 0; i < width; i += lanes)
    for_each_register(Columns, [&](std::size_t d, auto extent) {
      simd square[lanes];
      for (std::size_t r = 0; r < lanes; ++r) square[r] = i + r < count ? load(rows + (i + r) * stride + d, extent) : zero();
      transpose(square);
      for (std::size_t k = 0; k < std::min(lanes, Columns - d); ++k) store(out + (d + k) * width + i, finish(square[k]));
    });
}

/// The same with finish(x) = x * factor.
template <std::size_t HeadDim>
inline void transpose_queries(const float* rows, std::size_t stride, std::size_t count, std::size_t width, float factor,
                              float* out) noexcept {
  transpose_rows<HeadDim>(
      rows, stride, count, width, [factors = simd(factor)](simd x) { return x * factors; }, out);
}

/// rows[i * stride + d] = in[d * width + i] * share[i] for i < count: the reverse.
template <std::size_t HeadDim, class T>
inline void transpose_sums(const float* in, const float* share, std::size_t count, std::size_t width, T* rows,
                           std::size_t stride) noexcept {
  for (std::size_t i = 0; i < count; i += lanes)
    for_each_register(HeadDim, [&](std::size_t d, auto extent) {
      simd square[lanes];
      for (std::size_t k = 0; k < lanes; ++k)
        square[k] = d + k < HeadDim ? load(in + (d + k) * width + i) * load(share + i) : zero();
      transpose(square);
      for (std::size_t r = 0; r < std::min(lanes, count - i); ++r) store(rows + (i + r) * stride + d, square[r], extent);
    });
}

/// The operands of one (sequence, head): its first query, key and value, and its outputs.
template <class In, class Out>
struct attention_task {
  const In *queries, *keys, *values;  // [T, D], `stride` apart
  std::size_t stride, length;
  Out* context;  // [T, D], `context_stride` apart
  std::size_t context_stride;
  float* log_sum;  // [T] or nullptr
  std::size_t head, heads, first_token;
};

/// Queries [first, first + count) of a sequence, count <= Registers * lanes. Lanes are queries: the softmax needs no sum across
/// lanes, keys and values are read in place, and any HeadDim fills whole registers.
template <std::size_t HeadDim, std::size_t Registers, class Out>
void attend(const attention_task<float, Out>& task, std::size_t first, std::size_t count, const dropout& drop) noexcept {
  constexpr std::size_t width = Registers * lanes;
  alignas(alignment) float queries[HeadDim * width];
  alignas(alignment) float scores[key_block * width];
  alignas(alignment) float sums[HeadDim * width];
  alignas(alignment) std::uint32_t row_keys[width] = {};

  // Scores in base 2, so that p = 2^(score - top) needs no multiplication.
  const float factor = log2_e / std::sqrt(static_cast<float>(HeadDim));
  transpose_queries<HeadDim>(task.queries + first * task.stride, task.stride, count, width, factor, queries);
  if (drop.active())
    for (std::size_t i = 0; i < count; ++i)
      row_keys[i] = drop.row_key(dropout_row(task.head, task.heads, task.first_token + first + i));

  simd top[Registers], total[Registers];
  unrolled<Registers>([&](auto j) {
    top[j] = simd(-std::numeric_limits<float>::max());
    total[j] = zero();
  });
  // Rows of keys and values are kilobytes apart, where no hardware prefetcher follows. Prefetched half a block ahead: 0.71 ->
  // 0.75 of the peak on 4 x 512 tokens, 0.47 -> 0.53 with heads of 32 on 32 x 128.
  const auto fetch = [](const float* row) {
    for (std::size_t d = 0; d < HeadDim; d += alignment / sizeof(float)) prefetch(row + d);
  };
  for (std::size_t i = 0; i < std::min(key_block, task.length); ++i) fetch(task.keys + i * task.stride);
  for (std::size_t key = 0; key < task.length; key += key_block) {
    const std::size_t keys = std::min(key_block, task.length - key);
    simd block_top[Registers], shrink[Registers];
    unrolled<Registers>([&](auto j) { block_top[j] = top[j]; });
    block_product<Registers>(keys, HeadDim, {task.keys + key * task.stride, task.stride, 1}, right_operand<>{queries, width},
                             [&](std::size_t i, auto j, simd x) {
                               store(scores + i * width + j * lanes, x);
                               block_top[j] = max(block_top[j], x);
                               if constexpr (j == 0) fetch(task.values + (key + i) * task.stride);
                             });
    unrolled<Registers>([&](auto j) {
      shrink[j] = exp2(top[j] - block_top[j]);  // 0 for the first block
      top[j] = block_top[j];
      total[j] *= shrink[j];
    });
    for (std::size_t i = 0; i < keys; ++i) {
      if (key + keys < task.length) fetch(task.keys + (key + keys + i) * task.stride);
      unrolled<Registers>([&](auto j) {
        float* at = scores + i * width + j * lanes;
        const simd p = exp2_of_negative(load(at) - top[j]);
        total[j] += p;
        store(at, p);
      });
    }
    if (drop.active())
      for (std::size_t i = 0; i < keys; ++i)
        for (std::size_t j = 0; j < width; j += lanes)
          store(scores + i * width + j,
                load(scores + i * width + j) * drop.factors(row_keys + j, static_cast<std::uint32_t>(key + i)));
    const auto values = left_operand{task.values + key * task.stride, 1, task.stride};
    if (key == 0)
      block_product<Registers>(HeadDim, keys, values, right_operand<>{scores, width},
                               [&](std::size_t d, auto j, simd x) { store(sums + d * width + j * lanes, x); });
    else
      block_product<Registers>(HeadDim, keys, values, right_operand<>{scores, width}, [&](std::size_t d, auto j, simd x) {
        float* at = sums + d * width + j * lanes;
        store(at, fma(load(at), shrink[j], x));
      });
  }
  alignas(alignment) float share[width], log_sums[width];
  unrolled<Registers>([&](auto j) {
    store(share + j * lanes, simd(1.0f) / total[j]);
    if (task.log_sum != nullptr) store(log_sums + j * lanes, fma(top[j], simd(log_2), log(total[j])));
  });
  transpose_sums<HeadDim>(sums, share, count, width, task.context + first * task.context_stride, task.context_stride);
  if (task.log_sum != nullptr) std::copy_n(log_sums, count, task.log_sum + first);
}

/// Calls body(registers, from, count) for [first, last) in groups of block_registers * lanes queries; `registers` is an
/// integral constant. The last group has one or two registers, so that little more than one is idle.
template <class Body>
inline void for_each_group_of_queries(std::size_t first, std::size_t last, const Body& body) noexcept {
  const auto group = [&](auto registers) {
    const std::size_t count = std::min(last - first, registers * lanes);
    body(registers, first, count);
    first += count;
  };
  while (first < last) {
    const std::size_t left = last - first;
    if (left > (block_registers - 1) * lanes) group(std::integral_constant<std::size_t, block_registers>{});
    else if (left > lanes) group(std::integral_constant<std::size_t, 2>{});
    else group(std::integral_constant<std::size_t, 1>{});
  }
}

/// Runs `attend` for every head of every block of queries.
template <int HeadDim, executor E, class In, class Out>
void attend_all(const E& e, matrix<const In> qkv, std::span<const std::size_t> starts, matrix<Out> context, float* log_sum,
                dropout drop) noexcept {
  static_assert(HeadDim >= 1);
  constexpr auto dim = static_cast<std::size_t>(HeadDim);
  constexpr std::size_t step = query_block;
  const std::size_t hidden = context.cols, heads = hidden / dim;
  std::size_t blocks = 0;
  for (std::size_t s = 0; s + 1 < starts.size(); ++s) blocks += (starts[s + 1] - starts[s] + step - 1) / step;
  e.parallel_for(blocks * heads, [&](std::size_t item) {
    // Blocks of one head of one sequence are neighbors: its keys and values stay in the second-level cache.
    std::size_t s = 0, in_sequence = 0;
    for (;; ++s) {
      in_sequence = (starts[s + 1] - starts[s] + step - 1) / step;
      if (item < in_sequence * heads) break;
      item -= in_sequence * heads;
    }
    const std::size_t head = item / in_sequence, start = starts[s] - starts[0], length = starts[s + 1] - starts[s];
    const In* q = qkv.row(start) + head * dim;
    const attention_task<In, Out> task{q,
                                       q + hidden,
                                       q + 2 * hidden,
                                       qkv.stride,
                                       length,
                                       context.row(start) + head * dim,
                                       context.stride,
                                       log_sum == nullptr ? nullptr : log_sum + head * context.rows + start,
                                       head,
                                       heads,
                                       start};
    const std::size_t first = item % in_sequence * step;
    for_each_group_of_queries(first, std::min(length, first + step), [&](auto registers, std::size_t from, std::size_t count) {
      attend<dim, registers>(task, from, count, drop);
    });
  });
}

}  // namespace detail

/// context[n, h] = sum_m p[n,m] v[m, h],  p[n,:] = softmax(q[n, h] . k[:, h] / sqrt(D)),  m over n's sequence
///
/// qkv [N, 3H], each row q | k | v, head h in columns [h D, (h + 1) D) of each. Writes `context` [N, H] and, unless it is
/// nullptr, `log_sum` [A, N] = log sum_m exp(q . k / sqrt(D)) for the backward pass. `drop` drops elements of p, with row
/// n A + h and column m - start of its sequence. `starts` has an entry for each sequence and a last one; rows are relative to
/// the first.
template <int HeadDim, executor E>
void attention(const E& e, matrix<const float> qkv, std::span<const std::size_t> starts, matrix<float> context, float* log_sum,
               dropout drop) noexcept {
  detail::attend_all<HeadDim>(e, qkv, starts, context, log_sum, drop);
}

/// The same for inference: inputs and outputs may be bf16 (attention_bf16.hpp).
template <int HeadDim, executor E, class In, class Out>
void attention(const E& e, matrix<const In> qkv, std::span<const std::size_t> starts, matrix<Out> context) noexcept {
  detail::attend_all<HeadDim>(e, qkv, starts, context, nullptr, dropout{});
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ATTENTION_ATTENTION_HPP
