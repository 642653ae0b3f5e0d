// Layer: tests. Of: include/bert/data/cooccurrence.hpp
#include "bert/data/cooccurrence.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "bert/text/tokenizer.hpp"
#include "support/largest.hpp"
#include "support/temporary_file.hpp"

namespace {

using namespace bert::data;

sparse_matrix random_matrix(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  bert::random_stream random(seed, bert::draw::user);
  sparse_matrix m{.cols = cols};
  std::vector<float> row(cols);
  for (std::size_t r = 0; r < rows; ++r) {
    for (float& x : row) x = random.uniform() < 0.3f ? random.normal() : 0.0f;
    m.add_row(row);
  }
  return m;
}
/// M M^T
std::vector<double> squared(const sparse_matrix& m) {
  std::vector<double> dense(m.rows * m.cols), out(m.rows * m.rows);
  for (std::size_t r = 0; r < m.rows; ++r)
    for (std::size_t i = m.starts[r]; i < m.starts[r + 1]; ++i)
      dense[r * m.cols + m.columns[i]] = static_cast<double>(m.values[i]);
  for (std::size_t a = 0; a < m.rows; ++a)
    for (std::size_t b = 0; b < m.rows; ++b)
      for (std::size_t c = 0; c < m.cols; ++c) out[a * m.rows + b] += dense[a * m.cols + c] * dense[b * m.cols + c];
  return out;
}

}  // namespace

TEST_CASE("eigenvectors are orthonormal, and the matrix stretches each by its eigenvalue") {
  const std::size_t k = 12;
  const auto a = squared(random_matrix(k, 20, 3));
  std::vector<double> values, vectors, apart;
  bert::data::detail::eigen(a, k, values, vectors);
  for (std::size_t j = 0; j < k; ++j) {
    CHECK((j == 0 || values[j] <= values[j - 1]));
    for (std::size_t i = 0; i < k; ++i) {
      double stretched = 0, product = 0;
      for (std::size_t l = 0; l < k; ++l) {
        stretched += a[i * k + l] * vectors[l * k + j];
        product += vectors[l * k + i] * vectors[l * k + j];
      }
      apart.push_back(stretched - values[j] * vectors[i * k + j]);
      apart.push_back(product - (i == j ? 1 : 0));
    }
  }
  CHECK(support::largest_magnitude(apart) < 1e-10 * values[0]);
}

TEST_CASE("principal vectors are the singular vectors times the roots of their values, with the same bits on two threads") {
  const auto m = random_matrix(40, 30, 5);
  const std::size_t k = 6;
  const auto found = principal_vectors(m, k, 12, 1);
  std::vector<double> values, vectors, apart;
  bert::data::detail::eigen(squared(m), 40, values, vectors);
  for (std::size_t j = 0; j < k; ++j) {
    double same = 0;  // the sign of a singular vector is free
    for (std::size_t r = 0; r < 40; ++r) same += static_cast<double>(found[r * k + j]) * vectors[r * 40 + j];
    const double scale = std::pow(values[j], 0.25) * (same < 0 ? -1 : 1);
    for (std::size_t r = 0; r < 40; ++r) apart.push_back(static_cast<double>(found[r * k + j]) - scale * vectors[r * 40 + j]);
  }
  CHECK(support::largest_magnitude(apart) < 1e-3);
  CHECK(principal_vectors(m, k, 12, 1, bert::execution::threads{2}) == found);
  const auto thin = principal_vectors(random_matrix(5, 3, 1), 6, 2, 1);  // more columns than there are
  REQUIRE(thin.size() == 30);
  for (std::size_t r = 0; r < 5; ++r)
    for (std::size_t j = 3; j < 6; ++j) CHECK(thin[r * 6 + j] == 0);
}

TEST_CASE("mutual information counts neighbors of a document within the window, by their distance") {
  const bert::text::tokenizer tokenizer(
      bert::text::vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d"}));
  const support::temporary_file file("a b c\n\nd a\n");
  const token_store text(corpus(file.path()), tokenizer, {}, bert::execution::serial{});
  const auto m = mutual_information(text, 9, {.window = 2, .contexts = 4, .smoothing = 1});
  // n(a,b) = 1, n(a,c) = 1/2, n(b,c) = 1, n(d,a) = 1, and the other way; all = 7, n(a) = 2.5, n(b) = 2, n(c) = 1.5, n(d) = 1
  REQUIRE(m.rows == 9);
  CHECK(m.starts[5] == 0);
  const auto at = [&](std::size_t v, std::size_t c) {
    for (std::size_t i = m.starts[v]; i < m.starts[v + 1]; ++i)
      if (m.columns[i] == c) return static_cast<double>(m.values[i]);
    return 0.0;
  };
  // Contexts by frequency: a (2), then b, c, d.
  CHECK(at(5, 1) == doctest::Approx(std::log(7 / (2.5 * 2))));
  CHECK(at(5, 2) == 0);  // log(0.5 * 7 / (2.5 * 1.5)) is negative
  CHECK(at(6, 2) == doctest::Approx(std::log(7 / (2 * 1.5))));
  CHECK(at(8, 0) == doctest::Approx(std::log(7 / 2.5)));
  CHECK(at(8, 1) == 0);
  CHECK_THROWS_WITH_AS((void)mutual_information(text, 9, {.window = 0}), doctest::Contains(".window"), bert::error);
}

TEST_CASE("pieces of like company get like rows of the length that they had, and others keep theirs") {
  const bert::text::tokenizer tokenizer(bert::text::vocabulary(
      {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "dog", "car", "bus", "eats", "sleeps", "drives", "stops"}));
  std::string lines;
  for (const std::string animal : {"cat", "dog"})
    for (const std::string does : {"eats", "sleeps"}) lines += animal + " " + does + "\n\n";
  for (const std::string thing : {"car", "bus"})
    for (const std::string does : {"drives", "stops"}) lines += thing + " " + does + "\n\n";
  const support::temporary_file file(lines);
  const token_store text(corpus(file.path()), tokenizer, {}, bert::execution::serial{});
  std::vector<float> rows(13 * 4, 0.5f);
  embed_by_cooccurrence(text, {rows.data(), 13, 4});
  const auto cosine = [&](std::size_t a, std::size_t b) {
    double sum = 0;
    for (std::size_t j = 0; j < 4; ++j) sum += static_cast<double>(rows[a * 4 + j]) * static_cast<double>(rows[b * 4 + j]);
    return sum;  // each row has length 1
  };
  CHECK(cosine(5, 6) == doctest::Approx(1).epsilon(1e-4));
  CHECK(cosine(7, 8) == doctest::Approx(1).epsilon(1e-4));
  CHECK(std::abs(cosine(5, 7)) < 1e-3);
  for (std::size_t j = 0; j < 4; ++j) CHECK(rows[j] == 0.5f);
}
