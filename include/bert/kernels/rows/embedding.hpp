// The input embeddings: word + position + segment, gathered, and their gradients, scattered.
// Layer: kernels. Test: tests/unit/kernels/rows/embedding_test.cpp. Paper: Devlin et al. 2018, section 3.2.
#ifndef BERT_KERNELS_ROWS_EMBEDDING_HPP
#define BERT_KERNELS_ROWS_EMBEDDING_HPP

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/rows/row_groups.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// y[n,:] = word[ids[n],:] + position[n - start of n's sequence,:] + segment[segments[n],:]
///
/// Writes `y` [N, H]. `starts` has an entry for each sequence and a last one; rows are relative to the first. Ids, positions
/// and segments must be within their tables; sessions and tapes check that. Tables are const floats or const bf16. Without data
/// in `segment`, nothing of it is added.
template <executor E, class T>
void embed(const E& e, std::span<const token_id> ids, std::span<const segment_id> segments, std::span<const std::size_t> starts,
           matrix<T> word, matrix<T> position, matrix<T> segment, matrix<float> y) noexcept {
  const std::size_t step = std::max<std::size_t>(1, floats_a_task / std::max<std::size_t>(1, y.cols));
  for_each_range(e, ids.size(), step, [&](std::size_t first, std::size_t last) {
    const std::size_t origin = starts.front();
    auto next = std::upper_bound(starts.begin(), starts.end(), origin + first);  // the start after `first`'s sequence
    for (std::size_t n = first; n < last; ++n) {
      while (*next <= origin + n) ++next;
      const T* of_word = word.row(static_cast<std::size_t>(ids[n]));
      const T* of_position = position.row(origin + n - *(next - 1));
      float* out = y.row(n);
      if (segment.data == nullptr) {
        for_each_register(y.cols, [&](std::size_t i, auto extent) {
          store(out + i, load(of_word + i, extent) + load(of_position + i, extent), extent);
        });
        continue;
      }
      const T* of_segment = segment.row(segments[n]);
      for_each_register(y.cols, [&](std::size_t i, auto extent) {
        store(out + i, load(of_word + i, extent) + load(of_position + i, extent) + load(of_segment + i, extent), extent);
      });
    }
  });
}

/// y[n,:] = word[ids[n],:] + position[positions[n],:] + segment[segments[n],:]
///
/// The same at positions [N] that are given.
template <executor E, class T>
void embed_at(const E& e, std::span<const token_id> ids, std::span<const segment_id> segments,
              std::span<const token_id> positions, matrix<T> word, matrix<T> position, matrix<T> segment,
              matrix<float> y) noexcept {
  for_each_row(e, ids.size(), y.cols, [&](std::size_t n) {
    const T* of_word = word.row(static_cast<std::size_t>(ids[n]));
    const T* of_position = position.row(static_cast<std::size_t>(positions[n]));
    const T* of_segment = segment.row(segments[n]);
    float* out = y.row(n);
    for_each_register(y.cols, [&](std::size_t i, auto extent) {
      store(out + i, load(of_word + i, extent) + load(of_position + i, extent) + load(of_segment + i, extent), extent);
    });
  });
}

