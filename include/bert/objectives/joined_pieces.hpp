// Words that are read as the mean of their pieces.
// Layer: objectives. Test: tests/unit/objectives/tag_cross_entropy_test.cpp
#ifndef BERT_OBJECTIVES_JOINED_PIECES_HPP
#define BERT_OBJECTIVES_JOINED_PIECES_HPP

#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/tensor/training_batch.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::objectives {

/// The pieces behind piece `n` whose logits are averaged with its own: those with `joined_tag`.
[[nodiscard]] inline std::size_t joined_behind(std::span<const std::int32_t> tags, std::size_t n) noexcept {
  std::size_t end = n + 1;
  while (end < tags.size() && tags[end] == joined_tag) ++end;
  return end - n - 1;
}

/// Writes row[c] = mean of rows n to n + more of `from`.
inline void mean_of_pieces(matrix<const float> from, std::size_t n, std::size_t more, float* row) noexcept {
  const float share = 1.0f / static_cast<float>(more + 1);
  for (std::size_t c = 0; c < from.cols; ++c) {
    float sum = from(n, c);
    for (std::size_t i = 1; i <= more; ++i) sum += from(n + i, c);
    row[c] = share * sum;
  }
}

/// Replaces the logits of each word's first piece by the mean of its pieces.
inline void join_pieces(std::span<const std::int32_t> tags, matrix<float> z) noexcept {
  for (std::size_t n = 0; n < tags.size(); ++n)
    if (tags[n] >= 0)
      if (const std::size_t more = joined_behind(tags, n); more != 0) mean_of_pieces(z, n, more, z.row(n));
}

/// Turns the gradients of `join_pieces`' means into those of the pieces.
inline void spread_gradients(std::span<const std::int32_t> tags, matrix<float> d) noexcept {
  for (std::size_t n = 0; n < tags.size(); ++n) {
    if (tags[n] < 0) continue;
    const std::size_t more = joined_behind(tags, n);
    if (more == 0) continue;
    const float share = 1.0f / static_cast<float>(more + 1);
    for (std::size_t c = 0; c < d.cols; ++c) {
      const float x = share * d(n, c);
      for (std::size_t i = 0; i <= more; ++i) d(n + i, c) = x;
    }
  }
}

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_JOINED_PIECES_HPP
