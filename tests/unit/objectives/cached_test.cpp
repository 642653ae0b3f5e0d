// A cached loss in small parts has the bits of one pass over the whole batch.
// Layer: tests. Of: include/bert/objectives/cached.hpp
#include "bert/objectives/cached.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/objectives/cosine_mse.hpp"
#include "bert/objectives/matryoshka.hpp"
#include "bert/training/trainer.hpp"
#include "support/largest.hpp"

namespace {

using namespace bert::objectives;  // NOLINT

/// 11 pairs and triplets of other lengths a batch.
struct made_up_groups : support::made_up_source {
  using targets = bert::target_list<bert::target::group, bert::target::value>;
  made_up_groups() : made_up_source{.sequences = 29} {}
  void load(std::uint64_t step, bert::training_batch& out) const {
    made_up_source::load(step, out);
    out.groups.push_back(0);
    for (std::size_t end = 2; end < 29; end = out.groups.size() % 3 == 0 ? end + 2 : end + 3) out.groups.push_back(end);
    out.groups.push_back(29);
  }
};

template <class Model, class Objective>
struct step {
  loss_terms terms;
  bert::buffer<float> gradients;

  step(const Model& m, const Objective& o, const bert::training_batch& batch) : gradients(m.block().size()) {
    const auto shape = made_up_groups{}.capacity();
    typename Objective::work work(o, shape);
    const bert::execution::serial e;
    bert::tape<Model> tape(o.capacity(shape), m.sizes(), tape_options_of(o));
    bert::training::no_second_network none(o);
    // The second batch of two, as it would be behind a replica's: dropout is numbered by the whole.
    const bert::step_noise noise{0.1f, 0.1f, 77, {.sequences = 5, .tokens = 70, .chosen = 5}};
    bert::training::passes passes(e, m, tape, o.prepare(batch, 0, work), noise, m.view(gradients.data()),
                                  bert::gradients::written, none);
    terms = bert::training::run_passes(o, passes, e, batch, work, 1.0f);
  }
};

template <class Model>
void compare(const Model& m) {
  const made_up_groups source;
  bert::training_batch batch;
  source.load(1, batch);
  const step whole(m, multiple_negatives{.scale = 10}, batch);
  double squares = 0;
  for (const float g : whole.gradients.span()) squares += static_cast<double>(g) * static_cast<double>(g);
  REQUIRE(squares > 0);
  for (const std::size_t at_once : {1u, 4u, 7u, 28u, 29u, 64u}) {
    CAPTURE(at_once);
    const step parts(m, cached_multiple_negatives{{.scale = 10, .at_once = at_once}}, batch);
    CHECK(parts.terms.loss() == whole.terms.loss());  // to the bit
    CHECK(parts.terms["loss"].correct == whole.terms["loss"].correct);
    double apart = 0;
    for (std::size_t i = 0; i < whole.gradients.size(); ++i) {
      const double d = static_cast<double>(parts.gradients[i]) - static_cast<double>(whole.gradients[i]);
      apart += d * d;
    }
    CHECK(std::sqrt(apart / squares) < 2e-6);
    if (at_once >= 29) CHECK(apart == 0);
  }
}

}  // namespace

TEST_CASE("in parts of any size the loss with dropout has the bits of one pass, and gradients differ by the order of sums") {
  compare(bert::model<support::pocket, bert::heads::embedding<bert::pooling::mean>>::random({.stddev = 0.2f, .seed = 3}));
  compare(bert::model<support::pocket, bert::heads::embedding<bert::pooling::cls>>::random({.stddev = 0.2f, .seed = 3}));
}

TEST_CASE("a model trains by a cached loss in a tape of its parts") {
  using model_type = bert::model<support::pocket, bert::heads::embedding<>>;
  auto m = model_type::random({.stddev = 0.1f, .seed = 3});
  const made_up_groups source;
  const cached_multiple_negatives objective{{.at_once = 4}};
  CHECK(objective.capacity(source.capacity()).sequences == 4);
  CHECK(objective.capacity(source.capacity()).tokens == 4 * 24);
  bert::trainer t{m, objective, bert::optim::adamw{}, bert::schedules::constant{.peak = 2e-3f, .total = 60},
                  bert::training_options{.dropout = 0.1f}};
  double first = 0, last = 0;
  for (const auto& step : t.over(source)) {
    if (step.index == 1) first = step.loss;
    last = step.loss;
  }
  CHECK(last < 0.7 * first);
}

TEST_CASE("other losses are cached as they are, and leaves are refused") {
  using model_type = bert::model<support::pocket, bert::heads::embedding<>>;
  auto m = model_type::random({.stddev = 0.1f, .seed = 3});
  const made_up_groups source;
  bert::training_batch batch;
  source.load(0, batch);
  using nested = matryoshka<multiple_negatives, 40, 16>;
  const step whole(m, nested{}, batch);
  const step parts(m, cached<nested>{{}, {.at_once = 3}}, batch);
  CHECK(parts.terms.loss() == whole.terms.loss());

  bert::trainer t{m, cached_multiple_negatives{}, bert::optim::adamw{}, bert::schedules::constant{.peak = 1e-3f, .total = 2},
                  bert::training_options{.leaves = 2}};
  CHECK_THROWS_WITH_AS((void)t.over(source).begin(), doctest::Contains("leaves of 1"), bert::error);
  CHECK_THROWS_WITH_AS((void)(cached_multiple_negatives{{.at_once = 0}}.capacity(source.capacity())),
                       doctest::Contains("at_once of 1 or more"), bert::error);
}
