#include "bert/model/parameters.hpp"

#include <doctest/doctest.h>

#include "../../support/small_models.hpp"

namespace {
using open = bert::open_vocabulary<support::pocket>;
constexpr auto raw = bert::parameter_table<open, bert::heads::masked_lm, bert::heads::classify<bert::labels::dynamic_set>>();
constexpr auto small = bert::resolve(raw, {.vocab = 50, .labels = 3});
constexpr auto large = bert::resolve(raw, {.vocab = 5000, .labels = 9});
}  // namespace

static_assert(small[bert::table_index<open>::embeddings].rows == 50 && large[bert::table_index<open>::embeddings].rows == 5000);

TEST_CASE("tensors of known size have the same offsets for any vocabulary and labels") {
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i].rows < 0) {
      // Open tensors follow all others.
      for (const auto& other : small)
        if (&other != &small[i] && raw[static_cast<std::size_t>(&other - small.data())].rows >= 0)
          CHECK(other.offset < small[i].offset);
      continue;
    }
    CHECK(small[i].offset == large[i].offset);
  }
  CHECK(bert::count_parameters(large) - bert::count_parameters(small) == (5000 - 50) * (40 + 1) + (9 - 3) * (40 + 1));
  CHECK(bert::block_size(small) >= bert::count_parameters(small));
}

TEST_CASE("names are those of BertForPreTraining") {
  CHECK(small[bert::table_index<open>::layers].name() == "bert.encoder.layer.0.attention.self.query.weight");
  CHECK(small[bert::table_index<open>::layer(1) + 15].name() == "bert.encoder.layer.1.output.LayerNorm.bias");
  CHECK(small[bert::table_index<open>::pooler].name() == "bert.pooler.dense.weight");
  CHECK(small[bert::table_index<open>::heads].name() == "cls.predictions.bias");
}
