#include "bert/heads/replaced.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/kernels/loss/binary_cross_entropy.hpp"
#include "support/largest.hpp"
#include "support/slopes.hpp"

namespace {

using model_type = bert::model<support::pocket, bert::heads::replaced>;

static_assert(!model_type::reads_pooler);
static_assert(bert::heads::rows_of<bert::heads::replaced> == bert::heads::output_rows::tokens);

bert::token_batch some_tokens() {
  bert::token_batch batch;
  batch.add(support::ids(1, 30));
  batch.add(support::ids(2, 1));
  batch.add(support::ids(3, 17));
  return batch;
}

/// The mean binary cross-entropy of every third token being replaced; its gradient replaces the logits.
double loss(bert::tape<model_type>& tape, const model_type& m, const bert::token_batch& batch) {
  const bert::execution::serial e;
  tape.forward(e, m, batch);
  const auto z = tape.head<bert::heads::replaced>().logits();
  std::vector<float> targets(z.rows), losses(z.rows);
  for (std::size_t n = 0; n < z.rows; n += 3) targets[n] = 1;
  const bert::matrix<const float> y{targets.data(), z.rows, 1};
  bert::kernels::binary_cross_entropy(e, z, y, {}, losses.data(), z, 1.0f / static_cast<float>(z.rows));
  double total = 0;
  for (const float l : losses) total += static_cast<double>(l);
  return total / static_cast<double>(z.rows);
}

}  // namespace

TEST_CASE("a session's logits are the formula's, and those of the tape") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 8});
  const auto batch = some_tokens();
  const auto frozen = bert::freeze(m);
  auto session = frozen.session(batch.shape());
  const auto logits = session(batch);
  REQUIRE(logits.rows() == batch.tokens());
  bert::tape<model_type> tape(batch.shape(), m.sizes());
  tape.forward(bert::execution::threads{2}, m, batch);
  const auto trained = tape.head<bert::heads::replaced>().logits();
  const auto hidden = tape.hidden(support::pocket::layers);
  const auto dense = m.values("discriminator_predictions.dense.weight"),
             bias = m.values("discriminator_predictions.dense.bias");
  const auto last = m.values("discriminator_predictions.dense_prediction.weight");
  support::largest of_session, of_tape;
  for (std::size_t n = 0; n < batch.tokens(); ++n) {
    double z = static_cast<double>(m.values("discriminator_predictions.dense_prediction.bias")[0]);
    for (std::size_t i = 0; i < last.size(); ++i) {
      double sum = static_cast<double>(bias[i]);
      for (std::size_t j = 0; j < last.size(); ++j)
        sum += static_cast<double>(dense[i * last.size() + j]) * static_cast<double>(hidden(n, j));
      z += static_cast<double>(last[i]) * 0.5 * sum * (1 + std::erf(sum / std::sqrt(2.0)));
    }
    of_session.add(std::abs(static_cast<double>(logits(n, 0)) - z));
    of_tape.add(std::abs(static_cast<double>(trained(n, 0)) - z));
  }
  CHECK(of_session.value() < 2e-5);
  CHECK(of_tape.value() < 2e-5);
}

TEST_CASE("the gradients of the whole model are the slopes of the loss") {
  auto m = model_type::random({.stddev = 0.2f, .seed = 3});
  const auto batch = some_tokens();
  bert::tape<model_type> tape(batch.shape(), m.sizes());
  bert::buffer<float> gradients(m.block().size());
  loss(tape, m, batch);
  tape.backward(bert::execution::serial{}, m, batch, gradients.data());
  CHECK(support::slope_error(m, gradients.data(), [&] { return loss(tape, m, batch); }) < 0.02);
}

TEST_CASE("one thread and three give the same gradients") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 3});
  const auto batch = some_tokens();
  std::vector<float> found[2];
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    bert::tape<model_type> tape(batch.shape(), m.sizes());
    bert::buffer<float> gradients(m.block().size());
    loss(tape, m, batch);
    tape.backward(bert::execution::threads{1 + 2 * i}, m, batch, gradients.data());
    found[i].assign(gradients.data(), gradients.data() + m.block().size());
  }
  CHECK(found[0] == found[1]);
}
