// Sentence vectors in rows, their similarity, and top-k search.
// Layer: pipeline. Test: tests/unit/pipeline/similarity_test.cpp
#ifndef BERT_PIPELINE_SIMILARITY_HPP
#define BERT_PIPELINE_SIMILARITY_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA {

/// `rows()` owned vectors of `columns()` floats; row i is a span. `Dimension` is their number, or std::dynamic_extent if it is
/// known at run time only, as of an embedder that follows its folder.
template <std::size_t Dimension>
class vectors {
 public:
  static constexpr std::size_t dimension = Dimension;

  vectors() = default;
  explicit vectors(std::size_t rows) requires(Dimension != std::dynamic_extent) : vectors(rows, Dimension) {}
  /// `columns` must be `Dimension`, if that is a number.
  vectors(std::size_t rows, std::size_t columns) : rows_(rows), columns_(columns), data_(rows * columns) {}

  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::size_t size() const noexcept { return rows_; }
  [[nodiscard]] std::size_t columns() const noexcept { return columns_; }
  [[nodiscard]] std::span<const float, Dimension> operator[](std::size_t i) const noexcept {
    return std::span<const float, Dimension>(data_.data() + i * columns_, columns_);
  }
  [[nodiscard]] std::span<float, Dimension> operator[](std::size_t i) noexcept {
    return std::span<float, Dimension>(data_.data() + i * columns_, columns_);
  }
  /// All floats, row after row.
  [[nodiscard]] std::span<const float> flat() const noexcept { return data_.span(); }

 private:
  std::size_t rows_ = 0, columns_ = Dimension == std::dynamic_extent ? 0 : Dimension;
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
    for (std::size_t i = 0; i < index.rows(); ++i)
      scores[j][i] = detail::dot(index[i].data(), queries[j].data(), index.columns());
  return scores;
}

/// How two vectors are compared; the names are those of sentence-transformers.
///
/// cosine: a · b / (|a| |b|).  dot: a · b.  euclidean: -|a - b|.  manhattan: -sum_i |a_i - b_i|.  Greater is more alike.
enum class similarity_measure : std::uint8_t { cosine, dot, euclidean, manhattan };

[[nodiscard]] constexpr std::string_view name_of(similarity_measure by) noexcept {
  constexpr std::array<std::string_view, 4> names{"cosine", "dot", "euclidean", "manhattan"};
  return names[static_cast<std::size_t>(by)];
}

[[nodiscard]] inline float similarity(std::span<const float> a, std::span<const float> b, similarity_measure by) noexcept {
  const std::size_t n = std::min(a.size(), b.size());
  if (by == similarity_measure::dot) return detail::dot(a.data(), b.data(), n);
  if (by == similarity_measure::cosine) {
    const auto length = [n](const float* x) { return std::max(std::sqrt(detail::dot(x, x, n)), 1e-12f); };
    return detail::dot(a.data(), b.data(), n) / (length(a.data()) * length(b.data()));
  }
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += by == similarity_measure::euclidean ? d * d : std::abs(d);
  }
  return static_cast<float>(-(by == similarity_measure::euclidean ? std::sqrt(sum) : sum));
}

/// s[i] = the similarity of index[i,:] and the query
template <std::size_t D>
[[nodiscard]] std::vector<float> similarity(const vectors<D>& index, std::span<const float> query, similarity_measure by) {
  std::vector<float> scores(index.rows());
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = similarity(std::span<const float>(index[i]), query, by);
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

#endif  // BERT_PIPELINE_SIMILARITY_HPP
