#include "bert/heads/reads.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bert/heads/classify.hpp"
#include "bert/model/session.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/training/fit.hpp"
#include "support/largest.hpp"
#include "support/slopes.hpp"
#include "support/small_models.hpp"

namespace {
namespace reads = bert::heads::reads;
template <class Reads>
using model_of = bert::model<support::pocket, bert::heads::classify<support::mood, Reads>>;

bert::training_batch three_sequences() {
  bert::training_batch batch;
  for (std::uint64_t s = 1; s <= 3; ++s) batch.tokens.add(support::ids(s, 3 * s)), batch.labels.push_back(s % 2 == 0 ? 1 : 0);
  return batch;
}
}  // namespace

static_assert(std::same_as<bert::heads::classify<support::mood>, bert::heads::classify<support::mood, reads::pooler>>);
static_assert(model_of<reads::pooler>::reads_pooler && !model_of<reads::first_token>::reads_pooler);
static_assert(!bert::reads_all_rows<bert::heads::classify<support::mood, reads::first_token>> &&
              bert::reads_all_rows<bert::heads::classify<support::mood, reads::mean>>);
static_assert(bert::heads::rows_of<bert::heads::classify<support::mood, reads::mean>> == bert::heads::output_rows::sequences);

TEST_CASE_TEMPLATE("logits of a classifier are a dense layer on what it reads, in a session and on a tape", Reads,
                   reads::first_token, reads::mean) {
  using model_type = model_of<Reads>;
  const auto m = model_type::random({.stddev = 0.2f, .seed = 8});
  const auto batch = three_sequences();
  const auto frozen = bert::freeze(m);
  auto run = frozen.session(batch.tokens.shape());
  const auto logits = run(batch.tokens);
  const auto hidden = run.hidden();
  const auto weight = m.values("classifier.weight");
  bert::tape<model_type> tape(batch.tokens.shape(), m.sizes());
  tape.forward(bert::execution::serial{}, m, batch.tokens);
  const auto trained = tape.template head<0>().logits();
  for (std::size_t s = 0; s < 3; ++s)
    for (std::size_t c = 0; c < 2; ++c) {
      const std::size_t first = batch.tokens.starts()[s],
                        last = std::same_as<Reads, reads::mean> ? batch.tokens.starts()[s + 1] : first + 1;
      double sum = 0;
      for (std::size_t n = first; n < last; ++n)
        for (std::size_t i = 0; i < 40; ++i)
          sum +=
              static_cast<double>(hidden(n, i)) * static_cast<double>(weight[c * 40 + i]) / static_cast<double>(last - first);
      CHECK(static_cast<double>(logits(s, c)) == doctest::Approx(sum).epsilon(1e-4).scale(1));
      CHECK(static_cast<double>(trained(s, c)) == doctest::Approx(sum).epsilon(1e-4).scale(1));
    }
}

TEST_CASE_TEMPLATE("the gradients of a classifier agree with central differences, whatever it reads", Reads, reads::first_token,
                   reads::mean) {
  using model_type = model_of<Reads>;
  auto m = model_type::random({.stddev = 0.2f, .seed = 9});
  const auto batch = three_sequences();
  const bert::objectives::cross_entropy objective;
  const bert::execution::serial e;
  for (const float rate : {0.0f, 0.4f}) {
    const bert::step_noise noise{rate, 0, 77};
    bert::objectives::cross_entropy::work work(objective, batch.tokens.shape());
    bert::tape<model_type> tape(batch.tokens.shape(), m.sizes());
    const auto loss = [&] {
      tape.forward(e, m, batch.tokens, noise);
      return objective.score(e, batch, work, tape, 1.0f).loss();
    };
    (void)loss();
    std::vector<float> gradient(m.block().size());
    tape.backward(e, m, batch.tokens, gradient.data(), noise, bert::gradients::written);
    CHECK(support::largest_magnitude(gradient) > 0.05);
    CHECK(support::element_slope_error(
              m, gradient,
              {"classifier.weight", "bert.encoder.layer.1.output.dense.bias", "bert.encoder.layer.0.output.dense.weight"}, 9,
              loss) < 2e-3);
  }
}

TEST_CASE_TEMPLATE("a sequence's logits have the same bits in any batch, with any number of threads", Reads, reads::first_token,
                   reads::mean) {
  const auto m = model_of<Reads>::random({.stddev = 0.2f, .seed = 8});
  const auto batch = three_sequences();
  const auto frozen = bert::freeze(m);
  auto run = frozen.session(batch.tokens.shape(), bert::execution::threads{2});
  const auto all = run(batch.tokens);
  for (std::size_t s = 0; s < 3; ++s) {
    bert::token_batch one;
    one.add(batch.tokens[s]);
    auto alone = frozen.session(one.shape());
    const auto logits = alone(one);
    for (std::size_t c = 0; c < 2; ++c) CHECK(logits(0, c) == all(s, c));
  }
}

TEST_CASE_TEMPLATE("a classifier learns and runs in every precision, whatever it reads", Reads, reads::pooler,
                   reads::first_token, reads::mean) {
  const support::made_up_source source{.sequences = 8, .longest = 12, .batches = 4};
  auto m = model_of<Reads>::random({.stddev = 0.1f, .seed = 3});
  bert::fit(m, bert::objectives::cross_entropy{}, source, {.epochs = 40, .learning_rate = 3e-3f, .dropout = 0.0f},
            bert::precision::bf16{}, bert::activations::recompute{});
  bert::training_batch batch;
  source.load(0, batch);
  const auto right = [&]<class Precision>(Precision) {
    const auto frozen = bert::freeze<Precision>(m);
    auto run = frozen.session(batch.tokens.shape());
    const auto z = run(batch.tokens);
    std::size_t n = 0;
    for (std::size_t s = 0; s < 8; ++s) n += (z(s, 1) > z(s, 0)) == (batch.labels[s] == 1) ? 1 : 0;
    return n;
  };
  CHECK(right(bert::precision::f32{}) == 8);
  CHECK(right(bert::precision::bf16{}) == 8);
  CHECK(right(bert::precision::int8{}) == 8);
}
