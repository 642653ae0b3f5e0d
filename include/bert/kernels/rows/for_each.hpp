// How kernels split rows and columns among threads, and loops whose index is a constant.
// Layer: kernels. Test: tests/unit/kernels/rows/elementwise_test.cpp
#ifndef BERT_KERNELS_ROWS_FOR_EACH_HPP
#define BERT_KERNELS_ROWS_FOR_EACH_HPP

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/simd/f32.hpp"

namespace bert::inline BERT_ISA::kernels {

/// Calls body(integral_constant 0), …, body(integral_constant Count - 1): a loop whose index is a constant.
template <std::size_t Count, class Body>
inline void unrolled(Body&& body) noexcept {
  [&]<std::size_t... I>(std::index_sequence<I...>) { (body(std::integral_constant<std::size_t, I>{}), ...); }
  (std::make_index_sequence<Count>{});
}

/// How a register tile multiplies f32 operands: one FMA per element and step. bf16_pairs (simd/bf16.hpp) is the same for bf16.
struct f32_elements {
  static constexpr std::size_t passes = 1;  ///< over the rows of the tile per K-step, each with its own `operand` of A and B
  template <std::size_t>
  [[nodiscard]] static simd operand(simd x) noexcept {
    return x;
  }
  [[nodiscard]] static simd add(simd a, simd b, simd s) noexcept { return fma(a, b, s); }
};

/// Floats per iteration of an executor: about a microsecond of work, ten times the cost of dispatching it.
inline constexpr std::size_t floats_a_task = 8192;

/// Calls body(first, last) for consecutive ranges that cover [0, count), each of at most `step`, on the executor.
template <executor E, class Body>
inline void for_each_range(const E& e, std::size_t count, std::size_t step, Body&& body) noexcept {
  const std::size_t tasks = (count + step - 1) / step;
  if (tasks == 1) return body(std::size_t{0}, count);
  e.parallel_for(tasks, [&](std::size_t task) { body(task * step, std::min(count, (task + 1) * step)); });
}

/// Calls body(row) for every row; neighbors go to one thread. Rows must not depend on each other.
template <executor E, class Body>
inline void for_each_row(const E& e, std::size_t rows, std::size_t cols, Body&& body) noexcept {
  const std::size_t step = std::max<std::size_t>(1, floats_a_task / std::max<std::size_t>(1, cols));
  for_each_range(e, rows, step, [&](std::size_t first, std::size_t last) {
    for (std::size_t row = first; row < last; ++row) body(row);
  });
}

/// Calls body(first, last) for ranges of columns, each a whole number of cache lines wide. For sums over rows, which then run
/// in the order of rows for any number of threads.
template <executor E, class Body>
inline void for_each_column_range(const E& e, std::size_t cols, Body&& body) noexcept {
  constexpr std::size_t step = 64;  // four AVX-512 registers; 12 ranges for 768 columns
  for_each_range(e, cols, step, body);
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ROWS_FOR_EACH_HPP
