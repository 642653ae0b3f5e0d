// Layer: tests. Of: include/bert/model/operations.hpp, packed_bytes of frozen.hpp
#include "bert/model/operations.hpp"

#include <doctest/doctest.h>

#include <array>

#include "bert/model/presets.hpp"
#include "bert/model/session.hpp"

namespace {
struct pair_of_layers : bert::architecture_of<bert::dims{
                            .vocab = 50, .hidden = 8, .layers = 2, .heads = 2, .intermediate = 12, .positions = 16}> {};

// By hand: per token and layer 4 x 64 + 2 x 96 = 448 weights, each a multiply-add; attention 2 x 2 x 8 x 9 a layer.
static_assert(bert::operations<pair_of_layers>(3).products == 3 * 2 * 2 * 448);
static_assert(bert::operations<pair_of_layers>(3).attention == 2 * 4 * 8 * 9);
static_assert(bert::operations<pair_of_layers>({.sequences = 4, .tokens = 12}).total() ==
              4 * bert::operations<pair_of_layers>(3).total());
static_assert(bert::operations<pair_of_layers>(bert::batch_shape{}).total() == 0);
static_assert(bert::encoder_weights<bert::arch::base_uncased> == 84'934'656);
// base, 8 x 128: the 174 GFLOP of products and 2.4 of attention that benchmarks report.
static_assert(bert::operations<bert::arch::base_uncased>({.sequences = 8, .tokens = 1024}).products == 2.0 * 1024 * 84'934'656);
static_assert(bert::packed_bytes<bert::model<bert::arch::base_uncased>>() >
              4 * bert::encoder_weights<bert::arch::base_uncased>);
static_assert(bert::packed_bytes<bert::model<bert::arch::base_uncased>, bert::precision::int8>() <
              bert::packed_bytes<bert::model<bert::arch::base_uncased>>() / 3);
}  // namespace

TEST_CASE("operations of a batch are the sums over its sequences") {
  bert::token_batch batch;
  batch.add(std::array{1, 2, 3});
  batch.add(std::array{4, 5, 6, 7, 8});
  const auto all = bert::operations<pair_of_layers>(batch);
  CHECK(all.products == bert::operations<pair_of_layers>(8).products);
  CHECK(all.attention == bert::operations<pair_of_layers>(3).attention + bert::operations<pair_of_layers>(5).attention);
}
