// Sentence vectors in rows, their similarity, and top-k search.
// Layer: pipeline. Test: tests/unit/pipeline/similarity_test.cpp
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA {

/// `rows()` owned vectors of `Dimension` floats; row i is a span.
template <std::size_t Dimension>
class vectors {
 public:
  static constexpr std::size_t dimension = Dimension;

  vectors() = default;
  explicit vectors(std::size_t rows) : rows_(rows), data_(rows * Dimension) {}

  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::size_t size() const noexcept { return rows_; }
  [[nodiscard]] std::span<const float, Dimension> operator[](std::size_t i) const noexcept {
    return std::span<const float, Dimension>(data_.data() + i * Dimension, Dimension);
  }
  [[nodiscard]] std::span<float, Dimension> operator[](std::size_t i) noexcept {
    return std::span<float, Dimension>(data_.data() + i * Dimension, Dimension);
  }
  /// All floats, row after row.
  [[nodiscard]] std::span<const float> flat() const noexcept { return data_.span(); }

 private:
  std::size_t rows_ = 0;
  buffer<float> data_;
};

namespace detail {
// Eight independent sums, which vectorize, in a fixed order, so that bits match across ISAs.
[[nodiscard]] inline float dot(const float* a, const float* b, std::size_t n) noexcept {
  std::array<float, 8> sums{};
  for (std::size_t block = 0; block < n / 8; ++block, a += 8, b += 8)
    for (std::size_t j = 0; j < 8; ++j) sums[j] += a[j] * b[j];
  for (std::size_t j = 0; j < n % 8; ++j) sums[j] += a[j] * b[j];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}
}  // namespace detail

/// s[i] = index[i,:] · query, the cosine similarity, as an embedder's rows have unit length
template <std::size_t D>
[[nodiscard]] std::vector<float> similarity(const vectors<D>& index, const std::array<float, D>& query) {
  std::vector<float> scores(index.rows());
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = detail::dot(index[i].data(), query.data(), D);
  return scores;
}

template <std::size_t D>
[[nodiscard]] float similarity(const std::array<float, D>& a, const std::array<float, D>& b) noexcept {
  return detail::dot(a.data(), b.data(), D);
}

/// s[j][i] = index[i,:] · queries[j,:], one list of scores for each query
template <std::size_t D>
[[nodiscard]] std::vector<std::vector<float>> similarity(const vectors<D>& index, const vectors<D>& queries) {
  std::vector<std::vector<float>> scores(queries.rows(), std::vector<float>(index.rows()));
  for (std::size_t j = 0; j < queries.rows(); ++j)
    for (std::size_t i = 0; i < index.rows(); ++i) scores[j][i] = detail::dot(index[i].data(), queries[j].data(), D);
  return scores;
}

struct scored_row {
  std::size_t row = 0;
  float score = 0;
};

/// The `k` highest scores with their rows, highest first, the lower row first of equal ones. All scores if there are fewer.
[[nodiscard]] inline std::vector<scored_row> top_k(std::span<const float> scores, std::size_t k) {
  std::vector<scored_row> best(scores.size());
  for (std::size_t i = 0; i < best.size(); ++i) best[i] = {i, scores[i]};
  k = std::min(k, best.size());
  std::partial_sort(
      best.begin(), best.begin() + static_cast<std::ptrdiff_t>(k), best.end(),
      [](const scored_row& a, const scored_row& b) { return a.score != b.score ? a.score > b.score : a.row < b.row; });
  best.resize(k);
  return best;
}

}  // namespace bert
