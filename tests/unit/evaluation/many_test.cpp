#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "bert/data/tsv_many.hpp"
#include "bert/evaluation/evaluate.hpp"
#include "bert/evaluation/evaluation_of_many.hpp"
#include "bert/heads/classify_many.hpp"
#include "bert/labels/many_of.hpp"
#include "bert/objectives/binary_cross_entropy.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/small_models.hpp"

namespace {
struct signs : bert::labels::many_of<"even", "low", "long"> {};
using model_type = bert::model<support::pocket, bert::heads::classify_many<signs>>;

/// Whether the first id is even, whether it is below 60, whether the sequence is long; with `gaps` the last is unknown at
/// times.
struct made_up : support::made_up_source {
  bool gaps = false;
  using targets = bert::target_list<bert::target::many, bert::target::value>;
  void load(std::uint64_t step, bert::training_batch& out) const {
    made_up_source::load(step, out);
    out.labels.clear();
    out.width = 3;
    for (std::size_t s = 0; s < out.tokens.sequences(); ++s) {
      const auto id = out.tokens[s].front();
      for (const bool applies : {id % 2 == 0, id<60, out.tokens.length(s)> 8}) out.values.push_back(applies ? 1.0f : 0.0f);
      if (gaps && s % 2 == 0) out.values.back() = -1;
    }
  }
};
made_up source(bool gaps = false) {
  made_up s;
  s.sequences = 8, s.longest = 12, s.batches = 4, s.gaps = gaps;
  return s;
}
}  // namespace

TEST_CASE("a classifier of several labels learns them, and its report has the loss that the objective measures") {
  auto m = model_type::random({.stddev = 0.1f, .seed = 3});
  const auto before = bert::evaluate(m, source());
  bert::fit(m, bert::objectives::binary_cross_entropy{}, source(), {.epochs = 60, .learning_rate = 3e-3f, .dropout = 0.0f});
  const auto after = bert::evaluate(m, source());
  CHECK(after.total() == 32);
  CHECK(after.micro_f1() > 0.95);
  CHECK(after.loss() < before.loss() / 4);
  CHECK(after.loss() ==
        doctest::Approx(bert::measure(m, bert::objectives::binary_cross_entropy{}, source()).loss()).epsilon(1e-4));
  CHECK(after.f1<"even">() > 0.9);
  CHECK(bert::evaluate<bert::precision::int8>(m, source()).micro_f1() > 0.9);
}

TEST_CASE("labels of unknown truth are in no figure of an evaluation") {
  const auto m = model_type::random({.stddev = 0.1f, .seed = 3});
  const auto all = bert::evaluate(m, source()), some = bert::evaluate(m, source(true));
  CHECK(some.of(0).expected == all.of(0).expected);
  CHECK(some.of(2).expected < all.of(2).expected);
  CHECK(some.loss() ==
        doctest::Approx(bert::measure(m, bert::objectives::binary_cross_entropy{}, source(true)).loss()).epsilon(1e-4));
}

TEST_CASE("a source of one label a text cannot score a classifier of several") {
  const auto m = model_type::random({.stddev = 0.1f, .seed = 3});
  CHECK_THROWS_WITH_AS((void)bert::evaluate(m, support::made_up_source{}),
                       doctest::Contains("3 values a sequence, one a label"), bert::error);
  struct labeled : support::made_up_source {
    using targets = bert::target_list<bert::target::label>;
  };
  static_assert(!bert::carries_targets<labeled, bert::evaluation_of<bert::heads::classify_many<signs>>>);
}
