// Layer: tests. Of: include/bert/pipeline/search.hpp, include/bert/pipeline/quantized_vectors.hpp
#include "bert/pipeline/search.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/heads/pooling.hpp"
#include "bert/pipeline/quantized_vectors.hpp"

namespace {

template <std::size_t D>
bert::vectors<D> random_vectors(std::size_t rows, std::uint64_t seed) {
  bert::vectors<D> all(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    bert::random_stream random(seed, bert::draw::user, i);
    for (float& x : all[i]) x = random.normal();
    bert::to_unit_length(all[i]);
  }
  return all;
}

template <std::size_t D>
double exact(const bert::vectors<D>& a, std::size_t i, const bert::vectors<D>& b, std::size_t j) {
  double sum = 0;
  for (std::size_t d = 0; d < D; ++d) sum += static_cast<double>(a[i][d]) * static_cast<double>(b[j][d]);
  return sum;
}

std::vector<std::size_t> rows_of(const std::vector<bert::scored_row>& found) {
  std::vector<std::size_t> rows;
  for (const auto& [row, score] : found) rows.push_back(row);
  return rows;
}

}  // namespace

TEST_CASE("the nearest rows are those of a full sort, over the edges of blocks and on any number of threads") {
  const auto index = random_vectors<24>(4100, 1), queries = random_vectors<24>(67, 2);
  const auto found = bert::nearest(index, queries, 5);
  const auto threaded = bert::nearest(index, queries, 5, bert::execution::threads{3});
  REQUIRE(found.size() == 67);
  for (std::size_t q = 0; q < 67; ++q) {
    std::vector<std::size_t> order(index.rows());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::partial_sort(order.begin(), order.begin() + 5, order.end(),
                      [&](std::size_t a, std::size_t b) { return exact(index, a, queries, q) > exact(index, b, queries, q); });
    order.resize(5);
    CHECK(rows_of(found[q]) == order);
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(found[q][i].score == doctest::Approx(exact(index, found[q][i].row, queries, q)).epsilon(1e-5));
      CHECK(threaded[q][i].score == found[q][i].score);
    }
    CHECK(rows_of(threaded[q]) == order);
  }
  // A query alone has the bits that it has among others.
  bert::vectors<24> one(1);
  std::copy_n(queries[66].begin(), 24, one[0].begin());
  CHECK(bert::nearest(index, one, 1)[0][0].score == found[66][0].score);
}

TEST_CASE("equal scores go to the lower row, and k may be zero or beyond the index") {
  bert::vectors<8> index(6);
  for (std::size_t i = 0; i < 6; ++i) index[i][0] = i % 2 == 0 ? 1.0f : 0.5f;
  bert::vectors<8> query(1);
  query[0][0] = 1;
  CHECK(rows_of(bert::nearest(index, query, 4)[0]) == std::vector<std::size_t>{0, 2, 4, 1});
  CHECK(rows_of(bert::nearest(index, query, 100)[0]) == std::vector<std::size_t>{0, 2, 4, 1, 3, 5});
  CHECK(bert::nearest(index, query, 0)[0].empty());
  CHECK(bert::nearest(bert::vectors<8>(0), query, 3)[0].empty());
  CHECK(bert::nearest(index, bert::vectors<8>(0), 3).empty());
}

TEST_CASE("a byte is the nearest of 256 steps between a dimension's least and greatest number, clamped outside") {
  bert::vectors<3> sample(2);
  std::copy_n(std::array{-1.0f, 0.25f, 0.0f}.begin(), 3, sample[0].begin());
  std::copy_n(std::array{1.0f, 0.25f, 255.0f}.begin(), 3, sample[1].begin());
  const auto c = bert::int8_calibration<3>::of(sample);
  CHECK(c.encode(-1, 0) == -128);
  CHECK(c.encode(1, 0) == 127);
  CHECK(c.encode(-5, 0) == -128);
  CHECK(c.encode(5, 0) == 127);
  CHECK(c.encode(100.6f, 2) == 101 - 128);  // rounded, not cut
  CHECK(c.decode(c.encode(100, 2), 2) == 100.0f);
  for (const float x : {-1.0f, 0.25f, 7.0f}) {  // a constant dimension
    CHECK(c.encode(x, 1) == -128);
    CHECK(c.decode(c.encode(x, 1), 1) == 0.25f);
  }
  CHECK(c.encode(std::numeric_limits<float>::quiet_NaN(), 0) == -128);
  CHECK(c.encode(std::numeric_limits<float>::infinity(), 0) == 127);
  CHECK_THROWS_AS((void)bert::int8_calibration<3>::of(bert::vectors<3>(0)), bert::error);
}

TEST_CASE("a byte's score is the product with the decoded row, in any number of dimensions") {
  const auto check = [](auto d) {
    constexpr std::size_t dimension = decltype(d)::value;
    const auto index = random_vectors<dimension>(200, 3), queries = random_vectors<dimension>(4, 4);
    const bert::int8_vectors<dimension> small(index);
    const auto q = small.prepare(queries[0]);
    for (std::size_t i = 0; i < 200; i += 7) {
      double sum = 0;
      for (std::size_t k = 0; k < dimension; ++k)
        sum += static_cast<double>(queries[0][k]) * static_cast<double>(small.calibration().decode(small[i][k], k));
      CHECK(std::abs(static_cast<double>(small.score(q, i)) - sum) < 2e-6);
      CHECK(std::abs(sum - exact(index, i, queries, 0)) < 0.02);
    }
    CHECK(small.nearest(queries[0], 1)[0].row == bert::nearest(index, queries, 1)[0][0].row);
  };
  check(std::integral_constant<std::size_t, 13>{});
  check(std::integral_constant<std::size_t, 64>{});
}

TEST_CASE("bits find candidates by Hamming distance, and bytes or floats rescore them") {
  const auto index = random_vectors<70>(500, 5), queries = random_vectors<70>(20, 6);
  const bert::binary_vectors<70> bits(index);
  const bert::int8_vectors<70> bytes(index);
  for (std::size_t i = 0; i < 500; i += 41)
    for (std::size_t j = 0; j < 500; j += 53) {
      std::size_t differ = 0;
      for (std::size_t d = 0; d < 70; ++d) differ += (index[i][d] > 0) != (index[j][d] > 0) ? 1 : 0;
      CHECK(bert::binary_vectors<70>::hamming(bits[i], bits[j]) == differ);
    }
  const auto best = bert::nearest(index, queries, 10);
  std::size_t by_signs = 0, by_floats = 0;
  for (std::size_t q = 0; q < 20; ++q) {
    // With all rows as candidates, rescoring by floats is the exact search.
    CHECK(rows_of(bits.nearest(queries[q], 10, index, {.rescore_multiplier = 50})) == rows_of(best[q]));
    CHECK(rows_of(bits.nearest(queries[q], 10, bytes, {.rescore_multiplier = 50})) == rows_of(bytes.nearest(queries[q], 10)));
    const auto hits = [&](const std::vector<bert::scored_row>& found) {
      std::size_t n = 0;
      for (const auto row : rows_of(best[q])) n += std::ranges::count(rows_of(found), row) > 0 ? 1 : 0;
      return n;
    };
    by_signs += hits(bits.nearest(queries[q], 10));
    by_floats += hits(bits.nearest(queries[q], 10, index));
  }
  CHECK(by_floats > by_signs);
  CHECK(by_floats > 100);
  CHECK_THROWS_WITH_AS((void)bits.nearest(queries[0], 3, random_vectors<70>(499, 1)), doctest::Contains("500 rows"),
                       bert::error);
}
