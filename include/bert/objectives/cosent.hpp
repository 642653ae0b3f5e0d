// Losses on the order of scored pairs: CoSENT, and AnglE's, which compares angles in the complex plane.
// Layer: objectives. Test: tests/unit/objectives/on_vectors_test.cpp
// Papers: Su 2022, "CoSENT"; Li and Li 2023, "AnglE-optimized text embeddings".
#ifndef BERT_OBJECTIVES_COSENT_HPP
#define BERT_OBJECTIVES_COSENT_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/objectives/on_vectors.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {

/// L = log(1 + sum over i, j with value_i < value_j of exp(scale (s_i - s_j)))
///
/// Writes dL/ds times `factor` to `d` [P]. In f64: the sum has P^2 terms, of a batch's pairs.
[[nodiscard]] inline double order_loss(std::span<const double> s, const training_batch& in, double scale, double factor,
                                       std::span<float> d) noexcept {
  const auto value = [&](std::size_t g) { return in.values[in.groups[g]]; };
  const auto for_each_wrong = [&](std::size_t i, const auto& body) {
    for (std::size_t j = 0; j < s.size(); ++j)
      if (value(i) < value(j)) body(j, scale * (s[i] - s[j]));
  };
  double most = 0;  // the exponent of the 1
  for (std::size_t i = 0; i < s.size(); ++i) for_each_wrong(i, [&](std::size_t, double x) { most = std::max(most, x); });
  double sum = std::exp(-most);
  for (std::size_t i = 0; i < s.size(); ++i) for_each_wrong(i, [&](std::size_t, double x) { sum += std::exp(x - most); });
  std::fill(d.begin(), d.end(), 0.0f);
  for (std::size_t i = 0; i < s.size(); ++i) {
    double own = 0;
    for_each_wrong(i, [&](std::size_t j, double x) {
      const double share = factor * scale * std::exp(x - most) / sum;
      own += share;
      d[j] -= static_cast<float>(share);
    });
    d[i] += static_cast<float>(own);
  }
  return std::log(sum) + most;
}

inline void check_scored_pairs(const training_batch& in, const char* where) {
  check_groups(in, 2, 2, where);
  check_values(in, where);
}

/// The loss term of an order: one number a batch.
inline loss_terms order_terms(double loss) noexcept {
  loss_terms terms;
  terms.add({.name = "loss", .sum = loss, .count = 1});
  return terms;
}

}  // namespace detail

/// loss = log(1 + sum over pairs i, j with value_i < value_j of exp(scale (cos_i - cos_j)))
///
/// One number a batch, not a mean over pairs: a mean over accumulated batches or replicas is one of their losses.
struct cosent {
  using needs = target_list<target::group, target::value>;

  float scale = 20;

  struct work {
    work(const cosent&, const batch_shape& raw) : cosines(raw.sequences) {}
    detail::pair_cosines cosines;
  };
  /// What a resumed run must agree in; see trainer::keep.
  [[nodiscard]] named_facts fingerprint() const { return {{"scale", cat(scale)}}; }
  static void check(const training_batch& in) { detail::check_scored_pairs(in, "bert::objectives::cosent"); }
  [[nodiscard]] static std::uint64_t count(const training_batch&) noexcept { return 1; }

  template <class Model>
  static constexpr bool fits = detail::embeds<Model>;
  static constexpr bool rewrites = false;
  [[nodiscard]] static constexpr batch_shape capacity(const batch_shape& raw) noexcept { return detail::unscored(raw); }
  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) {
    check(in);
    return in.tokens;
  }
  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) noexcept {
    return detail::loss_count(count(in));
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& share) const {
    return score_vectors(e, in, w, detail::vectors_of(t), share);
  }

  template <executor E>
  loss_terms score_vectors(const E& e, const training_batch& in, work& w, matrix<float> y, const loss_scale& share) const {
    const auto s = w.cosines.forward(e, in, y);
    const auto d = w.cosines.gradients(s.size());
    const double loss =
        detail::order_loss(s, in, static_cast<double>(scale), static_cast<double>(share.share("loss", 1, 1.0f)), d);
    w.cosines.backward(e, in, d, y);
    return detail::order_terms(loss);
  }
};

