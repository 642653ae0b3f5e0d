#include "bert/heads/pooled_linear.hpp"

#include <doctest/doctest.h>

#include "../../support/small_models.hpp"
#include "bert/heads/pooling.hpp"

TEST_CASE("a classifier of labels known at run time gives a score for each of them") {
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
