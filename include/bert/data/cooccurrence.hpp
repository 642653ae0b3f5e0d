// Vectors of a vocabulary's pieces from the company that they keep in a corpus: what word embeddings may start from.
// Layer: data. Test: tests/unit/data/cooccurrence_test.cpp
// Papers: Levy and Goldberg 2014, "Neural word embedding as implicit matrix factorization"; Levy, Goldberg and Dagan 2015,
// "Improving distributional similarity"; Halko, Martinsson and Tropp 2011, "Finding structure with randomness".
#ifndef BERT_DATA_COOCCURRENCE_HPP
#define BERT_DATA_COOCCURRENCE_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/data/token_store.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::data {

struct cooccurrence_options {
  std::size_t window = 5;       ///< tokens on either side; one at distance d counts 1 / d
  std::size_t contexts = 2048;  ///< the most frequent pieces, which are counted as neighbors
  double smoothing = 0.75;      ///< exponent of the contexts' frequencies
  unsigned iterations = 2;      ///< of the search for the subspace
  std::uint64_t seed = 0;
};

/// A matrix without its zeros, row after row.
struct sparse_matrix {
  std::size_t rows = 0, cols = 0;
  std::vector<std::size_t> starts = {0};  ///< of the rows, and the end
  std::vector<std::uint32_t> columns = {};
  std::vector<float> values = {};

  void add_row(std::span<const float> row) {
    for (std::size_t c = 0; c < row.size(); ++c)
      if (row[c] != 0) {
        columns.push_back(static_cast<std::uint32_t>(c));
        values.push_back(row[c]);
      }
    starts.push_back(values.size());
    ++rows;
  }
  [[nodiscard]] sparse_matrix transposed() const {
    sparse_matrix t{.rows = cols, .cols = rows, .starts = std::vector<std::size_t>(cols + 1), .columns = {}, .values = {}};
    for (const auto c : columns) ++t.starts[c + 1];
    std::partial_sum(t.starts.begin(), t.starts.end(), t.starts.begin());
    t.columns.resize(columns.size());
    t.values.resize(values.size());
    std::vector<std::size_t> next(t.starts.begin(), t.starts.end() - 1);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = starts[r]; i < starts[r + 1]; ++i) {
        const std::size_t at = next[columns[i]]++;
        t.columns[at] = static_cast<std::uint32_t>(r);
        t.values[at] = values[i];
      }
    return t;
  }
};

namespace detail {

/// y [rows, k] = M x [cols, k]
template <executor E>
[[nodiscard]] std::vector<float> multiply(const E& e, const sparse_matrix& m, const std::vector<float>& x, std::size_t k) {
  std::vector<float> y(m.rows * k);
  e.parallel_for(m.rows, [&](std::size_t r) {
    float* const to = y.data() + r * k;
    for (std::size_t i = m.starts[r]; i < m.starts[r + 1]; ++i) {
      const float v = m.values[i];
      const float* const from = x.data() + m.columns[i] * k;
      for (std::size_t j = 0; j < k; ++j) to[j] += v * from[j];
    }
  });
  return y;
}

/// The eigenvalues of a symmetric matrix [k, k], largest first, and its eigenvectors as columns of `vectors`: Jacobi's
/// rotations, until nothing beside the diagonal is left.
inline void eigen(std::vector<double> a, std::size_t k, std::vector<double>& values, std::vector<double>& vectors) {
  std::vector<double> v(k * k);  // rows are eigenvectors
  for (std::size_t i = 0; i < k; ++i) v[i * k + i] = 1;
  double whole = 0;
  for (const double x : a) whole += x * x;
  for (int sweep = 0; sweep < 30; ++sweep) {
    double beside = 0;
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = 0; j < i; ++j) beside += 2 * a[i * k + j] * a[i * k + j];
    if (!(beside > 1e-22 * whole)) break;
    for (std::size_t p = 0; p < k; ++p)
      for (std::size_t q = p + 1; q < k; ++q) {
        const double apq = a[p * k + q];
        if (apq == 0) continue;
        const double theta = (a[q * k + q] - a[p * k + p]) / (2 * apq);
        const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        const auto rotate = [&](double& x, double& y) {
          const double old = x;
          x = c * old - s * y;
          y = s * old + c * y;
        };
        for (std::size_t i = 0; i < k; ++i) rotate(a[i * k + p], a[i * k + q]);
        for (std::size_t i = 0; i < k; ++i) rotate(a[p * k + i], a[q * k + i]);
        for (std::size_t i = 0; i < k; ++i) rotate(v[p * k + i], v[q * k + i]);
      }
  }
  std::vector<std::size_t> order(k);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return a[i * k + i] > a[j * k + j]; });
  values.resize(k);
  vectors.resize(k * k);
  for (std::size_t j = 0; j < k; ++j) {
    values[j] = a[order[j] * k + order[j]];
    for (std::size_t i = 0; i < k; ++i) vectors[i * k + j] = v[order[j] * k + i];
  }
}

