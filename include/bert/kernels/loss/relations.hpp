// Relations between the tokens of a sequence (scores of attention, say) against a teacher's, and their gradients.
// Layer: kernels. Test: tests/unit/kernels/loss/relations_test.cpp
// Papers: Jiao et al. 2020, "TinyBERT"; Wang et al. 2020 and 2021, "MiniLM" and "MiniLMv2".
#ifndef BERT_KERNELS_LOSS_RELATIONS_HPP
#define BERT_KERNELS_LOSS_RELATIONS_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/attention/attention.hpp"
#include "bert/kernels/attention/block_product.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// How the relations of student and teacher are compared; s and t are their scores, of row i with all rows j of its sequence.
enum class relation_loss : std::uint8_t {
  scores,        ///< sum_ij (s[i,j] - t[i,j])^2
  distributions  ///< sum_i KL(softmax_j(t[i,j]) || softmax_j(s[i,j]))
};

/// The scores x[i,h] . y[j,h] / sqrt(D) of the rows of two matrices [N, A D], for each of A heads h of D columns.
struct relation {
  matrix<const float> x, y;
};

/// Floats of scratch for one thread, with heads of `student` and `teacher` columns.
[[nodiscard]] constexpr std::size_t relation_scratch(std::size_t longest, std::size_t student, std::size_t teacher) noexcept {
  return round_up(detail::query_block * (2 * longest + std::max(student, teacher)), alignment / sizeof(float));
}

namespace detail {

/// Calls put(i, column, x, extent) with x = sum_k a[i,k] b[k,column..] for i < rows and all `cols` columns of b.
template <class Put>
inline void wide_product(std::size_t rows, std::size_t depth, left_operand a, const float* b, std::size_t stride,
                         std::size_t cols, const Put& put) noexcept {
  for (std::size_t column = 0; column < cols; column += block_registers * lanes) {
    const std::size_t left = std::min(cols - column, block_registers * lanes), tail = left % lanes;
    const auto panel = [&](auto registers) {
      const auto to = [&](std::size_t i, auto j, simd x) {
        if (j + 1 == registers && tail != 0) put(i, column + j * lanes, x, kernels::first{tail});
        else put(i, column + j * lanes, x, whole{});
      };
      if (tail == 0) block_product<registers>(rows, depth, a, right_operand<>{b + column, stride}, to);
      else block_product<registers>(rows, depth, a, right_operand<kernels::first>{b + column, stride, {tail}}, to);
    };
    unrolled<block_registers>([&](auto r) {
      if ((left + lanes - 1) / lanes == r + 1) panel(std::integral_constant<std::size_t, r + 1>{});
    });
  }
}

/// One head of one sequence: the first elements of x and y, [T, D] each.
struct relation_rows {
  const float *x, *y;
  std::size_t x_stride, y_stride, cols;
};

/// scores[j * width + i] = x[from + i,:] . y[j,:] / sqrt(D) for `count` rows i and all j; 0 for other i. `columns` is scratch.
template <std::size_t Registers>
void relation_scores(const relation_rows& of, std::size_t length, std::size_t from, std::size_t count, float* columns,
                     float* scores) noexcept {
  constexpr std::size_t width = Registers * lanes;
  const float factor = 1.0f / std::sqrt(static_cast<float>(of.cols));
  for (std::size_t d = 0; d < of.cols; ++d)
    for (std::size_t i = 0; i < width; ++i)
      columns[d * width + i] = i < count ? factor * of.x[(from + i) * of.x_stride + d] : 0.0f;
  block_product<Registers>(length, of.cols, {of.y, of.y_stride, 1}, right_operand<>{columns, width},
                           [&](std::size_t j, auto r, simd x) { store(scores + j * width + r * lanes, x); });
}

/// Replaces the student's scores by the loss's gradient with respect to them, and returns the losses of a register of rows.
[[nodiscard]] inline simd compare_distributions(float* s, float* t, std::size_t length, std::size_t width) noexcept {
  simd top_s(-std::numeric_limits<float>::max()), top_t = top_s;
  for (std::size_t j = 0; j < length; ++j) {
    top_s = max(top_s, load(s + j * width));
    top_t = max(top_t, load(t + j * width));
  }
  simd all_s = zero(), all_t = zero(), apart = zero();
  for (std::size_t j = 0; j < length; ++j) {
    const simd a = load(s + j * width) - top_s, b = load(t + j * width) - top_t, p = exp(a), q = exp(b);
    all_s += p;
    all_t += q;
    apart = fma(q, b - a, apart);
    store(s + j * width, p);
    store(t + j * width, q);
  }
  const simd share_s = simd(1.0f) / all_s, share_t = simd(1.0f) / all_t;
  for (std::size_t j = 0; j < length; ++j) store(s + j * width, load(s + j * width) * share_s - load(t + j * width) * share_t);
  return fma(apart, share_t, log(all_s * share_t));
}
[[nodiscard]] inline simd compare_scores(float* s, const float* t, std::size_t length, std::size_t width) noexcept {
  simd squares = zero();
  for (std::size_t j = 0; j < length; ++j) {
    const simd apart = load(s + j * width) - load(t + j * width);
    squares = fma(apart, apart, squares);
    store(s + j * width, apart + apart);
  }
  return squares;
}

/// The loss of rows [from, from + count) of a head of a sequence; adds its gradient.
template <std::size_t Registers>
[[nodiscard]] double compare_relations(relation_loss loss, const relation_rows& student, const relation_rows& teacher,
                                       std::size_t length, std::size_t from, std::size_t count, float* d_x,
                                       std::size_t d_x_stride, float* d_y, std::size_t d_y_stride, float scale,
                                       float* scratch) noexcept {
  constexpr std::size_t width = Registers * lanes;
  float *s = scratch, *t = s + length * width, *columns = t + length * width;
  relation_scores<Registers>(student, length, from, count, columns, s);
  relation_scores<Registers>(teacher, length, from, count, columns, t);
  std::array<float, width> rows{};
  for (std::size_t r = 0; r < width; r += lanes)
    store(rows.data() + r, loss == relation_loss::scores ? compare_scores(s + r, t + r, length, width)
                                                         : compare_distributions(s + r, t + r, length, width));
  double total = 0;
  for (std::size_t i = 0; i < count; ++i) total += static_cast<double>(rows[i]);

  const simd factor(scale / std::sqrt(static_cast<float>(student.cols)));
  const auto add = [&](float* d, std::size_t stride) {
    return [=](std::size_t i, std::size_t column, simd x, auto extent) {
      float* at = d + i * stride + column;
      store(at, fma(x, factor, load(at, extent)), extent);
    };
  };
  wide_product(count, length, {s, 1, width}, student.y, student.y_stride, student.cols,
               add(d_x + from * d_x_stride, d_x_stride));
  wide_product(length, count, {s, width, 1}, student.x + from * student.x_stride, student.x_stride, student.cols,
               add(d_y, d_y_stride));
  return total;
}

}  // namespace detail

