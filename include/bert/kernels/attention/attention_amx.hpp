// Self-attention for inference by AMX's tiles: both products in bf16 with sums in f32, the softmax between them in f32.
// Layer: kernels. Test: tests/unit/kernels/attention/attention_amx_test.cpp
// Papers: those of attention.hpp.
#ifndef BERT_KERNELS_ATTENTION_ATTENTION_AMX_HPP
#define BERT_KERNELS_ATTENTION_ATTENTION_AMX_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/attention/attention.hpp"
#include "bert/kernels/simd/amx.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/kernels/simd/transpose.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::detail {

/// One head of one sequence: scores = Q K^T in blocks of 32 queries, p = softmax(scores / sqrt(D)) rounded to bf16, p V.
///
/// Up to `most_keys` keys and values are packed once; a longer sequence packs them again for each block of queries and rescales
/// earlier sums by the new maximum. Heads may have any even size: rows and columns are padded with zeros.
template <std::size_t HeadDim, class Tiles, class Out>
class amx_head {
  static_assert(HeadDim % 2 == 0, "heads of an odd size have no pairs; give attention floats");
  static constexpr std::size_t step = amx::tile_words;                   // words of depth per product, columns of a tile
  static constexpr std::size_t tile_size = amx::tile_rows * step;        // words
  static constexpr std::size_t rows = 2 * amx::tile_rows;                // queries of a block
  static constexpr std::size_t depth = (HeadDim / 2 + step - 1) / step;  // steps of Q K^T
  static constexpr std::size_t column_pairs = (HeadDim + 2 * step - 1) / (2 * step);  // of a context's tiles
  static constexpr std::size_t columns = 2 * step * column_pairs;
  // For heads of 64, 64 KB of packed keys and 64 KB of values, in a second-level cache of 2 MB.
  static constexpr std::size_t most_keys = 512;
  // One cache line more than a power of two, so that a tile's rows fall into different sets.
  static constexpr std::size_t score_stride = most_keys + step;
  static constexpr std::size_t pair_stride = most_keys / 2 + step;

 public:
  static void run(const attention_task<bf16, Out>& task) noexcept {
    amx_head head(task);
    if (task.length <= most_keys) head.pack(0, task.length);
    for (std::size_t first = 0; first < task.length; first += rows) head.attend(first);
  }

 private:
  explicit amx_head(const attention_task<bf16, Out>& task) noexcept : task_(task) {}

  [[nodiscard]] static const bf16_pair* pairs(const bf16* row) noexcept { return reinterpret_cast<const bf16_pair*>(row); }

  /// Packs keys [first, first + count) and their values, padded with zeros to a whole step.
  void pack(std::size_t first, std::size_t count) noexcept {
    for (std::size_t key = 0; key < round_up(count, 2 * step); key += step)
      for (std::size_t s = 0; s < depth; ++s)
        pack_keys(first + key, count - std::min(count, key), s, keys_ + (key / step * depth + s) * tile_size);
    for (std::size_t key = 0; key < round_up(count, 2 * step); key += 2)
      for (std::size_t d = 0; d < columns; d += step)
        pack_values(first + key, count - std::min(count, key), d,
                    values_ + ((key / (2 * step) * (columns / step)) + d / step) * tile_size + key / 2 % step * step);
  }
  /// to[k, j] = word s * 16 + k of key first + j
  void pack_keys(std::size_t first, std::size_t count, std::size_t s, bf16_pair* to) const noexcept {
    const std::size_t words = std::min(step, HeadDim / 2 - s * step);
    if constexpr (lanes == step) {
      simd square[lanes];
      for (std::size_t j = 0; j < lanes; ++j)
        square[j] = j < count ? words == step ? load(pairs(task_.keys + (first + j) * task_.stride) + s * step)
                                              : load_partial(pairs(task_.keys + (first + j) * task_.stride) + s * step, words)
                              : zero();
      transpose(square);
      for (std::size_t k = 0; k < lanes; ++k) store(to + k * step, square[k]);
    } else {
      std::memset(to, 0, tile_size * sizeof(bf16_pair));
      for (std::size_t j = 0; j < std::min(count, step); ++j)
        for (std::size_t k = 0; k < words; ++k)
          std::memcpy(to + k * step + j, pairs(task_.keys + (first + j) * task_.stride) + s * step + k, sizeof(bf16_pair));
    }
  }
  /// to[j] = the pair of element d + j of values `first` and first + 1
  void pack_values(std::size_t first, std::size_t count, std::size_t d, bf16_pair* to) const noexcept {
    const std::size_t wide = d < HeadDim ? std::min(step, HeadDim - d) : 0;
    if (count == 0 || wide < step) std::memset(to, 0, step * sizeof(bf16_pair));
    if (count == 0) return;
    const bf16* row = task_.values + first * task_.stride + d;
    for_each_register(wide, [&](std::size_t j, auto extent) {
      store(to + j, pair(load(row + j, extent), count > 1 ? load(row + task_.stride + j, extent) : zero()), extent);
    });
  }

