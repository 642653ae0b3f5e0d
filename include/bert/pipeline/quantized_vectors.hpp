// Sentence vectors in a byte or a bit a dimension, and search in them.
// Layer: pipeline. Test: tests/unit/pipeline/search_test.cpp
// Paper: Yamada et al. 2021, "Efficient passage retrieval with hashing" (binary candidates, rescored by the float query).
#ifndef BERT_PIPELINE_QUANTIZED_VECTORS_HPP
#define BERT_PIPELINE_QUANTIZED_VECTORS_HPP

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/pipeline/search.hpp"
#include "bert/pipeline/similarity.hpp"

namespace bert::inline BERT_ISA {

/// What a byte stands for in each dimension: code c from -128 to 127 for low + (c + 128) step.
template <std::size_t D>
struct int8_calibration {
  std::array<float, D> low{}, step{};

  /// low and low + 255 step are the least and the greatest number of each dimension in `sample`; step is 0 where they are
  /// equal. Throws bert::error for no vectors.
  [[nodiscard]] static int8_calibration of(const vectors<D>& sample) {
    if (sample.rows() == 0) throw_error({"bert::int8_calibration", "one vector or more", "none", {}});
    int8_calibration c;
    std::array<float, D> high{};
    std::copy_n(sample[0].begin(), D, c.low.begin());
    high = c.low;
    for (std::size_t i = 1; i < sample.rows(); ++i)
      for (std::size_t d = 0; d < D; ++d) {
        c.low[d] = std::min(c.low[d], sample[i][d]);
        high[d] = std::max(high[d], sample[i][d]);
      }
    for (std::size_t d = 0; d < D; ++d) c.step[d] = (high[d] - c.low[d]) / 255.0f;
    return c;
  }

  /// The nearest code, clamped to -128 … 127; -128 in a constant dimension and for a NaN.
  [[nodiscard]] std::int8_t encode(float x, std::size_t d) const noexcept {
    const float place = step[d] > 0 ? std::round((x - low[d]) / step[d]) : 0.0f;
    return static_cast<std::int8_t>(static_cast<int>(place >= 0 ? std::min(place, 255.0f) : 0.0f) - 128);
  }
  [[nodiscard]] float decode(std::int8_t code, std::size_t d) const noexcept {
    return low[d] + static_cast<float>(int{code} + 128) * step[d];
  }
};

/// Vectors of a byte a dimension, a quarter of the memory.
///
///     const bert::int8_vectors<384> small(embed(documents));
///     for (const auto [row, score] : small.nearest(embed("a query"), 10)) …
template <std::size_t D>
class int8_vectors {
 public:
  int8_vectors(const vectors<D>& from, const int8_calibration<D>& calibration)
      : calibration_(calibration), codes_(from.rows() * D) {
    for (std::size_t i = 0; i < from.rows(); ++i)
      for (std::size_t d = 0; d < D; ++d) codes_[i * D + d] = calibration.encode(from[i][d], d);
  }
  /// Calibrated by the vectors themselves.
  explicit int8_vectors(const vectors<D>& from) : int8_vectors(from, int8_calibration<D>::of(from)) {}

  [[nodiscard]] std::size_t rows() const noexcept { return codes_.size() / D; }
  [[nodiscard]] std::span<const std::int8_t, D> operator[](std::size_t i) const noexcept {
    return std::span<const std::int8_t, D>(codes_.data() + i * D, D);
  }
  /// All codes, row after row.
  [[nodiscard]] std::span<const std::int8_t> flat() const noexcept { return codes_; }
  [[nodiscard]] const int8_calibration<D>& calibration() const noexcept { return calibration_; }

  /// A query as it multiplies codes: the product of `query` with a decoded row is offset + weights · codes.
  struct prepared_query {
    std::array<float, D> weights;
    float offset;
  };
  [[nodiscard]] prepared_query prepare(std::span<const float, D> query) const noexcept {
    prepared_query q{};
    double offset = 0;
    for (std::size_t d = 0; d < D; ++d) {
      q.weights[d] = query[d] * calibration_.step[d];
      offset += static_cast<double>(query[d]) * static_cast<double>(calibration_.decode(0, d));
    }
    q.offset = static_cast<float>(offset);
    return q;
  }
  /// The dot product of the query with row i, decoded: the query stays in f32.
  [[nodiscard]] float score(const prepared_query& q, std::size_t i) const noexcept {
    std::array<float, 8> sums{};
    const std::int8_t* code = codes_.data() + i * D;
    for (std::size_t d = 0; d < D; d += 8)
      for (std::size_t j = 0; j < std::min<std::size_t>(8, D - d); ++j)
        sums[j] += q.weights[d + j] * static_cast<float>(code[d + j]);
    return q.offset + (((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])));
  }

