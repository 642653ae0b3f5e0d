#include "bert/model/extended.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "../../support/small_models.hpp"

namespace {

using support::pocket;
using open = bert::model<bert::open_vocabulary<pocket>, bert::heads::masked_lm, bert::heads::next_sentence>;
using closed = bert::model<pocket, bert::heads::masked_lm>;

struct piece {
  bert::token_id id;
  std::vector<bert::token_id> parts;
};

TEST_CASE("new rows are the mean of their parts' rows, in the embeddings and in the output bias; all else stays") {
  auto m = open::random({.stddev = 0.1f, .seed = 3, .vocab = 20});
  for (std::size_t i = 0; i < m.block().size(); ++i) m.block()[i] += 0.01f * static_cast<float>(i % 7);
  const std::vector<piece> added{{20, {3, 4, 5}}, {7, {8, 9}}, {21, {7}}};
  const auto wide = bert::with_pieces(m, 23, added);
  CHECK(wide.sizes().vocab == 23);
  const std::size_t h = pocket::hidden;
  const auto before = m.values("bert.embeddings.word_embeddings.weight"),
             after = wide.values("bert.embeddings.word_embeddings.weight");
  const auto bias = m.values("cls.predictions.bias"), new_bias = wide.values("cls.predictions.bias");
  for (std::size_t c = 0; c < h; ++c) {
    CHECK(after[20 * h + c] == doctest::Approx((before[3 * h + c] + before[4 * h + c] + before[5 * h + c]) / 3).epsilon(1e-6));
    CHECK(after[7 * h + c] == doctest::Approx((before[8 * h + c] + before[9 * h + c]) / 2).epsilon(1e-6));
    CHECK(after[21 * h + c] == before[7 * h + c]);  // the old row of 7
    CHECK(after[22 * h + c] == 0.0f);
    for (const std::size_t same : {0u, 6u, 8u, 19u}) CHECK(after[same * h + c] == before[same * h + c]);
  }
  CHECK(new_bias[20] == doctest::Approx((bias[3] + bias[4] + bias[5]) / 3).epsilon(1e-6));
  CHECK(new_bias[7] == doctest::Approx((bias[8] + bias[9]) / 2).epsilon(1e-6));
  CHECK(new_bias[19] == bias[19]);
  CHECK(new_bias[22] == 0.0f);
  for (std::size_t i = 0; i < m.table().size(); ++i) {
    if (m.table()[i].rows == 20 && (m.table()[i].cols == 0 || m.table()[i].cols == pocket::hidden)) continue;
    CHECK(std::ranges::equal(m.values(m.table()[i]), wide.values(wide.table()[i])));
  }
}

TEST_CASE("a fixed vocabulary takes pieces in its rows alone, and the error says what to do") {
  const auto m = closed::random({.seed = 3});
  const auto same = bert::with_pieces(m, pocket::vocab, std::vector<piece>{{9, {1, 2}}});
  CHECK(same.values("cls.predictions.bias").size() == static_cast<std::size_t>(pocket::vocab));
  CHECK_THROWS_WITH_AS(
      (void)bert::with_pieces(m, pocket::vocab + 1, std::vector<piece>{}),
      "bert::with_pieces: expected a vocabulary of 131 pieces, which the architecture fixes, found 132; use only "
      "[unused] rows, or load the model as one of bert::open_vocabulary<…>",
      bert::error);
}

TEST_CASE("ids and parts out of range are refused") {
  const auto m = open::random({.seed = 3, .vocab = 20});
  const auto refused = [&](int vocab, const piece& p, const char* what) {
    CHECK_THROWS_WITH_AS((void)bert::with_pieces(m, vocab, std::vector<piece>{p}), doctest::Contains(what), bert::error);
  };
  refused(21, {21, {1}}, "below 21");
  refused(21, {-1, {1}}, "below 21");
  refused(21, {20, {20}}, "below 20");
  refused(21, {20, {-1}}, "below 20");
  refused(21, {20, {}}, "none for the id 20");
  refused(19, {3, {1}}, "at least 20");
}

TEST_CASE("module_of names the whole module of a tensor") {
  using index = bert::table_index<open::architecture>;
  CHECK(open::module_of(0) == std::pair<std::size_t, std::size_t>{0, index::layers});
  CHECK(open::module_of(index::layer(1) + 3) == std::pair{index::layer(1), index::layer(2)});
  CHECK(open::module_of(index::pooler + 1) == std::pair<std::size_t, std::size_t>{index::pooler, index::heads});
  CHECK(open::module_of(open::first_of_head<0>) == std::pair{open::first_of_head<0>, open::first_of_head<1>});
  CHECK(open::module_of(open::first_of_head<1>) == std::pair{open::first_of_head<1>, std::tuple_size_v<open::table_type>});
}

}  // namespace