namespace detail {

/// The first n of [first, last) with ids[n] == id, or `last`.
[[nodiscard]] inline std::size_t find_token(std::span<const token_id> ids, std::size_t first, std::size_t last,
                                            token_id id) noexcept {
  const simd_int wanted(id);
  while (first + lanes <= last && !xsimd::any(simd_int::load_unaligned(ids.data() + first) == wanted)) first += lanes;
  while (first < last && ids[first] != id) ++first;
  return first;
}

/// to[:] += the sum of chosen rows of `d_y` by the tree of `groups`, in columns [column0, column1). next(first, last) returns
/// the first chosen row of [first, last), or `last`.
template <class Next>
void add_chosen_rows(matrix<const float> d_y, std::size_t column0, std::size_t column1, float* to, const row_groups& groups,
                     const Next& next) noexcept {
  const auto chunk = [&](auto count, std::size_t j, auto extent) {
    const auto total = sum_rows(groups, d_y.rows, [&](std::size_t first, std::size_t last) {
      register_sums<count> sums;
      for (std::size_t n = next(first, last); n < last; n = next(n + 1, last))
        unrolled<count>([&](auto k) { sums[k] += load(d_y.row(n) + j + k * lanes, extent); });
      return sums;
    });
    unrolled<count>([&](auto k) { store(to + j + k * lanes, load(to + j + k * lanes, extent) + total[k], extent); });
  };
  std::size_t done = column0;
  for (; done + 4 * lanes <= column1; done += 4 * lanes) chunk(std::integral_constant<std::size_t, 4>{}, done, whole{});
  for_each_register(column1 - done,
                    [&](std::size_t j, auto extent) { chunk(std::integral_constant<std::size_t, 1>{}, done + j, extent); });
}

/// `embed_backward` by the tree of groups: for each row of a table, the sum over its tokens. The word table's tokens are found
/// by comparing ids, 16 at once on AVX-512: 4,096 tokens take some 0.1 ms per thread, and no memory.
template <executor E>
void embed_backward_by_groups(const E& e, std::span<const token_id> ids, std::span<const segment_id> segments,
                              std::span<const std::size_t> starts, matrix<const float> d_y, matrix<float> d_word,
                              matrix<float> d_position, matrix<float> d_segment, const row_groups& groups) noexcept {
  if (d_word.data != nullptr)
    for_each_range(e, ids.size(), 16, [&](std::size_t first, std::size_t last) {
      for (std::size_t n = first; n < last; ++n) {
        const token_id id = ids[n];
        if (find_token(ids, 0, n, id) < n) continue;  // the first token with an id computes its row
        float* to = d_word.row(static_cast<std::size_t>(id));
        if (find_token(ids, n + 1, ids.size(), id) == ids.size())
          for_each_register(d_y.cols, [&](std::size_t j, auto extent) {  // the tree of one row: 0 + x
            store(to + j, load(to + j, extent) + (load(d_y.row(n) + j, extent) + zero()), extent);
          });
        else
          add_chosen_rows(d_y, 0, d_y.cols, to, groups,
                          [&](std::size_t from, std::size_t end) { return find_token(ids, from, end, id); });
      }
    });
  std::size_t longest = 0;
  for (std::size_t s = 0; s + 1 < starts.size(); ++s) longest = std::max(longest, starts[s + 1] - starts[s]);
  if (d_position.data != nullptr)
    for_each_row(e, longest, d_y.cols, [&](std::size_t p) {
      add_chosen_rows(d_y, 0, d_y.cols, d_position.row(p), groups, [&](std::size_t from, std::size_t end) {
        // The first token p in the sequence of `from` or a later one.
        auto s = static_cast<std::size_t>(std::upper_bound(starts.begin(), starts.end(), from) - starts.begin());
        for (s -= s == 0 ? 0 : 1; s + 1 < starts.size() && starts[s] < end; ++s) {
          const std::size_t n = starts[s] + p;
          if (n >= from && n < starts[s + 1]) return std::min(n, end);
        }
        return end;
      });
    });
  if (d_segment.data != nullptr)
    for_each_column_range(e, d_y.cols, [&](std::size_t first, std::size_t last) {
      for (std::size_t row = 0; row < d_segment.rows; ++row)
        add_chosen_rows(d_y, first, last, d_segment.row(row), groups, [&](std::size_t from, std::size_t end) {
          while (from < end && segments[from] != row) ++from;
          return from;
        });
    });
}

}  // namespace detail

/// d_word[ids[n],:] += d_y[n,:], and likewise for position and segment
///
/// Adds to the three gradients in the order of tokens: the work is split by columns, never by tokens. With `groups` of rows of
/// `d_y`, the sum of each table row's tokens is taken by their tree and added once. A table without data is frozen and skipped.
template <executor E>
void embed_backward(const E& e, std::span<const token_id> ids, std::span<const segment_id> segments,
                    std::span<const std::size_t> starts, matrix<const float> d_y, matrix<float> d_word,
                    matrix<float> d_position, matrix<float> d_segment, const row_groups& groups = {}) noexcept {
  if (groups.count() > 1) {
    detail::embed_backward_by_groups(e, ids, segments, starts, d_y, d_word, d_position, d_segment, groups);
    return;
  }
  if (d_word.data == nullptr && d_position.data == nullptr && d_segment.data == nullptr) return;
  for_each_column_range(e, d_y.cols, [&](std::size_t first, std::size_t last) {
    for (std::size_t s = 0; s + 1 < starts.size(); ++s)
      for (std::size_t n = starts[s]; n < starts[s + 1]; ++n) {
        const float* d = d_y.row(n) + first;
        const auto row_of = [&](const matrix<float>& table, std::size_t i) {
          return table.data == nullptr ? nullptr : table.row(i) + first;
        };
        float* const to[] = {row_of(d_word, static_cast<std::size_t>(ids[n])), row_of(d_position, n - starts[s]),
                             row_of(d_segment, segments[n])};
        for_each_register(last - first, [&](std::size_t i, auto extent) {
          const simd x = load(d + i, extent);
          unrolled<3>([&](auto t) {
            if (to[t] != nullptr) store(to[t] + i, load(to[t] + i, extent) + x, extent);
          });
        });
      }
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ROWS_EMBEDDING_HPP
