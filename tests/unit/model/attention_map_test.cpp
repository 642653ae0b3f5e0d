#include "bert/model/attention_map.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace {

struct dot : bert::architecture_of<bert::dims{
                 .vocab = 29, .hidden = 24, .layers = 3, .heads = 3, .intermediate = 40, .positions = 20}> {};
using encoder = bert::model<dot>;

bert::token_batch some_ids() {
  bert::token_batch batch;
  batch.add(std::array{1, 5, 9, 13, 17, 21, 25, 28, 3, 7, 11},
            std::array<bert::segment_id, 11>{0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1});
  return batch;
}

}  // namespace

TEST_CASE("every row of an attention map is a distribution") {
  const auto frozen = bert::freeze(encoder::random({.stddev = 0.4f, .seed = 1}));
  const auto map = bert::attention_map(frozen, some_ids(), 1);
  REQUIRE(map.heads() == 3);
  REQUIRE(map.tokens() == 11);
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t i = 0; i < 11; ++i) {
      float sum = 0;
      for (const float p : map[a][i]) {
        CHECK(p >= 0);
        sum += p;
      }
      CHECK(sum == doctest::Approx(1).epsilon(1e-5));
    }
}

TEST_CASE("the map's probabilities times the values are the output of the attention kernel") {
  const auto frozen = bert::freeze(encoder::random({.stddev = 0.4f, .seed = 2}));
  const auto batch = some_ids();
  constexpr std::size_t n = 11, h = 24, d = 8;
  bert::buffer<float> hidden(n * h), projected(n * 3 * h), mixed(n * h);
  const bert::matrix<float> x{hidden.data(), n, h}, qkv{projected.data(), n, 3 * h}, context{mixed.data(), n, h};
  const bert::execution::serial e;
  bert::carver none;
  bert::layers::embeddings::workspace<dot>(none, batch.shape(), frozen.sizes()).run(e, frozen.embeddings(), batch, x);
  bert::kernels::gemm(e, x, frozen.layer(0).qkv, bert::kernels::epilogue::bias{qkv, frozen.layer(0).qkv_bias});
  bert::kernels::attention<d>(e, qkv, batch.starts(), context, nullptr, bert::kernels::dropout{});

  const auto map = bert::attention_map(frozen, batch, 0);
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t c = 0; c < d; ++c) {
        float sum = 0;
        for (std::size_t j = 0; j < n; ++j) sum += map[a](i, j) * qkv(j, 2 * h + a * d + c);
        CHECK(context(i, a * d + c) == doctest::Approx(sum).epsilon(1e-4));
      }
}

TEST_CASE("queries of zero attend to every token equally, in the last layer too") {
  auto model = encoder::random({.stddev = 0.4f, .seed = 3});
  for (const auto& p : model.table())
    if (p.layer == 2 && p.stem == "attention.self.query.weight") std::ranges::fill(model.values(p), 0.0f);
  const auto map = bert::attention_map(bert::freeze(model), some_ids(), 2);
  CHECK(map[1](4, 7) == doctest::Approx(1.0 / 11));
}

TEST_CASE("an attention map of two sequences, of a missing layer or of an id out of range is an error") {
  const auto frozen = bert::freeze(encoder::random());
  auto two = some_ids();
  two.add(std::array{1, 2});
  bert::token_batch foreign;
  foreign.add(std::array{29});
  CHECK_THROWS_AS((void)bert::attention_map(frozen, two, 0), bert::error);
  CHECK_THROWS_AS((void)bert::attention_map(frozen, some_ids(), 3), bert::error);
  CHECK_THROWS_AS((void)bert::attention_map(frozen, foreign, 0), bert::error);
}
