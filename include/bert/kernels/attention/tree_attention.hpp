// Self-attention over a visible tree: a trunk, and branches that only their entity sees; forward and backward.
// Layer: kernels. Test: tests/unit/kernels/attention/tree_attention_test.cpp. Paper: Liu et al. 2020, "K-BERT", section 3.2.
#ifndef BERT_KERNELS_ATTENTION_TREE_ATTENTION_HPP
#define BERT_KERNELS_ATTENTION_TREE_ATTENTION_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/rows/dropout.hpp"
#include "bert/kernels/rows/unit_rows.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/storage.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// Calls see(m) for every token m, ascending, that token n of a sequence of `length` tokens sees. `marks` are the sequence's:
///
///     0    a token of the trunk
///     e    e > 0: begins a branch of the e trunk tokens before it, its entity
///     -e   continues the branch
///
/// The trunk sees the trunk, and an entity's tokens see its branches; a branch sees itself and its entity. Without marks all is
/// trunk. A mark of e > 0 with fewer than e trunk tokens before it takes those that there are; a negative one that follows no
/// branch begins one.
template <class See>
void for_each_visible(std::span<const std::int32_t> marks, std::size_t length, std::size_t n, const See& see) noexcept {
  if (marks.empty()) {
    for (std::size_t m = 0; m < length; ++m) see(m);
    return;
  }
  const auto begins = [&](std::size_t m) { return marks[m] > 0 || (marks[m] < 0 && (m == 0 || marks[m - 1] == 0)); };
  const auto size_of_entity = [&](std::size_t m) { return static_cast<std::size_t>(marks[m] < 0 ? -marks[m] : marks[m]); };
  if (marks[n] == 0) {
    for (std::size_t m = 0; m < n; ++m)
      if (marks[m] == 0) see(m);
    std::size_t trunk = 0;  // tokens of the trunk from n to m
    bool own = false;       // whether n is in the entity of the branch that m is in
    for (std::size_t m = n; m < length; ++m) {
      if (marks[m] == 0) ++trunk;
      else if (begins(m)) own = trunk <= size_of_entity(m);
      if (marks[m] == 0 || own) see(m);
    }
    return;
  }
  std::size_t first = n;
  while (!begins(first)) --first;
  std::size_t from = first;
  for (std::size_t left = size_of_entity(first); left > 0 && from > 0;) left -= marks[--from] == 0 ? 1 : 0;
  for (std::size_t m = from; m < first; ++m)
    if (marks[m] == 0) see(m);
  see(first);
  for (std::size_t m = first + 1; m < length && marks[m] != 0 && !begins(m); ++m) see(m);
}

namespace detail {

/// The tokens that one query sees, a register of them at a time.
struct visible_block {
  std::array<std::size_t, lanes> tokens{};
  std::array<float, lanes> scores{}, other{};
  std::size_t count = 0;
};
/// Calls add(block, m) for every token that n sees, and full(block) for every register of them and the rest.
template <class Add, class Full>
void for_each_visible_block(std::span<const std::int32_t> marks, std::size_t length, std::size_t n, const Add& add,
                            const Full& full) noexcept {
  visible_block block;
  for_each_visible(marks, length, n, [&](std::size_t m) {
    block.tokens[block.count] = m;
    add(block, m);
    if (++block.count < lanes) return;
    full(block);
    block.count = 0;
  });
  if (block.count != 0) full(block);
}

/// The factor by which dropout multiplies a probability.
[[nodiscard]] inline float kept(const dropout& drop, std::uint64_t row, std::size_t column) noexcept {
  if (!drop.active()) return 1.0f;
  return drop.keep(row, static_cast<std::uint32_t>(column)) ? drop.scale() : 0.0f;
}

/// A query's sum, in the dtype of inference.
template <class Out>
void store_context(const float* sum, float share, std::size_t n, Out* to) noexcept {
  for (std::size_t d = 0; d < n; ++d) {
    if constexpr (std::is_same_v<Out, float>) to[d] = sum[d] * share;
    else to[d] = to_bf16(sum[d] * share);
  }
}
template <class In>
const float* as_floats(const In* from, std::size_t n, float* memory) noexcept {
  if constexpr (std::is_same_v<In, float>) return from;
  else {
    for (std::size_t d = 0; d < n; ++d) memory[d] = to_float(from[d]);
    return memory;
  }
}

}  // namespace detail

