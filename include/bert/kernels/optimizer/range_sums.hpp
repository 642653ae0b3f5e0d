// Several sums over the elements of a span at once, in an order that depends on its length alone.
// Layer: kernels. Test: tests/unit/kernels/optimizer/optimizers_test.cpp
#ifndef BERT_KERNELS_OPTIMIZER_RANGE_SUMS_HPP
#define BERT_KERNELS_OPTIMIZER_RANGE_SUMS_HPP

#include <algorithm>
#include <array>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/rows/row_groups.hpp"

namespace bert::inline BERT_ISA::kernels {

/// sums[k] = sum over i of what body(i, extent, sums) adds to register k at elements [i, i + lanes)
///
/// In at most 1,024 ranges, each summed in f32 over 4,096 elements and in double beyond, as `squared_norm` does.
template <std::size_t Count, executor E, class Body>
[[nodiscard]] std::array<double, Count> range_sums(const E& e, std::size_t size, Body&& body) noexcept {
  constexpr std::size_t ranges = 1024, block = 4096;
  std::array<std::array<double, Count>, ranges> partial;
  const std::size_t step = std::max(block, round_up((size + ranges - 1) / ranges, block));
  const std::size_t used = (size + step - 1) / step;
  e.parallel_for(used, [&](std::size_t p) {
    std::array<double, Count> total{};
    const std::size_t last = std::min(size, (p + 1) * step);
    for (std::size_t first = p * step; first < last; first += block) {
      register_sums<Count> sums;
      for_each_register(std::min(block, last - first), [&](std::size_t i, auto extent) { body(first + i, extent, sums); });
      for (std::size_t k = 0; k < Count; ++k) total[k] += static_cast<double>(sum(sums[k]));
    }
    partial[p] = total;
  });
  std::array<double, Count> total{};
  for (std::size_t p = 0; p < used; ++p)
    for (std::size_t k = 0; k < Count; ++k) total[k] += partial[p][k];
  return total;
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_OPTIMIZER_RANGE_SUMS_HPP
