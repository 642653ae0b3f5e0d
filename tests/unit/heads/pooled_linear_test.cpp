#include "bert/heads/pooled_linear.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/heads/embedding.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/heads/pooled.hpp"
#include "bert/heads/pooling.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "support/largest.hpp"
#include "support/slopes.hpp"

TEST_CASE("a classifier of labels known at run time has a logit for each of them") {
  using open = bert::model<support::pocket, bert::heads::classify<bert::labels::dynamic_set>>;
  using closed = bert::model<support::pocket, bert::heads::classify<support::mood>>;
  const auto a = open::random({.stddev = 0.2f, .seed = 8, .labels = {"bad", "good"}});
  const auto b = closed::random({.stddev = 0.2f, .seed = 8});
  bert::token_batch batch;
  batch.add(support::ids(1, 30));
  batch.add(support::ids(2, 3));
  const auto fa = bert::freeze(a);
  const auto fb = bert::freeze(b);
  auto ra = fa.session(batch.shape());
  auto rb = fb.session(batch.shape());
  const auto la = ra(batch);
  const auto lb = rb(batch);
  CHECK(la.shape() == std::array<std::size_t, 2>{2, 2});
  CHECK(std::equal(la.begin(), la.end(), lb.begin()));
}

TEST_CASE("a model tells what its heads read, which their tensors do not") {
  using facts = bert::named_facts;
  namespace reads = bert::heads::reads;
  using pooler = bert::heads::classify<support::mood>;
  using mean = bert::heads::classify<support::mood, reads::mean>;
  using vectors = bert::heads::embedding<bert::pooling::cls>;
  CHECK(bert::model<support::pocket, pooler>::fingerprint() == facts{{"what the head reads", "pooler"}});
  CHECK(bert::model<support::pocket, mean>::fingerprint() == facts{{"what the head reads", "mean"}});
  CHECK(bert::model<support::pocket, vectors>::fingerprint() == facts{{"pooling", "cls"}, {"vectors", "of unit length"}});
  CHECK(bert::model<support::pocket, vectors, mean>::fingerprint() == facts{{"pooling in head 1", "cls"},
                                                                            {"vectors in head 1", "of unit length"},
                                                                            {"what the head reads in head 2", "mean"}});
  CHECK(bert::model<support::pocket, bert::heads::masked_lm>::fingerprint().empty());
}

TEST_CASE("a head's logits are a dense layer on the pooler's output") {
  using model_type = bert::model<support::pocket, bert::heads::next_sentence>;
  const auto model = model_type::random({.stddev = 0.2f, .seed = 8});
  const auto frozen = bert::freeze(model);
  bert::token_batch batch;
  batch.add(support::ids(1, 30));
  auto run = frozen.session(batch.shape());
  const auto logits = run(batch);
  const auto weight = model.values("cls.seq_relationship.weight");
  for (std::size_t c = 0; c < 2; ++c) {
    double sum = 0;
    for (std::size_t i = 0; i < 40; ++i)
      sum += static_cast<double>(run.pooled()(0, i)) * static_cast<double>(weight[c * 40 + i]);
    CHECK(static_cast<double>(logits(0, c)) == doctest::Approx(sum).epsilon(1e-4));
  }
}

TEST_CASE("the pooled head passes its gradient to the pooler: gradients are the slopes of a sum of its outputs") {
  using model_type = bert::model<support::pocket, bert::heads::pooled>;
  auto model = model_type::random({.stddev = 0.2f, .seed = 8});
  bert::token_batch batch;
  batch.add(support::ids(1, 9));
  batch.add(support::ids(2, 5));
  const bert::execution::serial e;
  bert::tape<model_type> tape(batch.shape(), model.sizes());
  const auto weight = [](std::size_t s, std::size_t i) {
    return 0.1 * static_cast<double>(i + 1) - 0.3 * static_cast<double>(s);
  };
  const auto value = [&] {
    tape.forward(e, model, batch);
    double sum = 0;
    const auto y = tape.head<bert::heads::pooled>().output();
    for (std::size_t s = 0; s < y.rows; ++s)
      for (std::size_t i = 0; i < y.cols; ++i) sum += weight(s, i) * static_cast<double>(y(s, i));
    return sum;
  };
  CHECK(value() != 0);
  const auto d = tape.head<bert::heads::pooled>().d_output();
  REQUIRE(d.rows == 2);
  for (std::size_t s = 0; s < d.rows; ++s)
    for (std::size_t i = 0; i < d.cols; ++i) d(s, i) += static_cast<float>(weight(s, i));
  bert::buffer<float> gradient(model.block().size());
  tape.backward(e, model, batch, gradient.data());
  for (const char* name : {"bert.pooler.dense.weight", "bert.encoder.layer.0.intermediate.dense.weight"}) {
    CAPTURE(name);
    const float* at = model.values(name).data();
    const std::size_t offset = static_cast<std::size_t>(at - model.block().data());
    for (const std::size_t i : {std::size_t{3}, std::size_t{41}, std::size_t{700}}) {
      float& x = model.block()[offset + i];
      const float kept = x;
      x = kept + 0.01f;
      const double above = value();
      x = kept - 0.01f;
      const double below = value();
      x = kept;
      CHECK((above - below) / 0.02 == doctest::Approx(static_cast<double>(gradient[offset + i])).epsilon(0.02).scale(0.05));
    }
  }
}