  /// The `k` rows of the greatest scores.
  [[nodiscard]] std::vector<scored_row> nearest(std::span<const float, D> query, std::size_t k) const {
    const prepared_query q = prepare(query);
    best_rows best(std::min(k, rows()));
    for (std::size_t i = 0; i < rows(); ++i) best.push(i, score(q, i));
    return best.take();
  }

 private:
  int8_calibration<D> calibration_;
  std::vector<std::int8_t> codes_;
};

struct binary_search_options {
  std::size_t rescore_multiplier = 4;  ///< k times this many rows are rescored
};

/// Vectors of a bit a dimension: whether it is positive. A 32nd of the memory.
///
///     const bert::binary_vectors<384> bits(index);
///     const auto found = bits.nearest(query, 10, small);      // candidates by bits, rescored by int8_vectors or vectors
template <std::size_t D>
class binary_vectors {
 public:
  static constexpr std::size_t words = (D + 63) / 64;
  using code = std::array<std::uint64_t, words>;

  explicit binary_vectors(const vectors<D>& from) : codes_(from.rows()) {
    for (std::size_t i = 0; i < from.rows(); ++i) codes_[i] = encode(from[i]);
  }

  [[nodiscard]] static code encode(std::span<const float, D> x) noexcept {
    code bits{};
    for (std::size_t d = 0; d < D; ++d) bits[d / 64] |= std::uint64_t{x[d] > 0 ? 1u : 0u} << (d % 64);
    return bits;
  }
  [[nodiscard]] std::size_t rows() const noexcept { return codes_.size(); }
  [[nodiscard]] const code& operator[](std::size_t i) const noexcept { return codes_[i]; }
  /// Dimensions in which two codes differ.
  [[nodiscard]] static std::size_t hamming(const code& a, const code& b) noexcept {
    std::size_t n = 0;
    for (std::size_t w = 0; w < words; ++w) n += static_cast<std::size_t>(std::popcount(a[w] ^ b[w]));
    return n;
  }

  /// Rows nearest by Hamming distance, then the `k` best of them by the dot product of the float query with each row's signs.
  [[nodiscard]] std::vector<scored_row> nearest(std::span<const float, D> query, std::size_t k,
                                                const binary_search_options& options = {}) const {
    return rescored(query, k, options, [&](std::size_t row) {
      float sum = 0;
      for (std::size_t d = 0; d < D; ++d) sum += (codes_[row][d / 64] >> (d % 64) & 1u) != 0 ? query[d] : -query[d];
      return sum / std::sqrt(static_cast<float>(D));  // as of unit vectors
    });
  }
  /// The same, rescored by the bytes or the floats of the same rows. Throws bert::error for another number of rows.
  [[nodiscard]] std::vector<scored_row> nearest(std::span<const float, D> query, std::size_t k, const int8_vectors<D>& rows,
                                                const binary_search_options& options = {}) const {
    check_rows(rows.rows());
    const auto q = rows.prepare(query);
    return rescored(query, k, options, [&](std::size_t row) { return rows.score(q, row); });
  }
  [[nodiscard]] std::vector<scored_row> nearest(std::span<const float, D> query, std::size_t k, const vectors<D>& rows,
                                                const binary_search_options& options = {}) const {
    check_rows(rows.rows());
    return rescored(query, k, options, [&](std::size_t row) { return detail::dot(query.data(), rows[row].data(), D); });
  }

 private:
  void check_rows(std::size_t found) const {
    if (found != rows()) throw_error({"bert::binary_vectors::nearest", cat(rows(), " rows to rescore by"), cat(found), {}});
  }
  template <class Score>
  [[nodiscard]] std::vector<scored_row> rescored(std::span<const float, D> query, std::size_t k,
                                                 const binary_search_options& options, const Score& score) const {
    const code bits = encode(query);
    best_rows candidates(std::min(k * std::max<std::size_t>(1, options.rescore_multiplier), rows())), best(std::min(k, rows()));
    for (std::size_t i = 0; i < rows(); ++i) candidates.push(i, -static_cast<float>(hamming(bits, codes_[i])));
    for (const scored_row& c : candidates.take()) best.push(c.row, score(c.row));
    return best.take();
  }

  std::vector<code> codes_;
};

}  // namespace bert

#endif  // BERT_PIPELINE_QUANTIZED_VECTORS_HPP