/// cosent with s = |sum_k (a_k c_k + b_k d_k) + (b_k c_k - a_k d_k)| in place of the cosine; x = (a, b) and y = (c, d) are the
/// halves of a pair's unit vectors
///
/// The sum of real and imaginary part of x / y, taken as complex vectors: where cosines saturate, angles still differ.
struct angle {
  using needs = target_list<target::group, target::value>;

  float scale = 20;

  struct work {
    work(const angle&, const batch_shape& raw) : pairs(raw.sequences), signs(raw.sequences) {}
    detail::pair_cosines pairs;
    buffer<float> signs;
  };
  /// What a resumed run must agree in; see trainer::keep.
  [[nodiscard]] named_facts fingerprint() const { return {{"scale", cat(scale)}}; }
  static void check(const training_batch& in) { detail::check_scored_pairs(in, "bert::objectives::angle"); }
  [[nodiscard]] static std::uint64_t count(const training_batch&) noexcept { return 1; }

  template <class Model>
  static constexpr bool fits = detail::embeds<Model>;
  static constexpr bool rewrites = false;
  [[nodiscard]] static constexpr batch_shape capacity(const batch_shape& raw) noexcept { return detail::unscored(raw); }
  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) {
    check(in);
    return in.tokens;
  }
  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) noexcept {
    return detail::loss_count(count(in));
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& share) const {
    return score_vectors(e, in, w, detail::vectors_of(t), share);
  }

  template <executor E>
  loss_terms score_vectors(const E& e, const training_batch& in, work& w, matrix<float> y, const loss_scale& share) const {
    if (y.cols % 2 != 0)
      throw_error({"bert::objectives::angle", "vectors of an even dimension, in two halves", cat(y.cols), {}});
    const std::size_t half = y.cols / 2, count = in.examples();
    w.pairs.unit(e, y);
    const matrix<float> u = w.pairs.units();
    const auto s = w.pairs.scores(count);
    kernels::for_each_row(e, count, 2 * y.cols, [&](std::size_t g) {
      const float *a = u.row(in.groups[g]), *b = a + half, *c = u.row(in.groups[g] + 1), *d = c + half;
      const float sum =
          kernels::dot_product(a, c, y.cols) + (kernels::dot_product(b, c, half) - kernels::dot_product(a, d, half));
      w.signs[g] = sum < 0 ? -1.0f : 1.0f;
      s[g] = static_cast<double>(std::abs(sum));
    });
    const auto d_s = w.pairs.gradients(count);
    const double loss =
        detail::order_loss(s, in, static_cast<double>(scale), static_cast<double>(share.share("loss", 1, 1.0f)), d_s);
    // s = |x · (y + (-d, c))| = |y · (x + (b, -a))|
    kernels::for_each_row(e, count, 2 * y.cols, [&](std::size_t g) {
      const std::size_t first = in.groups[g];
      const float f = d_s[g] * w.signs[g];
      const float *a = u.row(first), *b = a + half, *c = u.row(first + 1), *d = c + half;
      float *d_x = y.row(first), *d_y = y.row(first + 1);
      std::fill_n(d_x, y.cols, 0.0f);
      std::fill_n(d_y, y.cols, 0.0f);
      kernels::add_scaled(f, c, d_x, y.cols);
      kernels::add_scaled(-f, d, d_x, half);
      kernels::add_scaled(f, c, d_x + half, half);
      kernels::add_scaled(f, a, d_y, y.cols);
      kernels::add_scaled(f, b, d_y, half);
      kernels::add_scaled(-f, a, d_y + half, half);
    });
    kernels::unit_rows_backward(e, u, w.pairs.inverse(), y);
    return detail::order_terms(loss);
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_COSENT_HPP
