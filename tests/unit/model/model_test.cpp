#include <doctest/doctest.h>

#include <cmath>

#include "../../support/small_models.hpp"

namespace {
using support::pocket;
using masked = bert::model<pocket, bert::heads::masked_lm>;
using open = bert::model<bert::open_vocabulary<pocket>, bert::heads::masked_lm>;
}  // namespace

TEST_CASE("the table gives every parameter its own memory, with query, key and value contiguous") {
  const auto model = masked::random({.seed = 1});
  std::size_t covered = 0;
  for (const auto& a : model.table()) {
    covered += a.count();
    CHECK((a.joined || a.offset % 16 == 0));
    CHECK(a.offset + a.count() <= model.block().size());
    for (const auto& b : model.table()) {
      const bool apart = &a == &b || a.offset + a.count() <= b.offset || b.offset + b.count() <= a.offset;
      CHECK(apart);
    }
  }
  CHECK(covered == masked::parameters);
  const auto layer = model.layer(1);
  using bert_layer = bert::layers::post_norm<>;
  CHECK(layer[bert_layer::query_weight] == model.values("bert.encoder.layer.1.attention.self.query.weight").data());
  CHECK(layer[bert_layer::query_weight] + 40 * 40 == model.values("bert.encoder.layer.1.attention.self.key.weight").data());
  CHECK(layer[bert_layer::query_bias] + 80 == model.values("bert.encoder.layer.1.attention.self.value.bias").data());
}

TEST_CASE("random weights have the given standard deviation, gains are one, biases zero") {
  const auto model = masked::random({.stddev = 0.05f, .seed = 3});
  double sum = 0, squares = 0;
  const auto word = model.values("bert.embeddings.word_embeddings.weight");
  for (const float x : word) {
    sum += static_cast<double>(x);
    squares += static_cast<double>(x) * static_cast<double>(x);
  }
  const double n = static_cast<double>(word.size());
  CHECK(std::abs(sum / n) < 0.003);
  CHECK(std::sqrt(squares / n) / 0.05 == doctest::Approx(1).epsilon(0.03));
  for (const float x : model.values("bert.encoder.layer.0.output.LayerNorm.weight")) CHECK(x == 1.0f);
  for (const float x : model.values("cls.predictions.bias")) CHECK(x == 0.0f);
}

TEST_CASE("a tensor's initial values do not depend on the model's heads, but on the seed") {
  const auto a = masked::random({.seed = 5});
  const auto b = bert::model<pocket, bert::heads::classify<support::mood>>::random({.seed = 5});
  const auto c = masked::random({.seed = 6});
  const char* name = "bert.encoder.layer.1.output.dense.weight";
  CHECK(std::equal(a.values(name).begin(), a.values(name).end(), b.values(name).begin()));
  CHECK_FALSE(std::equal(a.values(name).begin(), a.values(name).end(), c.values(name).begin()));
}

TEST_CASE("with_head keeps the encoder and the pooler and initializes the new head") {
  auto model = masked::random({.seed = 5});
  const std::vector<float> pooler(model.values("bert.pooler.dense.weight").begin(),
                                  model.values("bert.pooler.dense.weight").end());
  const auto other = std::move(model).with_head<bert::heads::classify<support::mood>>({.seed = 9});
  CHECK(std::equal(pooler.begin(), pooler.end(), other.values("bert.pooler.dense.weight").begin()));
  CHECK(other.values("classifier.weight").size() == 2 * 40);
  CHECK(other.values("classifier.weight")[0] != 0.0f);
}

TEST_CASE("an open vocabulary gets its size when the model is constructed, and a fixed one accepts no other") {
  CHECK(open::random({.vocab = 77}).values("bert.embeddings.word_embeddings.weight").size() == 77 * 40);
  CHECK_THROWS_WITH_AS((void)open::random(), doctest::Contains("set random_options::vocab"), bert::error);
  CHECK_THROWS_WITH_AS((void)masked::random({.vocab = 77}), doctest::Contains("131"), bert::error);
  CHECK_THROWS_WITH_AS((void)(bert::model<pocket, bert::heads::classify<bert::labels::dynamic_set>>::random()),
                       doctest::Contains("labels"), bert::error);
}

TEST_CASE("the error for an unknown parameter names it") {
  CHECK_THROWS_WITH_AS((void)masked::random().values("bert.pooler.dense.wieght"), doctest::Contains("wieght"), bert::error);
}