  void attend(std::size_t first) noexcept {
    const std::size_t count = std::min(rows, task_.length - first);
    for (std::size_t i = 0; i < rows; ++i) {
      bf16_pair* to = queries_ + i * depth * step;
      if (i >= count || HeadDim % (2 * step) != 0) std::memset(to, 0, depth * step * sizeof(bf16_pair));
      if (i < count) std::memcpy(to, task_.queries + (first + i) * task_.stride, HeadDim * sizeof(bf16));
      top_[i] = -std::numeric_limits<float>::max();
      total_[i] = 0;
    }
    for (std::size_t key = 0; key < task_.length; key += most_keys) {
      const std::size_t keys = std::min(most_keys, task_.length - key);
      if (task_.length > most_keys) pack(key, keys);
      score(keys);
      for (std::size_t i = 0; i < count; ++i) soften(i, keys, key == 0);
      add_values(keys, key == 0);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const simd share(1.0f / total_[i]);
      const float* from = sums_ + i * columns;
      Out* to = task_.context + (first + i) * task_.context_stride;
      for_each_register(HeadDim, [&](std::size_t d, auto extent) { store(to + d, load(from + d, extent) * share, extent); });
    }
  }

  void score(std::size_t keys) noexcept {
    constexpr std::size_t q_bytes = depth * step * sizeof(bf16_pair), s_bytes = score_stride * sizeof(float);
    for (std::size_t key = 0; key < keys; key += 2 * step) {
      clear();
      for (std::size_t s = 0; s < depth; ++s)
        multiply(queries_ + s * step, queries_ + amx::tile_rows * depth * step + s * step, q_bytes,
                 keys_ + (key / step * depth + s) * tile_size, keys_ + ((key / step + 1) * depth + s) * tile_size);
      float *upper = scores_ + key, *lower = upper + amx::tile_rows * score_stride;
      tiles_.template store<amx::sums_00>(upper, s_bytes);
      tiles_.template store<amx::sums_01>(upper + step, s_bytes);
      tiles_.template store<amx::sums_10>(lower, s_bytes);
      tiles_.template store<amx::sums_11>(lower + step, s_bytes);
    }
  }

  /// p[i, :] = 2^(factor (scores[i, :] - top)), zeros up to a whole step.
  void soften(std::size_t i, std::size_t keys, bool first) noexcept {
    const float factor = log2_e / std::sqrt(static_cast<float>(HeadDim));
    auto* to = reinterpret_cast<bf16*>(shares_ + i * pair_stride);
    float* const scores = scores_ + i * score_stride;
    simd most(top_[i]);
    std::size_t j = 0;
    for (; j + lanes <= keys; j += lanes) most = max(most, load(scores + j));
    float top = maximum(most);
    for (; j < keys; ++j) top = scores[j] > top ? scores[j] : top;
    const simd lowered(-top * factor), factors(factor);
    simd total = zero();
    for_each_register(keys, [&](std::size_t k, auto extent) {
      simd p = exp2_for_bf16(fma(load(scores + k, extent), factors, lowered));
      if constexpr (!std::is_same_v<decltype(extent), whole>) {  // lanes past the end are zeros
        store(scores + k, p, extent);
        p = load(scores + k, extent);
      }
      total += p;
      store(to + k, p, extent);
    });
    std::fill(to + keys, to + round_up(keys, 2 * step), bf16{});
    if (first) {
      total_[i] = sum(total);
    } else {
      const float shrink = std::exp2((top_[i] - top) * factor);
      total_[i] = total_[i] * shrink + sum(total);
      for (std::size_t d = 0; d < columns; d += lanes)
        store(sums_ + i * columns + d, load(sums_ + i * columns + d) * simd(shrink));
    }
    top_[i] = top;
  }
  void add_values(std::size_t keys, bool first) noexcept {
    constexpr std::size_t p_bytes = pair_stride * sizeof(bf16_pair), c_bytes = columns * sizeof(float);
    for (std::size_t c = 0; c < columns; c += 2 * step) {
      float *upper = sums_ + c, *lower = upper + amx::tile_rows * columns;
      if (first) {
        clear();
      } else {
        tiles_.template load<amx::sums_00>(upper, c_bytes);
        tiles_.template load<amx::sums_01>(upper + step, c_bytes);
        tiles_.template load<amx::sums_10>(lower, c_bytes);
        tiles_.template load<amx::sums_11>(lower + step, c_bytes);
      }
      for (std::size_t key = 0; key < keys; key += 2 * step) {
        const bf16_pair* right = values_ + (key / (2 * step) * (columns / step) + c / step) * tile_size;
        multiply(shares_ + key / 2, shares_ + amx::tile_rows * pair_stride + key / 2, p_bytes, right, right + tile_size);
      }
      tiles_.template store<amx::sums_00>(upper, c_bytes);
      tiles_.template store<amx::sums_01>(upper + step, c_bytes);
      tiles_.template store<amx::sums_10>(lower, c_bytes);
      tiles_.template store<amx::sums_11>(lower + step, c_bytes);
    }
  }