/// G [k, k] = y^T y, in double.
[[nodiscard]] inline std::vector<double> gram(const std::vector<float>& y, std::size_t k) {
  std::vector<double> g(k * k);
  for (std::size_t r = 0; r < y.size() / k; ++r)
    for (std::size_t i = 0; i < k; ++i) {
      const auto x = static_cast<double>(y[r * k + i]);
      for (std::size_t j = i; j < k; ++j) g[i * k + j] += x * static_cast<double>(y[r * k + j]);
    }
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t j = 0; j < i; ++j) g[i * k + j] = g[j * k + i];
  return g;
}

/// y [n, k] times w [k, k], each column of the result times scale[j].
template <executor E>
void rotate(const E& e, std::vector<float>& y, const std::vector<double>& w, const std::vector<double>& scale, std::size_t k) {
  e.parallel_for(y.size() / k, [&](std::size_t r) {
    std::vector<double> row(k);
    for (std::size_t i = 0; i < k; ++i) {
      const auto x = static_cast<double>(y[r * k + i]);
      for (std::size_t j = 0; j < k; ++j) row[j] += x * w[i * k + j];
    }
    for (std::size_t j = 0; j < k; ++j) y[r * k + j] = static_cast<float>(row[j] * scale[j]);
  });
}

/// Makes the columns of y orthonormal; those that depend on others become 0.
template <executor E>
void orthonormalize(const E& e, std::vector<float>& y, std::size_t k) {
  for (int twice = 0; twice < 2; ++twice) {  // the second time for what f32 has lost
    std::vector<double> values, vectors, scale(k);
    eigen(gram(y, k), k, values, vectors);
    for (std::size_t j = 0; j < k; ++j) scale[j] = values[j] > 1e-12 * values[0] ? 1 / std::sqrt(values[j]) : 0;
    rotate(e, y, vectors, scale, k);
  }
}

}  // namespace detail

/// The left singular vectors of M [rows, cols] that belong to the `k` largest singular values, each times its value to the
/// power 1/2: [rows, k], by the randomized search of a subspace that is 8 columns wider. The same bits for any number of
/// threads.
template <executor E = execution::serial>
[[nodiscard]] std::vector<float> principal_vectors(const sparse_matrix& m, std::size_t k, unsigned iterations,
                                                   std::uint64_t seed, const E& e = {}) {
  const std::size_t wide = std::min({k + 8, m.rows, m.cols});
  const sparse_matrix t = m.transposed();
  std::vector<float> x(m.cols * wide);
  random_stream random(seed, draw::initial_weights, key_of("subspace"));
  for (float& v : x) v = random.normal();
  std::vector<float> q = detail::multiply(e, m, x, wide);
  detail::orthonormalize(e, q, wide);
  for (unsigned i = 0; i < iterations; ++i) {
    x = detail::multiply(e, t, q, wide);
    detail::orthonormalize(e, x, wide);
    q = detail::multiply(e, m, x, wide);
    detail::orthonormalize(e, q, wide);
  }
  // M M^T within the subspace: its eigenvectors are the singular vectors, its eigenvalues their values squared.
  std::vector<double> values, vectors, scale(wide);
  detail::eigen(detail::gram(detail::multiply(e, t, q, wide), wide), wide, values, vectors);
  for (std::size_t j = 0; j < wide; ++j) scale[j] = std::pow(std::max(values[j], 0.0), 0.25);
  detail::rotate(e, q, vectors, scale, wide);
  std::vector<float> out(m.rows * k);
  for (std::size_t r = 0; r < m.rows; ++r) std::copy_n(q.data() + r * wide, std::min(k, wide), out.data() + r * k);
  return out;
}

