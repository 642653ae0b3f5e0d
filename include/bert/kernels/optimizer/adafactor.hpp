// Adafactor over one tensor: of a matrix, the mean squares of rows and of columns stand for those of all elements.
// Layer: kernels. Test: tests/unit/kernels/optimizer/optimizers_test.cpp. Paper: Shazeer and Stern 2018, "Adafactor: adaptive
// learning rates with sublinear memory cost".
#ifndef BERT_KERNELS_OPTIMIZER_ADAFACTOR_HPP
#define BERT_KERNELS_OPTIMIZER_ADAFACTOR_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/optimizer/range_sums.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// The hyper-parameters of one step.
struct adafactor_step {
  float rate = 1e-3f, decay = 0.0f;
  float beta2 = 0.0f;           ///< the share of the mean squares that is kept: 1 - t^-0.8 in step t, 0 in the first
  float epsilon = 1e-30f;       ///< added to each square
  float threshold = 1.0f;       ///< the largest root mean square of a step before the rate
  float gradient_scale = 1.0f;  ///< the factor of clipping and accumulation
};

namespace detail {

/// The factor by which a step of `count` elements with this sum of squares is shortened.
[[nodiscard]] inline float shortened(const adafactor_step& step, double squares, std::size_t count) noexcept {
  const double rms = std::sqrt(squares / static_cast<double>(count));
  return static_cast<float>(1.0 / std::max(1.0, rms / static_cast<double>(step.threshold)));
}

}  // namespace detail

/// g = gradient_scale * gradient;  v = beta2 v + (1 - beta2) (g^2 + epsilon);  u = g / sqrt(v)
/// p = p (1 - rate decay) - rate u / max(1, rms(u) / threshold)
///
/// Of a vector. Updates `v` and `p` in place; all spans have one length.
template <executor E>
void adafactor(const E& e, const adafactor_step& step, std::span<const float> gradient, std::span<float> v,
               std::span<float> p) noexcept {
  const simd keep(step.beta2), take(1.0f - step.beta2), factor(step.gradient_scale), epsilon(step.epsilon);
  const auto squares = range_sums<1>(e, p.size(), [&](std::size_t i, auto extent, register_sums<1>& sums) {
    const simd g = load(gradient.data() + i, extent) * factor;
    const simd square = fma(keep, load(v.data() + i, extent), take * fma(g, g, epsilon));
    store(v.data() + i, square, extent);
    // Past the end of a span g is 0.
    sums[0] += g * g / max(square, simd(step.epsilon));
  });
  const simd back(-step.rate * detail::shortened(step, squares[0], p.size())), shrink(1.0f - step.rate * step.decay);
  for_each_range(e, p.size(), floats_a_task, [&](std::size_t first, std::size_t last) {
    for_each_register(last - first, [&](std::size_t j, auto extent) {
      const std::size_t i = first + j;
      const simd u = load(gradient.data() + i, extent) * factor / sqrt(max(load(v.data() + i, extent), simd(step.epsilon)));
      store(p.data() + i, fma(load(p.data() + i, extent), shrink, back * u), extent);
    });
  });
}

/// The same of a matrix [R, C], whose v is rows (x) columns / mean(rows):
/// rows[r] = beta2 rows[r] + (1 - beta2) mean_c(g[r,c]^2 + epsilon), columns[c] likewise
///
/// Updates `rows` [R], `columns` [C] and `p` in place.
template <executor E>
void adafactor(const E& e, const adafactor_step& step, matrix<const float> gradient, std::span<float> rows,
               std::span<float> columns, matrix<float> p) noexcept {
  const std::size_t r_count = p.rows, c_count = p.cols;
  const simd factor(step.gradient_scale);
  for_each_row(e, r_count, c_count, [&](std::size_t r) {
    simd squares = zero();
    for_each_register(c_count, [&](std::size_t c, auto extent) {
      const simd g = load(gradient.row(r) + c, extent) * factor;
      squares = fma(g, g, squares);
    });
    rows[r] = step.beta2 * rows[r] + (1.0f - step.beta2) * (sum(squares) / static_cast<float>(c_count) + step.epsilon);
  });
  for_each_column_range(e, c_count, [&](std::size_t first, std::size_t last) {
    for_each_register(last - first, [&](std::size_t j, auto extent) {
      simd squares = zero();
      for (std::size_t r = 0; r < r_count; ++r) {
        const simd g = load(gradient.row(r) + first + j, extent) * factor;
        squares = fma(g, g, squares);
      }
      const simd mean = fma(squares, simd(1.0f / static_cast<float>(r_count)), simd(step.epsilon));
      float* to = columns.data() + first + j;
      store(to, fma(simd(step.beta2), load(to, extent), simd(1.0f - step.beta2) * mean), extent);
    });
  });
  double of_rows = 0;
  for (const float row : rows) of_rows += static_cast<double>(row);
  const double mean = of_rows / static_cast<double>(r_count);
  const auto of_row = [&](std::size_t r) {
    return simd(static_cast<float>(std::sqrt(mean / static_cast<double>(rows[r])))) * factor;
  };
  const auto direction = [&](std::size_t r, std::size_t c, simd by_row, auto extent) {
    return load(gradient.row(r) + c, extent) * by_row / sqrt(max(load(columns.data() + c, extent), simd(step.epsilon)));
  };
  // In at most 1,024 ranges of rows, so that the order of sums depends on the shape alone.
  constexpr std::size_t ranges = 1024;
  std::array<double, ranges> partial;
  const std::size_t width = (r_count + ranges - 1) / ranges, used = (r_count + width - 1) / width;
  e.parallel_for(used, [&](std::size_t range) {
    double total = 0;
    for (std::size_t r = range * width; r < std::min(r_count, (range + 1) * width); ++r) {
      const simd by_row = of_row(r);
      simd squares = zero();
      for_each_register(c_count, [&](std::size_t c, auto extent) {
        const simd u = direction(r, c, by_row, extent);
        squares = fma(u, u, squares);
      });
      total += static_cast<double>(sum(squares));
    }
    partial[range] = total;
  });
  double squares = 0;
  for (std::size_t range = 0; range < used; ++range) squares += partial[range];
  const simd back(-step.rate * detail::shortened(step, squares, r_count * c_count)), shrink(1.0f - step.rate * step.decay);
  for_each_row(e, r_count, c_count, [&](std::size_t r) {
    const simd by_row = of_row(r);
    for_each_register(c_count, [&](std::size_t c, auto extent) {
      store(p.row(r) + c, fma(load(p.row(r) + c, extent), shrink, back * direction(r, c, by_row, extent)), extent);
    });
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_OPTIMIZER_ADAFACTOR_HPP
