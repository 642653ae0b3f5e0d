// The tree sum of groups as plain loops.
// Layer: kernels. Test: tests/unit/kernels/rows/row_groups_test.cpp
#ifndef BERT_KERNELS_REFERENCE_ROW_GROUPS_HPP
#define BERT_KERNELS_REFERENCE_ROW_GROUPS_HPP

#include <cstddef>
#include <vector>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// ((s[0] + s[1]) + (s[2] + s[3])) + …, elementwise; the number of sums is a power of two.
template <class T>
[[nodiscard]] std::vector<T> tree_sum(std::vector<std::vector<T>> sums) {
  for (; sums.size() > 1; sums.resize(sums.size() / 2))
    for (std::size_t i = 0; i < sums.size() / 2; ++i) {
      std::vector<T> node(sums[0].size());
      for (std::size_t j = 0; j < node.size(); ++j) node[j] = sums[2 * i][j] + sums[2 * i + 1][j];
      sums[i] = node;
    }
  return sums[0];
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_ROW_GROUPS_HPP
