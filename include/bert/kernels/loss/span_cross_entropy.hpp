// Softmax cross-entropy of a span's first and last token over the tokens of its sequence, and its gradient.
// Layer: kernels. Test: tests/unit/kernels/loss/span_cross_entropy_test.cpp. Paper: Devlin et al. 2019, 4.2.
#ifndef BERT_KERNELS_LOSS_SPAN_CROSS_ENTROPY_HPP
#define BERT_KERNELS_LOSS_SPAN_CROSS_ENTROPY_HPP

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/training_batch.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// losses[s] = 1/2 sum_c (log sum_n exp(logits[n,c]) - logits[target_c,c]), n over the tokens of sequence s;
/// c = 0: the span's first token, c = 1: its last.
/// d_logits[n,c] = scale / 2 * (softmax_n(logits[n,c]) - [n = target_c])
///
/// logits [N, 2]; sequence s is the rows [starts[s], starts[s+1]), at least one; `spans` [S] count from its start. A span of -1
/// marks an ignored sequence: loss 0, gradient 0, `predicted` as in any other. Writes `losses` [S]; writes the argmaxes
/// `predicted` [S], the first of equals, unless nullptr; writes `d_logits` [N, 2] unless its data is nullptr; it may be
/// `logits`.
///
/// A sequence is one run of 2 T floats in which firsts and lasts alternate. A register holds as many of each, so both columns
/// are reduced at once, and the order of the sums depends on T alone.
template <executor E>
void span_cross_entropy(const E& e, matrix<const float> logits, std::span<const std::size_t> starts,
                        std::span<const token_span> spans, float* losses, token_span* predicted, matrix<float> d_logits,
                        float scale) noexcept {
  static_assert(lanes % 2 == 0);
  using pair = std::array<float, 2>;
  using lane_array = std::array<float, lanes>;
  // The values of both columns from a register's, lane by lane.
  const auto reduce = [](simd x, auto op) {
    lane_array all;
    store(all.data(), x);
    pair out{all[0], all[1]};
    for (std::size_t i = 2; i < lanes; ++i) out[i % 2] = op(out[i % 2], all[i]);
    return out;
  };
  const auto alternating = [](const pair& values) {
    lane_array all;
    for (std::size_t i = 0; i < lanes; ++i) all[i] = values[i % 2];
    return load(all.data());
  };
  const std::size_t mean = spans.empty() ? 1 : 2 * logits.rows / spans.size();
  for_each_row(e, spans.size(), mean, [&](std::size_t s) {
    const std::size_t count = 2 * (starts[s + 1] - starts[s]);
    const float* x = logits.row(starts[s]);
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    simd greatest(lowest);
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) greatest = max(greatest, load(x + i));
    pair top = reduce(greatest, [](float a, float b) { return b > a ? b : a; });
    for (; i < count; ++i) top[i % 2] = x[i] > top[i % 2] ? x[i] : top[i % 2];
    if (predicted != nullptr) {
      const auto best = [&](std::size_t c) {
        std::size_t at = c;
        while (at + 2 < count && x[at] != top[c]) at += 2;
        return static_cast<std::int32_t>(at / 2);
      };
      predicted[s] = {best(0), best(1)};
    }

    float* d = d_logits.data == nullptr ? nullptr : d_logits.row(starts[s]);
    if (spans[s].first < 0) {
      losses[s] = 0.0f;
      if (d != nullptr) for_each_register(count, [&](std::size_t j, auto extent) { store(d + j, zero(), extent); });
      return;
    }
    const std::size_t first = 2 * static_cast<std::size_t>(spans[s].first),
                      last = 2 * static_cast<std::size_t>(spans[s].last) + 1;
    const pair at_target{x[first], x[last]};  // read before d_logits overwrites them
    const simd tops = alternating(top);
    simd totals = zero();
    for_each_register(count, [&](std::size_t j, auto extent) {
      const simd p = exp(load(x + j, extent) - tops);
      if (d != nullptr) store(d + j, p, extent);
      if constexpr (std::is_same_v<decltype(extent), whole>) totals += p;
      else {
        lane_array kept{};
        store(kept.data(), p, extent);
        totals += load(kept.data());
      }
    });
    const pair total = reduce(totals, [](float a, float b) { return a + b; });
    losses[s] = 0.5f * ((std::log(total[0]) + (top[0] - at_target[0])) + (std::log(total[1]) + (top[1] - at_target[1])));
    if (d == nullptr) return;
    const float half = 0.5f * scale;
    const simd shares = alternating({half / total[0], half / total[1]});
    for_each_register(count, [&](std::size_t j, auto extent) { store(d + j, load(d + j, extent) * shares, extent); });
    d[first] -= half;
    d[last] -= half;
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_LOSS_SPAN_CROSS_ENTROPY_HPP
