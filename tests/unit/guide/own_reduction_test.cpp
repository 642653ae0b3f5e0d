// docs/architecture.md, "Guides": a reduction. Replicas are threads of one process here (tests/support/in_process.hpp); in
// bert::distributed they are the ranks of a cluster. Each trains its own copy of the model on a slice of every batch, and all
// end with the same bytes.
#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/objectives/joint.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/next_sentence.hpp"
#include "bert/training/trainer.hpp"
#include "support/in_process.hpp"

namespace guide {

using objective = bert::objectives::joint<bert::objectives::masked_lm<>, bert::objectives::next_sentence>;
using model_type = bert::model_for<support::pocket, objective>;

template <class Model = model_type, class Objective = objective, class... Policies>
std::vector<float> train(bert::training_options options, const Policies&... policies) {
  // Batches of seven: four leaves of 2, 2, 2 and 1 sequences. Each replica has its own source, as a rank does.
  const support::made_up_source source{.sequences = 7};
  auto model = Model::random({.stddev = 0.1f, .seed = 1});
  bert::trainer t{
      model,   Objective{}, bert::optim::adamw{}, bert::schedules::warmup_linear{.peak = 3e-3f, .warmup = 2, .total = 6},
      options, policies...};
  double loss = 0;
  for (const auto& step : t.over(source)) loss = step.loss;
  CHECK(loss > 0);
  return {model.block().begin(), model.block().end()};
}

template <class Model = model_type, class Objective = objective, class... Policies>
std::vector<float> train_in_parts(std::size_t replicas, const bert::training_options& options, const Policies&... policies) {
  std::vector<std::vector<float>> weights(replicas);
  support::in_replicas(replicas, [&](const support::in_process& mine) {
    weights[mine.rank()] = train<Model, Objective>(options, mine, policies...);
  });
  for (const auto& other : weights) CHECK(other == weights[0]);
  return weights[0];
}

}  // namespace guide

TEST_CASE("two and four replicas with slices of each batch train to the bits of one replica with as many leaves") {
  for (const unsigned accumulate : {1u, 2u}) {
    CAPTURE(accumulate);
    const bert::training_options options{.seed = 11, .accumulate = accumulate, .leaves = 4};
    const auto one = guide::train(options);
    CHECK(guide::train(options, bert::execution::threads{3}) == one);
    CHECK(guide::train_in_parts(2, options) == one);
    CHECK(guide::train_in_parts(4, options) == one);
    CHECK(guide::train_in_parts(2, options, bert::execution::threads{2}, bert::activations::recompute{}) == one);
  }
}

TEST_CASE("the same holds for products in bf16, and the number of leaves changes only rounding") {
  const bert::training_options options{.seed = 11, .leaves = 4};
  const auto one = guide::train(options, bert::precision::bf16{});
  CHECK(guide::train_in_parts(2, options, bert::precision::bf16{}) == one);
  const auto exact = guide::train(options), in_order = guide::train({.seed = 11});
  CHECK(exact != in_order);
  for (std::size_t i = 0; i < exact.size(); ++i) REQUIRE(exact[i] == doctest::Approx(in_order[i]).epsilon(0.02).scale(0.05));
}

TEST_CASE("more replicas than leaves, or a number of leaves that is not a power of two, is refused") {
  CHECK_THROWS_WITH_AS(guide::train({.leaves = 3}), doctest::Contains("power of two"), bert::error);
  const auto shared = std::make_shared<support::meeting>(4);
  CHECK_THROWS_WITH_AS(guide::train({.leaves = 2}, support::in_process(shared, 0)), doctest::Contains("replicas 4"),
                       bert::error);
}

TEST_CASE("a classifier, whose head drops elements by a sequence's number, has the same bits on four replicas") {
  using classifier = bert::model<support::pocket, bert::heads::classify<support::mood>>;
  const bert::training_options options{.seed = 11, .leaves = 4};
  const auto one = guide::train<classifier, bert::objectives::cross_entropy>(options);
  CHECK(guide::train_in_parts<classifier, bert::objectives::cross_entropy>(4, options) == one);
}
