// Self-attention for inference on bf16 queries, keys and values: products of bf16 pairs, softmax and sums in f32.
// Layer: kernels. Test: tests/unit/kernels/attention/attention_bf16_test.cpp
// Papers: those of attention.hpp, whose loop over blocks it shares.
#ifndef BERT_KERNELS_ATTENTION_ATTENTION_BF16_HPP
#define BERT_KERNELS_ATTENTION_ATTENTION_BF16_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>

#include "bert/core/amx_permission.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/attention/attention.hpp"
#include "bert/kernels/attention/attention_amx.hpp"
#include "bert/kernels/gemm/gemm_bf16.hpp"
#include "bert/kernels/simd/bf16.hpp"

namespace bert::inline BERT_ISA::kernels::detail {

/// `attend` for bf16. It differs from that of floats:
///   scores multiply pairs along the head's dimension, as they are in memory, and are scaled after the product;
///   probabilities are rounded to bf16, in pairs of keys. Values are interleaved to match, once per block of keys, an eighth of
///   the instructions of their product.
template <std::size_t HeadDim, std::size_t Registers>
void attend(const attention_task<bf16, bf16>& task, std::size_t first, std::size_t count, const dropout&) noexcept {
  static_assert(HeadDim % 2 == 0, "an odd head dimension has no pairs; pass attention floats");
  constexpr std::size_t width = Registers * lanes, half = HeadDim / 2, key_pairs = key_block / 2;
  alignas(alignment) bf16_pair queries[half * width];
  alignas(alignment) float scores[key_block * width];
  alignas(alignment) bf16_pair values[key_pairs * HeadDim];
  alignas(alignment) float sums[HeadDim * width];

  const auto* first_query = reinterpret_cast<const bf16_pair*>(task.queries + first * task.stride);
  transpose_rows<half>(
      first_query, task.stride / 2, count, width, [](simd q) { return q; }, queries);

  const simd factor(log2_e / std::sqrt(static_cast<float>(HeadDim)));  // scores in base 2
  simd top[Registers], total[Registers];                               // top of the unscaled scores
  unrolled<Registers>([&](auto j) {
    top[j] = simd(-std::numeric_limits<float>::max());
    total[j] = zero();
  });
  for (std::size_t key = 0; key < task.length; key += key_block) {
    const std::size_t keys = std::min(key_block, task.length - key), pairs = (keys + 1) / 2;
    simd block_top[Registers], shrink[Registers], lowered[Registers];
    unrolled<Registers>([&](auto j) { block_top[j] = top[j]; });
    const left_operand left{reinterpret_cast<const bf16_pair*>(task.keys + key * task.stride), task.stride / 2, 1};
    block_product<Registers, bf16_pairs>(keys, half, left, right_operand<>{queries, width}, [&](std::size_t i, auto j, simd x) {
      store(scores + i * width + j * lanes, x);
      block_top[j] = max(block_top[j], x);
    });
    unrolled<Registers>([&](auto j) {
      shrink[j] = exp2((top[j] - block_top[j]) * factor);  // 0 for the first block
      top[j] = block_top[j];
      lowered[j] = zero() - top[j] * factor;
      total[j] *= shrink[j];
    });
    for (std::size_t k = 0; k < pairs; ++k) {
      const bool alone = 2 * k + 1 == keys;
      unrolled<Registers>([&](auto j) {
        // Row k of the probabilities overwrites row k of the scores, which has been read.
        const float* at = scores + 2 * k * width + j * lanes;
        const simd even = exp2(fma(load(at), factor, lowered[j]));
        const simd odd = alone ? zero() : exp2(fma(load(at + width), factor, lowered[j]));
        total[j] += even;
        total[j] += odd;
        store(scores + k * width + j * lanes, pair(even, odd));
      });
      const bf16* rows = task.values + (key + 2 * k) * task.stride;
      for_each_register(HeadDim, [&](std::size_t d, auto extent) {
        store(values + k * HeadDim + d, pair(load(rows + d, extent), alone ? zero() : load(rows + task.stride + d, extent)),
              extent);
      });
    }
    const left_operand turned{values, 1, HeadDim};
    if (key == 0)
      block_product<Registers, bf16_pairs>(HeadDim, pairs, turned, right_operand<>{scores, width},
                                           [&](std::size_t d, auto j, simd x) { store(sums + d * width + j * lanes, x); });
    else
      block_product<Registers, bf16_pairs>(HeadDim, pairs, turned, right_operand<>{scores, width},
                                           [&](std::size_t d, auto j, simd x) {
                                             float* at = sums + d * width + j * lanes;
                                             store(at, fma(load(at), shrink[j], x));
                                           });
  }
  alignas(alignment) float share[width];
  unrolled<Registers>([&](auto j) { store(share + j * lanes, simd(1.0f) / total[j]); });
  transpose_sums<HeadDim>(sums, share, count, width, task.context + first * task.context_stride, task.context_stride);
}

}  // namespace bert::kernels::detail

namespace bert::inline BERT_ISA::kernels {

/// Attention on bf16 queries, keys and values, with the order of sums `Order` (gemm_bf16.hpp).
template <int HeadDim, class Order = bf16_order::fastest, executor E, class Out>
void attention(const E& e, matrix<const bf16> qkv, std::span<const std::size_t> starts, matrix<Out> context) noexcept {
#if BERT_AMX
  if (!std::same_as<Order, bf16_order::pairs> && amx_permitted())
    return attention_by_tiles<HeadDim, amx::processor_tiles>(e, qkv, starts, context);
#endif
  if constexpr (std::same_as<Order, bf16_order::tiles>) attention_by_tiles<HeadDim, amx::plain_tiles>(e, qkv, starts, context);
  else detail::attend_all<HeadDim>(e, qkv, starts, context, nullptr, dropout{});
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ATTENTION_ATTENTION_BF16_HPP