/// context[n,h] = sum_m p[n,m] v[m,h],  p[n,:] = softmax(q[n,h] . k[m,h] / sqrt(D)) over the tokens m that n sees
///
/// qkv [N, 3H]; layout, `log_sum` (unless nullptr) and `drop` as of `attention`. `marks` [N], or empty. Costs the number of
/// visible pairs, not T^2, and no memory for them. One (sequence, head) is one task; a query's tokens are summed in ascending
/// order.
template <int HeadDim, executor E, class In, class Out>
void tree_attention(const E& e, matrix<const In> qkv, std::span<const std::size_t> starts, std::span<const std::int32_t> marks,
                    matrix<Out> context, float* log_sum = nullptr, const dropout& drop = {}) noexcept {
  constexpr auto dim = static_cast<std::size_t>(HeadDim);
  const std::size_t hidden = context.cols, heads = hidden / dim, origin = starts.front();
  const float scale = 1.0f / std::sqrt(static_cast<float>(HeadDim));
  e.parallel_for((starts.size() - 1) * heads, [&](std::size_t item) {
    const std::size_t head = item % heads, start = starts[item / heads] - origin,
                      length = starts[item / heads + 1] - origin - start, column = head * dim;
    const auto own = marks.empty() ? marks : marks.subspan(start, length);
    alignas(alignment) std::array<float, dim> query, row, weighted;
    for (std::size_t n = 0; n < length; ++n) {
      const float* q = detail::as_floats(qkv.row(start + n) + column, dim, query.data());
      float top = -std::numeric_limits<float>::infinity(), total = 0;
      weighted.fill(0.0f);
      const std::uint64_t row_of_mask = std::uint64_t{start + n} * heads + head;
      detail::for_each_visible_block(
          own, length, n,
          [&](detail::visible_block& b, std::size_t m) {
            const float* k = detail::as_floats(qkv.row(start + m) + hidden + column, dim, row.data());
            b.scores[b.count] = scale * dot_product(q, k, dim);
          },
          [&](detail::visible_block& b) {
            float most = top;
            for (std::size_t i = 0; i < b.count; ++i) most = b.scores[i] > most ? b.scores[i] : most;
            const float shrink = std::exp(top - most);  // 0 for the first block
            top = most;
            total *= shrink;
            for (float& x : weighted) x *= shrink;
            store(b.scores.data(), exp(load(b.scores.data()) - simd(most)));
            for (std::size_t i = 0; i < b.count; ++i) {
              float p = b.scores[i];
              total += p;
              p *= detail::kept(drop, row_of_mask, b.tokens[i]);
              const float* v = detail::as_floats(qkv.row(start + b.tokens[i]) + 2 * hidden + column, dim, row.data());
              add_scaled(p, v, weighted.data(), dim);
            }
          });
      detail::store_context(weighted.data(), 1.0f / total, dim, context.row(start + n) + column);
      if (log_sum != nullptr) log_sum[head * context.rows + start + n] = top + std::log(total);
    }
  });
}

/// The gradients of `tree_attention`: writes d_qkv [N, 3H], given its `context` and `log_sum`. One (sequence, head) is one task
/// with its queries in order.
template <int HeadDim, executor E>
void tree_attention_backward(const E& e, matrix<const float> qkv, std::span<const std::size_t> starts,
                             std::span<const std::int32_t> marks, matrix<const float> context, const float* log_sum,
                             matrix<const float> d_context, matrix<float> d_qkv, const dropout& drop = {}) noexcept {
  constexpr auto dim = static_cast<std::size_t>(HeadDim);
  const std::size_t hidden = context.cols, heads = hidden / dim, origin = starts.front();
  const float scale = 1.0f / std::sqrt(static_cast<float>(HeadDim));
  e.parallel_for((starts.size() - 1) * heads, [&](std::size_t item) {
    const std::size_t head = item % heads, start = starts[item / heads] - origin,
                      length = starts[item / heads + 1] - origin - start, column = head * dim;
    const auto own = marks.empty() ? marks : marks.subspan(start, length);
    for (std::size_t n = start; n < start + length; ++n)
      for (const std::size_t part : {std::size_t{0}, hidden, 2 * hidden}) std::fill_n(d_qkv.row(n) + part + column, dim, 0.0f);
    for (std::size_t n = 0; n < length; ++n) {
      const float *q = qkv.row(start + n) + column, *d_sum = d_context.row(start + n) + column;
      const float delta = dot_product(context.row(start + n) + column, d_sum, dim),
                  of_query = log_sum[head * context.rows + start + n];
      const std::uint64_t row_of_mask = std::uint64_t{start + n} * heads + head;
      float* d_q = d_qkv.row(start + n) + column;
      detail::for_each_visible_block(
          own, length, n,
          [&](detail::visible_block& b, std::size_t m) {
            const float* k = qkv.row(start + m) + hidden + column;
            b.scores[b.count] = scale * dot_product(q, k, dim);
            b.other[b.count] = dot_product(d_sum, k + hidden, dim);
          },
          [&](detail::visible_block& b) {
            store(b.scores.data(), exp(load(b.scores.data()) - simd(of_query)));
            for (std::size_t i = 0; i < b.count; ++i) {
              const float *k = qkv.row(start + b.tokens[i]) + hidden + column, p = b.scores[i];
              float* d_k = d_qkv.row(start + b.tokens[i]) + hidden + column;
              const float kept = detail::kept(drop, row_of_mask, b.tokens[i]);
              const float d_score = scale * p * (kept * b.other[i] - delta);
              add_scaled(d_score, k, d_q, dim);
              add_scaled(d_score, q, d_k, dim);
              add_scaled(kept * p, d_sum, d_k + hidden, dim);
            }
          });
    }
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ATTENTION_TREE_ATTENTION_HPP
