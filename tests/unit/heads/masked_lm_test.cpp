#include "bert/heads/masked_lm.hpp"

#include <doctest/doctest.h>

#include "../../support/matrices.hpp"
#include "../../support/small_models.hpp"

namespace {
/// More pieces than one chunk of the head's tape.
struct wordy : bert::architecture_of<bert::dims{
                   .vocab = 4'500, .hidden = 24, .layers = 1, .heads = 2, .intermediate = 32, .positions = 16}> {};
}  // namespace

TEST_CASE("with a vocabulary of several chunks the tape has the session's logits and the gradients of the formulas") {
  using model_type = bert::model<wordy, bert::heads::masked_lm>;
  const auto model = model_type::random({.stddev = 0.2f, .seed = 8});
  bert::token_batch batch;
  batch.add(support::ids(1, 12, wordy::vocab));
  for (const std::size_t position : {2u, 7u, 11u}) batch.score(position);
  const bert::execution::threads two{2};
  bert::tape<model_type> tape(batch.shape(), model.sizes());
  tape.forward(two, model, batch);
  const auto logits = tape.head<bert::heads::masked_lm>().logits();
  const auto frozen = bert::freeze(model);
  auto run = frozen.session(batch.shape());
  const auto expected = run(batch);
  REQUIRE(logits.rows == 3);
  CHECK(std::ranges::equal(expected, support::elements(logits)));

  // The loss is the sum of all logits times alternating weights: the gradient of a piece's bias is its column's sum.
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t v = 0; v < logits.cols; ++v) logits(i, v) = static_cast<float>(i + 1) * (v % 2 == 0 ? 0.01f : -0.02f);
  bert::buffer<float> g(model.block().size());
  tape.backward(two, model, batch, g.data());
  const auto of = [&](const char* stem) {
    for (const auto& p : model.table())
      if (p.stem == stem) return g.span().subspan(p.offset, p.count());
    return std::span<float>{};
  };
  for (const std::size_t v : {0u, 1u, 2047u, 2048u, 4096u, 4499u})
    CHECK(of("cls.predictions.bias")[v] == doctest::Approx(v % 2 == 0 ? 0.06 : -0.12));

  // The slope by the dense bias, which affects the loss through every chunk.
  const auto loss = [&](const model_type& m) {
    const auto packed = bert::freeze(m);
    auto session = packed.session(batch.shape());
    const auto y = session(batch);
    double total = 0;
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t v = 0; v < y.extent(1); ++v)
        total += static_cast<double>(y(i, v)) * static_cast<double>(i + 1) * (v % 2 == 0 ? 0.01 : -0.02);
    return total;
  };
  for (const std::size_t j : {0u, 13u, 23u}) {
    auto moved = model;
    for (const auto& p : moved.table())
      if (p.stem == "cls.predictions.transform.dense.bias") {
        moved.values(p)[j] += 0.01f;
        const double up = loss(moved);
        moved.values(p)[j] -= 0.02f;
        CHECK((up - loss(moved)) / 0.02 ==
              doctest::Approx(static_cast<double>(of("cls.predictions.transform.dense.bias")[j])).epsilon(0.02));
      }
  }
}

TEST_CASE("logits are computed at scored positions, with the bits of one position scored alone, and at no others") {
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
  CHECK(score_of_90() == 0.0f);  // a zero row and a zero bias; piece 90 is not in the text, so nothing else changed
}