/// losses[s, h] = `loss` between the relations of student and teacher in head h of sequence s
///
/// student.x, .y [N, A Ds], teacher.x, .y [N, A Dt], of A = `heads` heads; sequence s is the rows [starts[s], starts[s+1]).
/// Writes `losses` [S, A]; adds `scale` times the gradients to d_x, d_y [N, A Ds], which may be the same, as x and y may.
/// `scratch` has `relation_scratch` floats for each of the executor's threads. No T x T matrix: a block of rows at a time.
/// The order of every sum depends on the length of the sequence alone.
template <executor E>
void relation_losses(const E& e, relation_loss loss, const relation& student, const relation& teacher,
                     std::span<const std::size_t> starts, std::size_t heads, matrix<float> d_x, matrix<float> d_y, float scale,
                     double* losses, std::span<float> scratch) noexcept {
  const std::size_t items = (starts.size() - 1) * heads, slots = std::min(items, e.width());
  if (items == 0) return;
  const std::size_t own = scratch.size() / e.width();
  const auto head_of = [&](const relation& r, std::size_t start, std::size_t head) {
    const std::size_t cols = r.x.cols / heads;
    return detail::relation_rows{r.x.row(start) + head * cols, r.y.row(start) + head * cols, r.x.stride, r.y.stride, cols};
  };
  e.parallel_for(slots, [&](std::size_t slot) {
    for (std::size_t item = slot; item < items; item += slots) {
      const std::size_t head = item % heads, start = starts[item / heads], length = starts[item / heads + 1] - start;
      const auto of_student = head_of(student, start, head), of_teacher = head_of(teacher, start, head);
      losses[item] = 0;
      detail::for_each_group_of_queries(0, length, [&](auto registers, std::size_t from, std::size_t count) {
        losses[item] += detail::compare_relations<registers>(
            loss, of_student, of_teacher, length, from, count, d_x.row(start) + head * of_student.cols, d_x.stride,
            d_y.row(start) + head * of_student.cols, d_y.stride, scale, scratch.data() + slot * own);
      });
    }
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_LOSS_RELATIONS_HPP
