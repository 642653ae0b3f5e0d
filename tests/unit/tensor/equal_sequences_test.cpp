// Layer: tests. Of: include/bert/tensor/equal_sequences.hpp
#include "bert/tensor/equal_sequences.hpp"

#include <doctest/doctest.h>

#include <vector>

TEST_CASE("equal sequences have one number, all others numbers of their own") {
  const std::vector<std::vector<bert::token_id>> all{{1, 2, 3}, {1, 2}, {1, 2, 3}, {1, 2, 4}, {1, 2}, {3}, {1, 2, 3}};
  std::vector<std::uint32_t> order(all.size()), numbers(all.size());
  const auto different =
      bert::number_equal_sequences([&](std::size_t s) { return std::span<const bert::token_id>(all[s]); }, order, numbers);
  CHECK(different == 4);
  for (std::size_t a = 0; a < all.size(); ++a) {
    CHECK(numbers[a] < different);
    for (std::size_t b = 0; b < all.size(); ++b) CHECK((numbers[a] == numbers[b]) == (all[a] == all[b]));
  }
  CHECK(bert::number_equal_sequences([](std::size_t) { return std::span<const bert::token_id>(); }, {}, {}) == 0);
}
