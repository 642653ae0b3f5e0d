#include "bert/heads/classify_many.hpp"

#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "bert/labels/dynamic_set.hpp"
#include "bert/labels/many_of.hpp"
#include "bert/model/session.hpp"
#include "bert/objectives/binary_cross_entropy.hpp"
#include "support/largest.hpp"
#include "support/slopes.hpp"
#include "support/small_models.hpp"

namespace {
struct emotions : bert::labels::many_of<"joy", "anger", "fear"> {};
using head = bert::heads::classify_many<emotions>;
using model_type = bert::model<support::pocket, head>;
static_assert(bert::heads::many_classifier<head> && !bert::heads::classifier<head>);
static_assert(bert::heads::rows_of<head> == bert::heads::output_rows::sequences);
static_assert(bert::objectives::objective_for<bert::objectives::binary_cross_entropy, model_type>);
}  // namespace

TEST_CASE("a classifier of several labels known at run time has the logits of one whose labels are a type") {
  using open = bert::model<support::pocket, bert::heads::classify_many<bert::labels::dynamic_set>>;
  const auto a = model_type::random({.stddev = 0.2f, .seed = 8});
  const auto b = open::random({.stddev = 0.2f, .seed = 8, .labels = {"joy", "anger", "fear"}});
  bert::token_batch batch;
  batch.add(support::ids(1, 30));
  batch.add(support::ids(2, 3));
  const auto fa = bert::freeze(a);
  const auto fb = bert::freeze(b);
  auto ra = fa.session(batch.shape());
  auto rb = fb.session(batch.shape());
  const auto x = ra(batch);
  const auto y = rb(batch);
  CHECK(y.shape() == std::array<std::size_t, 2>{2, 3});
  CHECK(std::equal(x.begin(), x.end(), y.begin()));
}

TEST_CASE("the gradients of a classifier of several labels agree with central differences") {
  auto m = model_type::random({.stddev = 0.2f, .seed = 9});
  bert::training_batch batch;
  for (std::uint64_t s = 1; s <= 3; ++s) batch.tokens.add(support::ids(s, 3 * s));
  batch.values = {1, 0, 1, 0, 0, -1, 1, 1, 0};
  batch.width = 3;
  const bert::objectives::binary_cross_entropy objective{.positive_weights = {2, 0.5f, 3}};
  const bert::execution::serial e;
  bert::objectives::binary_cross_entropy::work work(objective, batch.tokens.shape());
  bert::tape<model_type> tape(batch.tokens.shape(), m.sizes());
  const auto loss = [&] {
    tape.forward(e, m, batch.tokens);
    return objective.score(e, batch, work, tape, 1.0f).loss();
  };
  (void)loss();
  std::vector<float> gradient(m.block().size());
  tape.backward(e, m, batch.tokens, gradient.data(), {}, bert::gradients::written);
  CHECK(support::largest_magnitude(gradient) > 0.05);
  CHECK(support::element_slope_error(m, gradient, {"classifier.weight", "classifier.bias", "bert.pooler.dense.weight"}, 9,
                                     loss) < 2e-3);
}
