// Samples of the softmax of rows.
// Layer: kernels. Test: tests/unit/kernels/rows/sample_test.cpp
#ifndef BERT_KERNELS_ROWS_SAMPLE_HPP
#define BERT_KERNELS_ROWS_SAMPLE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/loss/cross_entropy.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// chosen[m] = the first v with  sum_{w <= v} exp(x[m,w]) > u[m] sum_w exp(x[m,w])
///
/// A sample of softmax(x[m,:]) for u[m] uniform in [0, 1). `x` [M, V], `u` [M]; writes `chosen` [M]. A row's sample depends on
/// that row and its u alone.
template <executor E>
void sample_rows(const E& e, matrix<const float> x, std::span<const double> u, std::int32_t* chosen) noexcept {
  for_each_row(e, x.rows, x.cols, [&](std::size_t m) {
    const float* row = x.row(m);
    const simd tops(detail::greatest_of(row, x.cols));
    const auto share = [&](std::size_t j, auto extent) { return detail::within(exp(load(row + j, extent) - tops), extent); };
    double total = 0;
    for_each_register(x.cols, [&](std::size_t j, auto extent) { total += static_cast<double>(sum(share(j, extent))); });
    const double wanted = u[m] * total;
    double below = 0;  // of the registers before
    std::size_t first = x.cols - (x.cols - 1) % lanes - 1;
    std::array<float, lanes> shares{};
    bool found = false;
    for_each_register(x.cols, [&](std::size_t j, auto extent) {
      if (found) return;
      const simd p = share(j, extent);
      const double here = static_cast<double>(sum(p));
      found = below + here > wanted || j == first;
      if (found) first = j, store(shares.data(), p);
      else below += here;
    });
    std::size_t v = first;
    for (; v + 1 < x.cols && v + 1 < first + lanes; ++v)
      if ((below += static_cast<double>(shares[v - first])) > wanted) break;
    chosen[m] = static_cast<std::int32_t>(v);
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ROWS_SAMPLE_HPP
