#include "bert/heads/span.hpp"

#include <doctest/doctest.h>

#include "bert/model/session.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"

namespace {

struct derived : bert::heads::span {};

static_assert(bert::heads::span_finder<derived> && !bert::heads::tagger<derived> && !bert::heads::regressor<derived>);
static_assert(bert::heads::rows_of<derived> == bert::heads::output_rows::tokens);
static_assert(!golden::answers_model::reads_pooler);

}  // namespace

TEST_CASE("the logits of a BertForQuestionAnswering agree with transformers'") {
  const auto model = golden::load<golden::answers_model>("answers");
  const bert::io::safetensors file(golden::folder("answers") / "golden.safetensors");
  const auto frozen = bert::freeze(model);
  const auto batch = golden::batch(file, "eval");
  auto run = frozen.session(batch.shape(), bert::execution::threads{2});
  const auto logits = run(batch);
  REQUIRE(logits.shape() == std::array<std::size_t, 2>{batch.tokens(), 2});
  const auto expected = golden::floats(file, "eval.logits");
  CHECK(support::largest_magnitude(expected) > 0.5);
  CHECK(golden::largest_difference(std::span(logits.data(), 2 * batch.tokens()), expected) < 2e-5);
}

TEST_CASE("dropout does not reach the head: its noise changes the encoder alone") {
  const auto model = golden::load<golden::answers_model>("answers");
  const bert::io::safetensors file(golden::folder("answers") / "golden.safetensors");
  const auto batch = golden::batch(file, "eval");
  bert::tape<golden::answers_model> tape(batch.shape(), model.sizes());
  tape.forward(bert::execution::serial{}, model, batch, {0.5f, 0, 77});
  const auto logits = tape.head<bert::heads::span>().logits();
  const auto hidden = tape.hidden(golden::answers::layers);
  const auto weight = model.values("qa_outputs.weight"), bias = model.values("qa_outputs.bias");
  support::largest worst;
  for (std::size_t n = 0; n < logits.rows; ++n)
    for (std::size_t c = 0; c < 2; ++c) {
      double sum = static_cast<double>(bias[c]);
      for (std::size_t i = 0; i < 24; ++i) sum += static_cast<double>(hidden(n, i)) * static_cast<double>(weight[c * 24 + i]);
      worst.add(std::abs(static_cast<double>(logits(n, c)) - sum));
    }
  CHECK(worst.value() < 1e-5);
}
