// Similarity of vectors, and top_k.
// Layer: tests.
#include "bert/pipeline/similarity.hpp"

#include <doctest/doctest.h>

#include <array>
#include <vector>

using namespace bert;

TEST_CASE("similarity is the dot product, also at sizes that are no multiples of eight") {
  vectors<19> index(3);
  std::array<float, 19> query{};
  for (std::size_t d = 0; d < 19; ++d) {
    query[d] = static_cast<float>(d);
    for (std::size_t i = 0; i < 3; ++i) index[i][d] = i == 0 ? 1.0f : i == 1 ? static_cast<float>(d % 2) : -1.0f;
  }
  CHECK(similarity(index, query) == std::vector<float>{171, 81, -171});
  CHECK(similarity(query, query) == 2109);
  vectors<19> queries(2);
  std::copy(query.begin(), query.end(), queries[1].begin());
  CHECK(similarity(index, queries) == std::vector<std::vector<float>>{{0, 0, 0}, {171, 81, -171}});
}

TEST_CASE("top_k has the highest scores first, the lower row first of equal ones, and at most all scores") {
  const std::vector<float> scores{0.1f, 0.9f, 0.5f, 0.9f, -1.0f};
  std::vector<std::size_t> rows;
  for (const auto [row, score] : top_k(scores, 3)) {
    rows.push_back(row);
    CHECK(score == scores[row]);
  }
  CHECK(rows == std::vector<std::size_t>{1, 3, 2});
  CHECK(top_k(scores, 99).size() == 5);
  CHECK(top_k(scores, 0).empty());
  CHECK(top_k({}, 3).empty());
}
