// Sums, copies and scalings over matrices and spans: bias gradients, gathered rows, residual sums, the pooler's tanh, norms.
// Layer: kernels. Test: tests/unit/kernels/rows/elementwise_test.cpp
#ifndef BERT_KERNELS_ROWS_ELEMENTWISE_HPP
#define BERT_KERNELS_ROWS_ELEMENTWISE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/rows/row_groups.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// y = x, converted to y's type, float or bf16, rounded to nearest
template <executor E, class T>
void convert(const E& e, matrix<const float> x, matrix<T> y) noexcept {
  for_each_row(e, x.rows, x.cols, [&](std::size_t n) {
    for_each_register(x.cols, [&](std::size_t j, auto extent) { store(y.row(n) + j, load(x.row(n) + j, extent), extent); });
  });
}

/// d_bias[n] += sum_m d_y[m,n]
///
/// Adds to `d_bias` [N] the columns of `d_y` [M, N], each summed in the order of rows, or by the tree of `groups`. Does nothing
/// if `d_bias` is nullptr, for a frozen bias.
template <executor E>
void column_sums(const E& e, matrix<const float> d_y, float* d_bias, const row_groups& groups = {}) noexcept {
  if (d_bias == nullptr) return;
  for_each_column_range(e, d_y.cols, [&](std::size_t first, std::size_t last) {
    std::size_t done = first;
    for (; done + 4 * lanes <= last; done += 4 * lanes) {  // 256 bytes of a row at a time on AVX-512
      const auto total = sum_rows(groups, d_y.rows, [&](std::size_t row0, std::size_t row1) {
        register_sums<4> sums;
        for (std::size_t m = row0; m < row1; ++m) {
          const float* row = d_y.row(m) + done;
          unrolled<4>([&](auto k) { sums[k] += load(row + k * lanes); });
        }
        return sums;
      });
      unrolled<4>([&](auto k) { store(d_bias + done + k * lanes, load(d_bias + done + k * lanes) + total[k]); });
    }
    for_each_register(last - done, [&](std::size_t i, auto extent) {
      const std::size_t column = done + i;
      const auto total = sum_rows(groups, d_y.rows, [&](std::size_t row0, std::size_t row1) {
        register_sums<1> sums;
        for (std::size_t m = row0; m < row1; ++m) sums[0] += load(d_y.row(m) + column, extent);
        return sums;
      });
      store(d_bias + column, load(d_bias + column, extent) + total[0], extent);
    });
  });
}

/// y[r,:] = x[rows[r],:]; writes `y`.
template <executor E>
void gather_rows(const E& e, matrix<const float> x, std::span<const std::uint32_t> rows, matrix<float> y) noexcept {
  for_each_row(e, rows.size(), x.cols, [&](std::size_t r) { std::copy_n(x.row(rows[r]), x.cols, y.row(r)); });
}

/// y[rows[r],:] = x[r,:]; writes those rows of `y`. `rows` are distinct.
template <executor E>
void scatter_rows(const E& e, matrix<const float> x, std::span<const std::uint32_t> rows, matrix<float> y) noexcept {
  for_each_row(e, rows.size(), x.cols, [&](std::size_t r) { std::copy_n(x.row(r), x.cols, y.row(rows[r])); });
}

/// d_x[rows[r],:] += d_y[r,:]; adds. `rows` are distinct.
template <executor E>
void scatter_add_rows(const E& e, matrix<const float> d_y, std::span<const std::uint32_t> rows, matrix<float> d_x) noexcept {
  for_each_row(e, rows.size(), d_y.cols, [&](std::size_t r) {
    for_each_register(d_y.cols, [from = d_y.row(r), to = d_x.row(rows[r])](std::size_t i, auto extent) {
      store(to + i, load(to + i, extent) + load(from + i, extent), extent);
    });
  });
}

/// y += x
template <executor E>
void add_in_place(const E& e, matrix<const float> x, matrix<float> y) noexcept {
  for_each_row(e, x.rows, x.cols, [&](std::size_t m) {
    for_each_register(x.cols, [from = x.row(m), to = y.row(m)](std::size_t i, auto extent) {
      store(to + i, load(to + i, extent) + load(from + i, extent), extent);
    });
  });
}

/// x = tanh(x)
template <executor E>
void tanh_forward(const E& e, matrix<float> x) noexcept {
  for_each_row(e, x.rows, x.cols, [&](std::size_t m) {
    for_each_register(
        x.cols, [row = x.row(m)](std::size_t i, auto extent) { store(row + i, kernels::tanh(load(row + i, extent)), extent); });
  });
}

/// d *= 1 - y^2, where y = tanh(x); `d` holds the gradient with respect to y before and to x after.
template <executor E>
void tanh_backward(const E& e, matrix<const float> y, matrix<float> d) noexcept {
  for_each_row(e, y.rows, y.cols, [&](std::size_t m) {
    for_each_register(y.cols, [of = y.row(m), to = d.row(m)](std::size_t i, auto extent) {
      const simd t = load(of + i, extent);
      store(to + i, load(to + i, extent) * (simd(1.0f) - t * t), extent);
    });
  });
}

/// sum_i x[i]^2
///
/// In at most 1,024 ranges whose bounds depend on the size alone, each summed in f32 over 4,096 elements and in double beyond:
/// the same bits for any number of threads.
template <executor E>
[[nodiscard]] double squared_norm(const E& e, std::span<const float> x) noexcept {
  constexpr std::size_t ranges = 1024, block = 4096;
  std::array<double, ranges> partial;
  const std::size_t step = std::max(block, round_up((x.size() + ranges - 1) / ranges, block));
  const std::size_t used = (x.size() + step - 1) / step;
  e.parallel_for(used, [&](std::size_t p) {
    double total = 0;
    const std::size_t last = std::min(x.size(), (p + 1) * step);
    for (std::size_t first = p * step; first < last; first += block) {
      simd squares[4] = {zero(), zero(), zero(), zero()};
      const float* from = x.data() + first;
      const std::size_t count = std::min(block, last - first);
      std::size_t i = 0;
      for (; i + 4 * lanes <= count; i += 4 * lanes)
        unrolled<4>([&](auto k) {
          const simd v = load(from + i + k * lanes);
          squares[k] = fma(v, v, squares[k]);
        });
      for_each_register(count - i, [&](std::size_t j, auto extent) {
        const simd v = load(from + i + j, extent);
        squares[0] = fma(v, v, squares[0]);
      });
      total += static_cast<double>(sum((squares[0] + squares[1]) + (squares[2] + squares[3])));
    }
    partial[p] = total;
  });
  double total = 0;
  for (std::size_t p = 0; p < used; ++p) total += partial[p];
  return total;
}

/// x = 0; 512 KB per task, as clearing is cheap.
template <executor E>
void clear(const E& e, std::span<float> x) noexcept {
  for_each_range(e, x.size(), std::size_t{1} << 17, [&](std::size_t first, std::size_t last) {
    std::fill(x.begin() + static_cast<std::ptrdiff_t>(first), x.begin() + static_cast<std::ptrdiff_t>(last), 0.0f);
  });
}

/// x *= factor
template <executor E>
void scale(const E& e, std::span<float> x, float factor) noexcept {
  for_each_range(e, x.size(), floats_a_task, [&](std::size_t first, std::size_t last) {
    for_each_register(last - first, [row = x.data() + first, by = simd(factor)](std::size_t i, auto extent) {
      store(row + i, load(row + i, extent) * by, extent);
    });
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ROWS_ELEMENTWISE_HPP
