#include "bert/heads/masked_lm.hpp"

#include <doctest/doctest.h>

#include "../../support/small_models.hpp"

TEST_CASE("scores are given where they were asked for, each the same bits as if asked for alone, none where none was asked for") {
  using model_type = bert::model<support::pocket, bert::heads::masked_lm>;
  const auto frozen = bert::freeze(model_type::random({.stddev = 0.2f, .seed = 8}));
  bert::token_batch batch;
  batch.add(support::ids(1, 30));
  auto run = frozen.session({.sequences = 1, .tokens = 30});
  CHECK(run(batch).rows() == 0);
  for (const std::size_t position : {2u, 11u, 29u}) batch.score(position);
  const auto logits = run(batch);
  REQUIRE(logits.rows() == 3);
  const std::vector<float> third(logits[2].begin(), logits[2].end());
  bert::token_batch alone;
  alone.add(support::ids(1, 30));
  alone.score(29);
  CHECK(std::equal(third.begin(), third.end(), run(alone)[0].begin()));
}

TEST_CASE("the decoder is tied to the token embeddings") {
  using model_type = bert::model<support::pocket, bert::heads::masked_lm>;
  auto model = model_type::random({.stddev = 0.2f, .seed = 8});
  bert::token_batch batch;
  batch.add(std::array{5, 6, 7});
  batch.score(1);
  const auto score_of_90 = [&] {
    const auto frozen = bert::freeze(model);
    auto run = frozen.session(batch.shape());
    return run(batch)(0, 90);
  };
  for (const auto& p : model.table())
    if (p.stem == "bert.embeddings.word_embeddings.weight")
      for (std::size_t i = 0; i < 40; ++i) model.values(p)[90 * 40 + i] = 0.0f;
  CHECK(score_of_90() == 0.0f);  // a zero row, a zero bias: piece 90 is not in the text, so nothing else moved
}