/// M[v,c] = max(0, log(n(v,c) N / (n(v) n(c)^a))) with N = sum_c n(c)^a,  n the weighted counts of piece v beside context c:
/// the positive pointwise mutual information, of each document's tokens by themselves. Rows without a neighbor are empty.
[[nodiscard]] inline sparse_matrix mutual_information(const token_store& text, std::size_t pieces,
                                                      const cooccurrence_options& options = {}) {
  if (options.window == 0 || options.contexts == 0 || !(options.smoothing > 0 && options.smoothing <= 1))
    throw_error({"bert::data::cooccurrence_options",
                 ".window and .contexts of 1 or more, .smoothing above 0 up to 1",
                 cat(options.window, ", ", options.contexts, ", ", options.smoothing),
                 {}});
  std::vector<std::uint64_t> count(pieces);
  for (std::uint64_t t = 0; t < text.tokens(); ++t) ++count[static_cast<std::size_t>(text.id(t))];
  std::vector<std::size_t> frequent(pieces);
  std::iota(frequent.begin(), frequent.end(), std::size_t{0});
  std::stable_sort(frequent.begin(), frequent.end(), [&](std::size_t a, std::size_t b) { return count[a] > count[b]; });
  const std::size_t cols = std::min(options.contexts, pieces);
  constexpr std::uint32_t none = 0xFFFFFFFFu;
  std::vector<std::uint32_t> context(pieces, none);
  for (std::size_t c = 0; c < cols; ++c) context[frequent[c]] = static_cast<std::uint32_t>(c);

  std::vector<float> n(pieces * cols);
  for (std::uint32_t d = 0; d < text.documents(); ++d) {
    const std::uint64_t first = text.sentence(text.document(d)), last = text.sentence(text.document(d + 1));
    for (std::uint64_t t = first; t < last; ++t) {
      const auto a = static_cast<std::size_t>(text.id(t));
      for (std::uint64_t u = t + 1; u < std::min(last, t + 1 + options.window); ++u) {
        const auto b = static_cast<std::size_t>(text.id(u));
        const float weight = 1.0f / static_cast<float>(u - t);
        if (context[b] != none) n[a * cols + context[b]] += weight;
        if (context[a] != none) n[b * cols + context[a]] += weight;
      }
    }
  }

  std::vector<double> of_context(cols), of_piece(pieces);
  for (std::size_t v = 0; v < pieces; ++v)
    for (std::size_t c = 0; c < cols; ++c) {
      of_piece[v] += static_cast<double>(n[v * cols + c]);
      of_context[c] += static_cast<double>(n[v * cols + c]);
    }
  double all = 0;
  for (double& x : of_context) all += x = std::pow(x, options.smoothing);
  sparse_matrix m{.cols = cols};
  std::vector<float> row(cols);
  for (std::size_t v = 0; v < pieces; ++v) {
    for (std::size_t c = 0; c < cols; ++c) {
      const auto together = static_cast<double>(n[v * cols + c]);
      row[c] =
          together > 0 ? static_cast<float>(std::max(0.0, std::log(together * all / (of_piece[v] * of_context[c])))) : 0.0f;
    }
    m.add_row(row);
  }
  return m;
}

/// Replaces the rows of `embeddings` [V, H] of pieces that occur in the text by vectors of their neighbors, each of the length
/// that the row had; the others stay. Pieces that keep like company then have like rows before the first step of training.
///
///     const auto words = model.values(model.table()[0]);
///     bert::data::embed_by_cooccurrence(packed.store(), {words.data(), words.size() / arch::hidden, arch::hidden});
template <executor E = execution::serial>
void embed_by_cooccurrence(const token_store& text, matrix<float> embeddings, const cooccurrence_options& options = {},
                           const E& e = {}) {
  const std::size_t k = embeddings.cols;
  const auto vectors =
      principal_vectors(mutual_information(text, embeddings.rows, options), k, options.iterations, options.seed, e);
  const auto length = [&](const float* x) {
    double squares = 0;
    for (std::size_t j = 0; j < k; ++j) squares += static_cast<double>(x[j]) * static_cast<double>(x[j]);
    return std::sqrt(squares);
  };
  for (std::size_t v = 0; v < embeddings.rows; ++v) {
    const float* const from = vectors.data() + v * k;
    const double own = length(from);
    if (!(own > 0)) continue;
    const double scale = length(embeddings.row(v)) / own;
    for (std::size_t j = 0; j < k; ++j) embeddings(v, j) = static_cast<float>(scale * static_cast<double>(from[j]));
  }
}

}  // namespace bert::data

#endif  // BERT_DATA_COOCCURRENCE_HPP
