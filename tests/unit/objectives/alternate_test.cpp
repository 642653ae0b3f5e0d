#include "bert/objectives/alternate.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "bert/data/mixed.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/objectives/fgm.hpp"
#include "bert/objectives/on.hpp"
#include "bert/objectives/tag_cross_entropy.hpp"
#include "bert/objectives/weighted.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/two_tasks.hpp"

namespace {
using namespace bert::objectives;
using model_type = bert::model<support::pocket, bert::heads::classify<support::mood>, support::tags>;
const support::labeled_source labeled{{.sequences = 8, .longest = 12, .batches = 6}};
const support::tagged_source tagged{{.sequences = 4, .longest = 12, .batches = 3}};

auto tasks() { return alternate{weighted{cross_entropy{}, {.name = "mood"}}, weighted{tag_cross_entropy{}, {.name = "tags"}}}; }

/// One step without weight decay or dropout on a batch of `task`.
template <class O>
model_type stepped(const O& o, std::size_t task, unsigned accumulate = 1) {
  auto m = model_type::random({.stddev = 0.1f, .seed = 3});
  struct one_task : support::made_up_source {
    std::size_t task = 0;
    void load(std::uint64_t step, bert::training_batch& out) const {
      support::tagged_source{}.load(step, out);
      support::made_up_source{}.load(step, out);
      for (const auto id : out.tokens.ids()) out.tags.push_back(id % 2);
      out.task = (task + step) % 2;
    }
  } source;
  source.task = task;
  bert::trainer t{m, o, bert::optim::adamw{.weight_decay = 0.0f},
                  bert::schedules::warmup_linear{.peak = 1e-2f, .warmup = 0, .total = 1},
                  bert::training_options{.dropout = 0, .attention_dropout = 0, .accumulate = accumulate}};
  for (const auto& step : t.over(source)) CHECK(step.index == 1);
  return m;
}
bool same(const model_type& a, const model_type& b, const char* name) {
  const auto x = a.values(name), y = b.values(name);
  return std::equal(x.begin(), x.end(), y.begin(), y.end());
}
}  // namespace

TEST_CASE("two tasks on one encoder both learn, whether their batches alternate or are mixed by size") {
  for (const auto mixing : {bert::data::mixing::alternating, bert::data::mixing::proportional}) {
    auto m = model_type::random({.stddev = 0.1f, .seed = 3});
    const double mood = bert::measure(m, cross_entropy{}, labeled).loss(),
                 tags = bert::measure(m, tag_cross_entropy{}, tagged).loss();
    const bert::data::mixed both{{.mixing = mixing}, labeled, tagged};
    const auto last = bert::fit(m, tasks(), both, {.epochs = 30, .learning_rate = 3e-3f, .dropout = 0.0f});
    CHECK(last.terms.end() - last.terms.begin() == 1);
    CHECK(bert::measure(m, cross_entropy{}, labeled).loss() < mood / 2);
    CHECK(bert::measure(m, tag_cross_entropy{}, tagged).loss() < tags / 4);
  }
}

TEST_CASE("a batch of one task moves the encoder and its own head, and no other head") {
  const auto before = model_type::random({.stddev = 0.1f, .seed = 3});
  const auto mood = stepped(tasks(), 0), tags = stepped(tasks(), 1);
  for (const char* name : {"bert.encoder.layer.0.attention.self.value.weight", "classifier.weight", "classifier.bias"})
    CHECK(!same(mood, before, name));
  CHECK(same(mood, before, "tags.weight"));
  CHECK(same(mood, before, "tags.bias"));
  for (const char* name : {"bert.encoder.layer.0.attention.self.value.weight", "tags.weight", "tags.bias"})
    CHECK(!same(tags, before, name));
  CHECK(same(tags, before, "classifier.weight"));
  CHECK(same(tags, before, "bert.pooler.dense.weight"));
}

TEST_CASE("batches of two tasks may make one step, each with the mean of its own predictions") {
  const auto before = model_type::random({.stddev = 0.1f, .seed = 3});
  const auto both = stepped(tasks(), 0, 2), swapped = stepped(tasks(), 1, 2);
  for (const char* name : {"classifier.weight", "tags.weight"}) {
    CHECK(!same(both, before, name));
    CHECK(!same(both, swapped, name));  // the first batch is of the other task
  }
}

TEST_CASE("an objective of several passes is one of the tasks, with its passes") {
  const auto plain = stepped(tasks(), 0);
  const alternate attacked{weighted{fgm{cross_entropy{}}, {.name = "mood"}}, weighted{tag_cross_entropy{}, {.name = "tags"}}};
  static_assert(decltype(attacked)::perturbs);
  CHECK(!same(stepped(attacked, 0), plain, "classifier.weight"));
  CHECK(same(stepped(attacked, 1), stepped(tasks(), 1), "tags.weight"));
}

TEST_CASE("a task without an objective, and terms of one name, are errors") {
  CHECK_THROWS_WITH_AS((void)stepped(alternate{cross_entropy{}}, 1),
                       doctest::Contains("expected batches of the tasks 0 to 0, found 1"), bert::error);
  CHECK_THROWS_WITH_AS((void)stepped(alternate{cross_entropy{}, tag_cross_entropy{}}, 0, 2),
                       doctest::Contains("loss terms of different names, found \"loss\""), bert::error);
}

TEST_CASE("each source must carry what the objective of its task needs") {
  using right = bert::data::mixed<support::labeled_source, support::tagged_source>;
  using swapped = bert::data::mixed<support::tagged_source, support::labeled_source>;
  using silent = bert::data::mixed<support::made_up_source, support::tagged_source>;
  using fewer = bert::data::mixed<support::labeled_source>;
  using objective = alternate<cross_entropy, weighted<tag_cross_entropy>>;
  static_assert(bert::carries_targets<right, objective> && bert::carries_targets<silent, objective>);
  static_assert(!bert::carries_targets<swapped, objective> && !bert::carries_targets<fewer, objective>);
}