  void clear() noexcept {
    tiles_.template zero<amx::sums_00>();
    tiles_.template zero<amx::sums_01>();
    tiles_.template zero<amx::sums_10>();
    tiles_.template zero<amx::sums_11>();
  }
  void multiply(const bf16_pair* upper, const bf16_pair* lower, std::size_t bytes, const bf16_pair* left_columns,
                const bf16_pair* right_columns) noexcept {
    tiles_.template load<amx::b_0>(left_columns, amx::row_bytes);
    tiles_.template load<amx::a_0>(upper, bytes);
    tiles_.template multiply_bf16<amx::sums_00, amx::a_0, amx::b_0>();
    tiles_.template load<amx::b_1>(right_columns, amx::row_bytes);
    tiles_.template multiply_bf16<amx::sums_01, amx::a_0, amx::b_1>();
    tiles_.template load<amx::a_1>(lower, bytes);
    tiles_.template multiply_bf16<amx::sums_10, amx::a_1, amx::b_0>();
    tiles_.template multiply_bf16<amx::sums_11, amx::a_1, amx::b_1>();
  }

  const attention_task<bf16, Out>& task_;
  Tiles tiles_;
  alignas(alignment) bf16_pair queries_[rows * depth * step];
  alignas(alignment) bf16_pair keys_[most_keys * depth * step];
  alignas(alignment) bf16_pair values_[most_keys / 2 * columns];
  alignas(alignment) float scores_[rows * score_stride];
  alignas(alignment) bf16_pair shares_[rows * pair_stride];
  alignas(alignment) float sums_[rows * columns];
  float top_[rows], total_[rows];
};

/// `attention` for inference by tiles: one task per head and sequence.
template <class Tiles, std::size_t HeadDim, executor E, class Out>
void attend_by_tiles(const E& e, matrix<const bf16> qkv, std::span<const std::size_t> starts, matrix<Out> context) noexcept {
  const std::size_t hidden = context.cols, heads = hidden / HeadDim, sequences = starts.empty() ? 0 : starts.size() - 1;
  e.parallel_for(sequences * heads, [&](std::size_t item) {
    const std::size_t s = item / heads, head = item % heads, start = starts[s] - starts[0];
    const bf16* q = qkv.row(start) + head * HeadDim;
    const amx::configured<Tiles> configured;
    amx_head<HeadDim, Tiles, Out>::run({q, q + hidden, q + 2 * hidden, qkv.stride, starts[s + 1] - starts[s],
                                        context.row(start) + head * HeadDim, context.stride, nullptr, head, heads, start});
  });
}

}  // namespace bert::kernels::detail

namespace bert::inline BERT_ISA::kernels {

/// context[n, h] = sum_m p[n,m] v[m, h] as in `attention`, with the order of sums of tiles; queries, keys, values and p are
/// bf16.
///
/// Each head of a sequence is one task. The bits of a sequence depend on it alone.
template <int HeadDim, class Tiles, executor E, class Out>
void attention_by_tiles(const E& e, matrix<const bf16> qkv, std::span<const std::size_t> starts, matrix<Out> context) noexcept {
  detail::attend_by_tiles<Tiles, static_cast<std::size_t>(HeadDim)>(e, qkv, starts, context);
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ATTENTION_ATTENTION_AMX_HPP
