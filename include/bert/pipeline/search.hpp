// Exact search: the nearest rows of an index for many queries, without a matrix of all similarities.
// Layer: pipeline. Test: tests/unit/pipeline/search_test.cpp
#ifndef BERT_PIPELINE_SEARCH_HPP
#define BERT_PIPELINE_SEARCH_HPP

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/gemm/gemm.hpp"
#include "bert/pipeline/similarity.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA {

/// The `k` highest of the scores that are pushed; of equal ones the lowest rows. Holds k rows.
class best_rows {
 public:
  explicit best_rows(std::size_t k) : k_(k) { rows_.reserve(k); }

  void push(std::size_t row, float score) {
    if (k_ == 0) return;
    const scored_row found{row, score};
    if (rows_.size() == k_) {
      if (!better(found, rows_.front())) return;
      std::pop_heap(rows_.begin(), rows_.end(), better);
      rows_.back() = found;
    } else {
      rows_.push_back(found);
    }
    std::push_heap(rows_.begin(), rows_.end(), better);
  }
  /// Highest first; empties it.
  [[nodiscard]] std::vector<scored_row> take() {
    std::sort_heap(rows_.begin(), rows_.end(), better);
    return std::exchange(rows_, {});
  }

 private:
  static bool better(const scored_row& a, const scored_row& b) noexcept {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  }

  std::size_t k_;
  std::vector<scored_row> rows_;  // a heap, the worst in front
};

/// For each query the `k` rows of `index` of the greatest dot product with it, greatest first, the lower row first of equal
/// ones.
///
/// Scores exist for 64 queries and 4,096 rows at a time, 1 MB; `e` runs the products. The bits of a score depend on the two
/// vectors alone, not on k or on what else is searched; they may differ from `similarity`'s, which adds in another order.
template <std::size_t D, executor E = execution::serial>
[[nodiscard]] std::vector<std::vector<scored_row>> nearest(const vectors<D>& index, const vectors<D>& queries, std::size_t k,
                                                           const E& e = {}) {
  constexpr std::size_t rows_at_once = 4096, queries_at_once = 64;
  std::vector<best_rows> best;
  for (std::size_t q = 0; q < queries.rows(); ++q) best.emplace_back(std::min(k, index.rows()));
  const std::size_t columns = index.columns();
  const std::size_t most = std::min(rows_at_once, index.rows());
  buffer<float> packed(kernels::packed_size(columns, most)), scores(most * queries_at_once);
  for (std::size_t first = 0; first < index.rows(); first += rows_at_once) {
    const std::size_t rows = std::min(rows_at_once, index.rows() - first);
    const auto block = kernels::pack_transposed(e, matrix<const float>{index[first].data(), rows, columns}, packed.data());
    for (std::size_t q0 = 0; q0 < queries.rows(); q0 += queries_at_once) {
      const std::size_t count = std::min(queries_at_once, queries.rows() - q0);
      const matrix<float> z{scores.data(), count, rows};
      kernels::gemm(e, matrix<const float>{queries[q0].data(), count, columns}, block, kernels::epilogue::store{z});
      e.parallel_for(count, [&](std::size_t q) {
        for (std::size_t r = 0; r < rows; ++r) best[q0 + q].push(first + r, z(q, r));
      });
    }
  }
  std::vector<std::vector<scored_row>> found;
  found.reserve(best.size());
  for (best_rows& b : best) found.push_back(b.take());
  return found;
}

}  // namespace bert

#endif  // BERT_PIPELINE_SEARCH_HPP
