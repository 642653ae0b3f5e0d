#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "../../support/small_models.hpp"
#include "bert/model/attention_map.hpp"

namespace {

struct neighborly : bert::architecture_of<bert::dims{
                        .vocab = 300, .hidden = 128, .layers = 4, .heads = 2, .intermediate = 64, .positions = 256}> {};
using encoder = bert::model<neighborly>;

/// The mean attention over inner tokens of head `h` of layer `l` to the token at offset `shift`.
double attention_at(const encoder& model, std::size_t l, std::size_t h, int shift) {
  bert::token_batch batch;
  constexpr int length = 100, margin = 8;
  batch.add(support::ids(1, length, neighborly::vocab));
  const auto map = bert::attention_map(bert::freeze(model), batch, l);
  double sum = 0;
  for (int n = margin; n < length - margin; ++n)
    sum += static_cast<double>(map[h](static_cast<std::size_t>(n), static_cast<std::size_t>(n + shift)));
  return sum / (length - 2 * margin);
}

}  // namespace

TEST_CASE(
    "initialized with neighbors, heads of the first layer attend to the tokens before and after, each later layer one "
    "further") {
  const auto model = encoder::random({.seed = 3, .positions = bert::position_initialization::neighbors});
  for (const std::size_t l : {0u, 1u, 2u})
    for (const std::size_t h : {0u, 1u}) {
      const int shift = bert::detail::neighbor_shift(l, h);
      CHECK(std::abs(shift) == static_cast<int>(l) + 1);
      CAPTURE(l);
      CAPTURE(shift);
      const double there = attention_at(model, l, h, shift);
      CHECK(there > 0.15);  // of 100 tokens
      for (int other = -8; other <= 8; ++other)
        if (other != shift) CHECK(there > 5 * attention_at(model, l, h, other));
    }
  CHECK(attention_at(model, 3, 0, -1) < 0.02);  // the last layer has no neighbor heads
  CHECK(attention_at(encoder::random({.seed = 3}), 0, 0, -1) < 0.02);
}

TEST_CASE("positions initialized with neighbors have the norm of tokens with four heads and are near no other position") {
  struct four : bert::architecture_of<bert::dims{
                    .vocab = 300, .hidden = 256, .layers = 1, .heads = 4, .intermediate = 64, .positions = 512}> {};
  const auto model =
      bert::model<four>::random({.stddev = 0.02f, .seed = 3, .positions = bert::position_initialization::neighbors});
  const auto p = model.values("bert.embeddings.position_embeddings.weight");
  const auto product = [&](std::size_t a, std::size_t b) {
    double sum = 0;
    for (std::size_t i = 0; i < 256; ++i) sum += static_cast<double>(p[a * 256 + i]) * static_cast<double>(p[b * 256 + i]);
    return sum;
  };
  CHECK(product(7, 7) == doctest::Approx(256 * 0.02 * 0.02));
  for (std::size_t t = 1; t < 512; ++t) CHECK(std::abs(product(0, t)) < 0.33 * product(0, 0));
}

TEST_CASE("position_initialization changes only positions and the queries and keys of the first three layers") {
  const auto a = encoder::random({.seed = 3}),
             b = encoder::random({.seed = 3, .positions = bert::position_initialization::neighbors});
  for (const auto& p : a.table()) {
    const auto name = p.name();
    const bool same = std::ranges::equal(a.values(p), b.values(name));
    const bool concerned = name.find("position_embeddings") != std::string::npos ||
                           (p.layer >= 0 && p.layer < 3 && (name.ends_with("query.weight") || name.ends_with("key.weight")));
    CHECK(same != concerned);
  }
}
