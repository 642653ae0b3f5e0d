#include "bert/layers/embeddings.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "../../support/small_models.hpp"

TEST_CASE("embeddings are the normalized sum of token, position and segment, positions counted from each sequence's start") {
  using A = support::pocket;
  constexpr std::size_t h = A::hidden;
  const auto model = bert::model<A>::random({.stddev = 0.5f, .seed = 2});
  bert::token_batch batch;
  batch.add(std::array{7, 8, 9}, std::array<bert::segment_id, 3>{0, 0, 1});
  batch.add(std::array{9, 7});
  std::vector<float> y(5 * h);
  const bert::execution::serial run;
  bert::carver count;
  bert::layers::embeddings::packed<A>::carve(count, model.sizes());
  bert::buffer<float> block(count.used());
  bert::carver carve{block.data()};
  const bert::layers::embeddings::packed<A> tables(run, carve, model.embeddings(), model.sizes());
  const bert::layers::embeddings::workspace<A> work(carve, batch.shape(), model.sizes());
  CHECK(carve.used() == count.used());
  std::vector<std::size_t> rows;
  work.run(run, tables, batch, bert::matrix<float>{y.data(), 5, h}, [&](std::size_t n, const float* row) {
    CHECK(row == y.data() + n * h);
    rows.push_back(n);
  });
  CHECK(rows == std::vector<std::size_t>{0, 1, 2, 3, 4});
  const auto word = model.values("bert.embeddings.word_embeddings.weight"),
             position = model.values("bert.embeddings.position_embeddings.weight"),
             segment = model.values("bert.embeddings.token_type_embeddings.weight");
  const std::array<std::size_t, 5> ids{7, 8, 9, 9, 7}, positions{0, 1, 2, 0, 1}, segments{0, 0, 1, 0, 0};
  for (std::size_t n = 0; n < 5; ++n) {
    std::vector<double> sum(h);
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < h; ++i) {
      sum[i] = static_cast<double>(word[ids[n] * h + i]) + static_cast<double>(position[positions[n] * h + i]) +
               static_cast<double>(segment[segments[n] * h + i]);
      mean += sum[i] / h;
    }
    for (const double x : sum) variance += (x - mean) * (x - mean) / h;
    for (std::size_t i = 0; i < h; ++i)
      CHECK(std::abs(static_cast<double>(y[n * h + i]) - (sum[i] - mean) / std::sqrt(variance)) < 1e-5);
  }
}