TEST_CASE("a session of the pooled head gives the pooler's output, a row a sequence") {
  using model_type = bert::model<support::pocket, bert::heads::pooled>;
  const auto model = model_type::random({.stddev = 0.2f, .seed = 8});
  const auto frozen = bert::freeze(model);
  bert::token_batch batch;
  batch.add(support::ids(1, 9));
  batch.add(support::ids(2, 5));
  auto run = frozen.session(batch.shape());
  const auto out = run(batch);
  REQUIRE(out.shape() == std::array<std::size_t, 2>{2, 40});
  for (std::size_t s = 0; s < 2; ++s)
    for (std::size_t i = 0; i < 40; ++i) CHECK(out(s, i) == run.pooled()(s, i));
}

namespace {
struct second_mood : bert::heads::pooled_linear<"other.weight", "other.bias", 3, true> {};
}  // namespace

TEST_CASE("scores of two heads over several sequences lie beside each other, in sessions and tapes") {
  using model_type = bert::model<support::pocket, bert::heads::classify<support::mood>, second_mood>;
  const auto model = model_type::random({.stddev = 0.2f, .seed = 8});
  const auto frozen = bert::freeze(model);
  bert::token_batch batch;
  for (std::uint64_t s = 1; s <= 7; ++s) batch.add(support::ids(s, 4));
  const auto apart = [](const auto& a, const auto& b) {
    return a.data() + a.size() <= b.data() || b.data() + b.size() <= a.data();
  };
  auto run = frozen.session(batch.shape());
  (void)run(batch);
  CHECK(apart(run.template output<0>(), run.template output<1>()));
}

TEST_CASE("the gradients of a classifier agree with central differences, with dropout and without") {
  using model_type = bert::model<support::pocket, bert::heads::classify<support::mood>>;
  auto model = model_type::random({.stddev = 0.2f, .seed = 9});
  bert::training_batch batch;
  for (std::uint64_t s = 1; s <= 3; ++s) batch.tokens.add(support::ids(s, 3 * s)), batch.labels.push_back(s % 2 == 0 ? 1 : 0);
  const bert::objectives::cross_entropy objective;
  const bert::execution::serial e;
  for (const float rate : {0.0f, 0.4f}) {
    const bert::step_noise noise{rate, 0, 77};
    bert::objectives::cross_entropy::work work(objective, batch.tokens.shape());
    bert::tape<model_type> tape(batch.tokens.shape(), model.sizes());
    const auto loss = [&] {
      tape.forward(e, model, batch.tokens, noise);
      return objective.score(e, batch, work, tape, 1.0f).loss();
    };
    (void)loss();
    std::vector<float> gradient(model.block().size());
    tape.backward(e, model, batch.tokens, gradient.data(), noise, bert::gradients::written);
    CHECK(support::largest_magnitude(gradient) > 0.05);
    CHECK(support::element_slope_error(
              model, gradient, {"classifier.weight", "bert.pooler.dense.bias", "bert.encoder.layer.1.output.dense.bias"}, 9,
              loss) < 2e-3);
  }
}

TEST_CASE("a head drops elements of the pooled vector by the sequence's number, whatever stands before it in the batch") {
  using model_type = bert::model<support::pocket, second_mood>;
  const auto model = model_type::random({.stddev = 0.2f, .seed = 9});
  const bert::execution::serial e;
  bert::token_batch all, rest;
  for (std::uint64_t s = 1; s <= 3; ++s) all.add(support::ids(s, 3 * s));
  for (std::uint64_t s = 2; s <= 3; ++s) rest.add(support::ids(s, 3 * s));
  const auto scores = [&](const bert::token_batch& batch, const bert::step_noise& noise) {
    bert::tape<model_type> tape(batch.shape(), model.sizes());
    tape.forward(e, model, batch, noise);
    const auto z = tape.template head<0>().logits();
    return std::vector<float>(z.data, z.data + z.rows * z.cols);
  };
  const bert::step_noise noise{0.5f, 0, 77};
  bert::step_noise later = noise;
  later.before = {.sequences = 1, .tokens = 3, .chosen = 1};
  const auto whole = scores(all, noise);
  CHECK(scores(rest, later) == std::vector<float>(whole.begin() + 3, whole.end()));
  CHECK(scores(rest, noise) != std::vector<float>(whole.begin() + 3, whole.end()));
}

namespace {
struct never_drops : bert::heads::pooled_linear<"other.weight", "other.bias", 3, false> {};
}  // namespace

TEST_CASE("dropout of a head is its own: without it the same encoder gives other scores") {
  const bert::execution::serial e;
  bert::token_batch batch;
  batch.add(support::ids(1, 9));
  const auto scores = [&]<class Head>(std::type_identity<Head>) {
    using model_type = bert::model<support::pocket, Head>;
    const auto model = model_type::random({.stddev = 0.2f, .seed = 9});
    bert::tape<model_type> tape(batch.shape(), model.sizes());
    tape.forward(e, model, batch, bert::step_noise{0.5f, 0, 77});
    const auto z = tape.template head<0>().logits();
    return std::vector<float>(z.data, z.data + z.rows * z.cols);
  };
  CHECK(scores(std::type_identity<second_mood>{}) != scores(std::type_identity<never_drops>{}));
}
