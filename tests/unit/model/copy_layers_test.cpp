#include "bert/model/copy_layers.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "../../support/small_models.hpp"

namespace {
struct deep : bert::architecture_of<bert::dims{
                  .vocab = bert::dynamic, .hidden = 16, .layers = 6, .heads = 2, .intermediate = 24, .positions = 16}> {};
struct shallow : bert::architecture_of<bert::dims{
                     .vocab = bert::dynamic, .hidden = 16, .layers = 3, .heads = 2, .intermediate = 24, .positions = 16}> {};
using big = bert::model<deep, bert::heads::classify<support::mood>, bert::heads::masked_lm>;
using small = bert::model<shallow, bert::heads::masked_lm, bert::heads::next_sentence>;

bool same(std::span<const float> a, std::span<const float> b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }
std::string layer(int l) { return bert::cat("bert.encoder.layer.", l, ".intermediate.dense.weight"); }
}  // namespace

TEST_CASE("a student starts from its teacher's embeddings, head and every k-th layer, or from those that are named") {
  const auto from = big::random({.stddev = 0.1f, .seed = 1, .vocab = 50});
  const auto born = small::random({.stddev = 0.1f, .seed = 2, .vocab = 50});
  auto to = born;
  bert::copy_layers(from, to);
  for (int l = 0; l < 3; ++l) CHECK(same(to.values(layer(l)), from.values(layer(2 * l))));
  for (const char* name :
       {"bert.embeddings.word_embeddings.weight", "bert.pooler.dense.weight", "cls.predictions.transform.dense.weight"})
    CHECK(same(to.values(name), from.values(name)));
  CHECK(same(to.values("cls.seq_relationship.weight"), born.values("cls.seq_relationship.weight")));  // the teacher has none
  bert::copy_layers(from, to, std::array<std::size_t, 3>{0, 3, 5});
  CHECK(same(to.values(layer(1)), from.values(layer(3))));
  CHECK(same(to.values(layer(2)), from.values(layer(5))));
}

TEST_CASE("layers that are not there, too few of them, and another vocabulary are errors") {
  const auto from = big::random({.stddev = 0.1f, .seed = 1, .vocab = 50});
  auto to = small::random({.stddev = 0.1f, .seed = 2, .vocab = 50});
  CHECK_THROWS_WITH_AS(bert::copy_layers(from, to, std::array<std::size_t, 3>{0, 3, 6}),
                       doctest::Contains("3 layers, each below 6"), bert::error);
  CHECK_THROWS_WITH_AS(bert::copy_layers(from, to, std::array<std::size_t, 2>{0, 3}), doctest::Contains("found 2 layers"),
                       bert::error);
  auto other = small::random({.stddev = 0.1f, .seed = 2, .vocab = 51});
  CHECK_THROWS_WITH_AS(bert::copy_layers(from, other), doctest::Contains("a vocabulary of 50 pieces"), bert::error);
}
