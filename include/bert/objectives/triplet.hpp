// The triplet loss: an anchor nearer to its positive than to its negatives, by a margin.
// Layer: objectives. Test: tests/unit/objectives/on_vectors_test.cpp. Paper: Schroff et al. 2015, "FaceNet".
#ifndef BERT_OBJECTIVES_TRIPLET_HPP
#define BERT_OBJECTIVES_TRIPLET_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/objectives/on_vectors.hpp"

namespace bert::inline BERT_ISA::objectives {

/// |x - y|, or 1 - cos(x, y).
enum class vector_distance : std::uint8_t { euclidean, cosine };

/// loss = mean over (a, p, n) of max(0, d(a, p) - d(a, n) + margin)
///
/// A group is an anchor, a positive and one negative or more, each a triplet. The default margin is sentence-transformers', for
/// vectors of any length; unit vectors are at most 2 apart, so give them one of 0.2 to 1.
struct triplet {
  using needs = target_list<target::group>;

  float margin = 5;
  vector_distance distance = vector_distance::euclidean;

  struct work {
    work(const triplet&, const batch_shape& raw) : units(raw.sequences), losses(raw.sequences), correct(raw.sequences) {}
    detail::pair_cosines units;
    detail::grown_buffer copy;
    buffer<double> losses;
    buffer<std::uint32_t> correct;  ///< triplets of each group whose positive is nearer
  };
  /// What a resumed run must agree in; see trainer::keep.
  [[nodiscard]] named_facts fingerprint() const {
    return {{"margin", cat(margin)}, {"distance", distance == vector_distance::cosine ? "cosine" : "euclidean"}};
  }
  static void check(const training_batch& in) {
    detail::check_groups(in, 3, static_cast<std::size_t>(-1), "bert::objectives::triplet");
  }
  [[nodiscard]] static std::uint64_t count(const training_batch& in) noexcept {
    return in.tokens.sequences() - 2 * in.examples();
  }

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
    loss_term term{.name = "loss", .count = count(in)};
    const float factor = share.of("loss", term.count);
    matrix<float> x{};
    if (distance == vector_distance::cosine) {
      w.units.unit(e, y);
      x = w.units.units();
    } else {
      x = {w.copy.at_least(w.losses.size() * y.cols), y.rows, y.cols};
      std::copy_n(y.data, y.rows * y.cols, x.data);
    }
    kernels::for_each_row(e, in.examples(), 3 * y.cols, [&](std::size_t g) {
      const std::size_t a = in.groups[g], p = a + 1;
      for (std::size_t s = a; s < in.groups[g + 1]; ++s) std::fill_n(y.row(s), y.cols, 0.0f);
      w.losses[g] = 0;
      w.correct[g] = 0;
      const double near = between(x, a, p);
      for (std::size_t n = a + 2; n < in.groups[g + 1]; ++n) {
        const double far = between(x, a, n), loss = near - far + static_cast<double>(margin);
        w.correct[g] += near < far ? 1 : 0;
        if (loss <= 0) continue;
        w.losses[g] += loss;
        add_gradient(x, a, p, near, factor, y);
        add_gradient(x, a, n, far, -factor, y);
      }
    });
    for (std::size_t g = 0; g < in.examples(); ++g) {
      term.sum += w.losses[g];
      term.correct += w.correct[g];
    }
    if (distance == vector_distance::cosine) kernels::unit_rows_backward(e, x, w.units.inverse(), y);
    loss_terms terms;
    terms.add(term);
    return terms;
  }

 private:
  [[nodiscard]] double between(matrix<const float> x, std::size_t i, std::size_t j) const noexcept {
    if (distance == vector_distance::cosine) return 1 - static_cast<double>(kernels::dot_product(x.row(i), x.row(j), x.cols));
    kernels::simd squares = kernels::zero();
    kernels::for_each_register(x.cols, [&](std::size_t k, auto extent) {
      const kernels::simd apart = kernels::load(x.row(i) + k, extent) - kernels::load(x.row(j) + k, extent);
      squares = kernels::fma(apart, apart, squares);
    });
    return std::sqrt(static_cast<double>(kernels::sum(squares)));
  }
  /// Adds factor times the gradient of d(x_i, x_j) = `apart` to rows i and j of `d`.
  void add_gradient(matrix<const float> x, std::size_t i, std::size_t j, double apart, float factor,
                    matrix<float> d) const noexcept {
    if (distance == vector_distance::cosine) {
      kernels::add_scaled(-factor, x.row(j), d.row(i), x.cols);
      kernels::add_scaled(-factor, x.row(i), d.row(j), x.cols);
      return;
    }
    const float by = factor / static_cast<float>(std::max(apart, 1e-12));
    for (const auto& [from, to] : {std::pair{i, j}, std::pair{j, i}}) {
      kernels::add_scaled(by, x.row(from), d.row(from), x.cols);
      kernels::add_scaled(-by, x.row(to), d.row(from), x.cols);
    }
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_TRIPLET_HPP
