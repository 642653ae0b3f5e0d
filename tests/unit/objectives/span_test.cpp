#include "bert/objectives/span.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "bert/tensor/training_batch.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "support/slopes.hpp"
#include "support/small_models.hpp"

namespace {

using objective = bert::objectives::span;
using reader = bert::model<support::pocket, bert::heads::span>;
static_assert(std::same_as<bert::model_for<support::pocket, objective>, reader>);
static_assert(bert::objectives::objective_for<objective, reader>);
static_assert(!objective::fits<bert::model<support::pocket, bert::heads::classify<support::mood>>>);

bert::training_batch golden_batch(const bert::io::safetensors& file) {
  bert::training_batch batch;
  batch.tokens = golden::batch(file, "train.0");
  const auto spans = golden::integers<std::int32_t>(file, "train.0.spans");
  for (std::size_t s = 0; s < spans.size(); s += 2) batch.spans.push_back({spans[s], spans[s + 1]});
  return batch;
}

template <class Model>
bert::objectives::loss_terms score(const Model& model, const bert::training_batch& batch,
                                   const bert::objectives::loss_scale& scale = 1.0f) {
  objective::work work({}, batch.tokens.shape());
  bert::tape<Model> tape(batch.tokens.shape(), model.sizes());
  tape.forward(bert::execution::serial{}, model, batch.tokens);
  return objective{}.score(bert::execution::serial{}, batch, work, tape, scale);
}

}  // namespace

TEST_CASE("loss and gradients agree with transformers', an ignored sequence included, on any number of threads") {
  const auto model = golden::load<golden::answers_model>("answers");
  const bert::io::safetensors file(golden::folder("answers") / "golden.safetensors");
  const auto batch = golden_batch(file);
  const auto run = [&](const auto& e) {
    objective::work work({}, batch.tokens.shape());
    bert::tape<golden::answers_model> tape(batch.tokens.shape(), model.sizes());
    tape.forward(e, model, batch.tokens);
    const auto terms = objective{}.score(e, batch, work, tape, 1.0f);
    CHECK(terms["loss"].count == 4);
    CHECK(objective::counts(batch, work)["loss"].count == 4);
    CHECK(terms.loss() == doctest::Approx(static_cast<double>(golden::floats(file, "loss.total")[0])).epsilon(1e-5));
    std::vector<float> gradients(model.block().size());
    tape.backward(e, model, batch.tokens, gradients.data(), {}, bert::gradients::written);
    return gradients;
  };
  const auto gradients = run(bert::execution::threads{2});
  CHECK(gradients == run(bert::execution::serial{}));
  std::size_t compared = 0;
  for (const auto& p : model.table()) {
    const auto stored = golden::stored_name(file, p.name(), "grad.");
    if (stored.empty()) continue;
    CAPTURE(p.name());
    CHECK(golden::relative_difference({gradients.data() + p.offset, p.count()}, golden::floats(file, stored)) < 1e-4);
    ++compared;
  }
  CHECK(compared == 3);
  // A number added to all logits of an end changes nothing.
  const auto offset = static_cast<std::size_t>(model.values("qa_outputs.bias").data() - model.block().data());
  CHECK(std::abs(gradients[offset]) + std::abs(gradients[offset + 1]) < 1e-6f);
}

TEST_CASE("the gradient of every kind of parameter is the slope of the loss") {
  auto model = reader::random({.stddev = 0.2f, .seed = 9});
  bert::training_batch batch;
  batch.tokens.add(support::ids(1, 30));
  batch.tokens.add(support::ids(2, 3));
  batch.tokens.add(support::ids(3, 17));
  batch.spans = {{4, 9}, {}, {0, 0}};
  objective::work work({}, batch.tokens.shape());
  bert::tape<reader> tape(batch.tokens.shape(), model.sizes());
  const bert::execution::serial e;
  const auto loss = [&] {
    tape.forward(e, model, batch.tokens);
    return objective{}.score(e, batch, work, tape, 1.0f).loss();
  };
  (void)loss();
  std::vector<float> gradient(model.block().size());
  tape.backward(e, model, batch.tokens, gradient.data(), {}, bert::gradients::written);
  CHECK(support::largest_magnitude(gradient) > 0.05);
  CHECK(support::element_slope_error(model, gradient,
                                     {"qa_outputs.weight", "bert.encoder.layer.1.output.LayerNorm.weight",
                                      "bert.encoder.layer.0.attention.output.dense.bias"},
                                     7, loss) < 2e-3);
}

TEST_CASE("the mean is over the sequences of the whole step that have a span") {
  const auto model = golden::load<golden::answers_model>("answers");
  const bert::io::safetensors file(golden::folder("answers") / "golden.safetensors");
  auto batch = golden_batch(file);
  bert::training_batch first, rest;
  bert::copy_sequences(batch, 0, 2, first);
  bert::copy_sequences(batch, 2, 5, rest);
  auto sum = score(model, first);
  sum += score(model, rest);
  CHECK(sum["loss"].count == 4);
  CHECK(sum.loss() == doctest::Approx(score(model, batch).loss()).epsilon(1e-6));
}

TEST_CASE("a batch without spans, with too few, or with one outside its sequence is an error; no span at all is no loss") {
  const auto model = reader::random({.seed = 2});
  bert::training_batch batch;
  batch.tokens.add(support::ids(1, 3));
  batch.tokens.add(support::ids(2, 5));
  CHECK_THROWS_WITH_AS((void)score(model, batch), doctest::Contains("expected 2 spans, one a sequence, found 0"), bert::error);
  for (const bert::token_span bad : {bert::token_span{0, 3}, {2, 1}, {-1, 1}, {1, -1}, {-2, -2}}) {
    batch.spans = {bad, {0, 4}};
    CHECK_THROWS_WITH_AS((void)score(model, batch), doctest::Contains("among the sequence's 3, or both -1"), bert::error);
  }
  batch.spans = {{}, {}};
  CHECK(score(model, batch)["loss"].count == 0);
}

TEST_CASE("a source of tags does not satisfy an objective that needs spans") {
  struct tagged : support::made_up_source {
    using targets = bert::target_list<bert::target::tag>;
  };
  struct spanned : support::made_up_source {
    using targets = bert::target_list<bert::target::span>;
  };
  static_assert(!bert::carries_targets<tagged, objective>);
  static_assert(bert::carries_targets<spanned, objective>);
}
