// Groups of rows that the tests of sums over rows share.
#pragma once

#include <cstddef>
#include <vector>

#include "bert/kernels/rows/row_groups.hpp"

namespace support {

/// Offsets of groups of a matrix of `rows` rows: 1, 2, 8 and 64 of them, equal, uneven, with empty ones at either end, in
/// between, over whole halves, and all rows in one.
[[nodiscard]] inline std::vector<std::vector<std::size_t>> ways_to_group(std::size_t rows) {
  const auto part = [rows](std::size_t numerator, std::size_t denominator) { return rows * numerator / denominator; };
  std::vector<std::vector<std::size_t>> all{{0, rows},
                                            {0, part(1, 2), rows},
                                            {0, 0, rows},
                                            {0, rows, rows},
                                            {0, 0, part(1, 3), part(1, 3), rows},
                                            {0, part(1, 5), part(1, 5), part(1, 5), rows},
                                            {0, 0, 0, 0, 0, part(2, 3), part(2, 3), part(3, 4), rows},
                                            {0, part(1, 7), part(2, 7), part(2, 7), part(2, 7), rows, rows, rows, rows}};
  all.emplace_back();
  for (std::size_t g = 0; g <= 64; ++g) all.back().push_back(part(g, 64));
  return all;
}

/// One half of the groups, their offsets from 0, and the first row of it.
struct half_of_groups {
  std::size_t first, rows;
  std::vector<std::size_t> offsets;

  half_of_groups(const std::vector<std::size_t>& all, std::size_t half)
      : first(all[half * (all.size() / 2)]), rows(all[(half + 1) * (all.size() / 2)] - first) {
    for (std::size_t g = 0; g <= all.size() / 2; ++g) offsets.push_back(all[half * (all.size() / 2) + g] - first);
  }
};

}  // namespace support
