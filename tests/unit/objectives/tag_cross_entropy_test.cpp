#include "bert/objectives/tag_cross_entropy.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/bio.hpp"

namespace {

struct names : bert::labels::bio<"PER", "LOC"> {};
using tagger = bert::model<support::pocket, bert::heads::tag<names>>;
using bert::objectives::tag_cross_entropy;

struct scored {
  bert::objectives::loss_terms parts;
  std::vector<float> gradient;
};

scored score(const tagger& model, const bert::training_batch& batch, float scale = 1) {
  const tag_cross_entropy objective;
  tag_cross_entropy::work work(objective, batch.tokens.shape());
  bert::tape<tagger> tape(objective.capacity(batch.tokens.shape()), model.sizes());
  tape.forward(bert::execution::serial{}, model, objective.prepare(batch, 0, work));
  scored out{objective.score(bert::execution::serial{}, batch, work, tape, scale), {}};
  const auto d = tape.head<bert::heads::tag<names>>().logits();
  out.gradient.assign(d.data, d.data + d.rows * d.cols);
  return out;
}

}  // namespace

TEST_CASE("the loss is the mean over tokens with a tag; others have no gradient") {
  const auto model = tagger::random({.stddev = 0.3f, .seed = 2});
  bert::training_batch batch;
  batch.tokens.add(support::ids(1, 6));
  batch.tokens.add(support::ids(2, 4));
  batch.tags = {-1, 2, -1, 4, 0, -1, -1, 1, 3, -1};
  const auto frozen = bert::freeze(model);
  auto run = frozen.session(batch.tokens.shape());
  const auto logits = run(batch.tokens);
  double sum = 0;
  std::uint64_t correct = 0;
  for (std::size_t n = 0; n < 10; ++n) {
    if (batch.tags[n] < 0) continue;
    double total = 0;
    for (const float x : logits[n]) total += std::exp(static_cast<double>(x));
    sum += std::log(total) - static_cast<double>(logits(n, static_cast<std::size_t>(batch.tags[n])));
    correct += std::max_element(logits[n].begin(), logits[n].end()) - logits[n].begin() == batch.tags[n] ? 1 : 0;
  }
  const auto found = score(model, batch, 0.5f);
  CHECK(found.parts["loss"].count == 5);
  CHECK(found.parts["loss"].correct == correct);
  CHECK(found.parts.loss() == doctest::Approx(sum / 5).epsilon(1e-5));
  for (std::size_t n = 0; n < 10; ++n) {
    double magnitude = 0;
    for (std::size_t c = 0; c < 5; ++c) magnitude += std::abs(static_cast<double>(found.gradient[n * 5 + c]));
    CHECK((magnitude > 0) == (batch.tags[n] >= 0));
    CHECK(magnitude < 2 * 0.5 / 5 + 1e-6);  // |softmax - onehot| is at most 2, times scale / 5
  }
}

TEST_CASE("joined pieces count as one prediction by the mean of their logits, and share its gradient") {
  const auto model = tagger::random({.stddev = 0.3f, .seed = 2});
  bert::training_batch batch;
  batch.tokens.add(support::ids(1, 6));
  batch.tokens.add(support::ids(2, 4));
  batch.tags = {bert::joined_tag, 2, bert::joined_tag, bert::joined_tag, 0, -1, -1, 1, 3, bert::joined_tag};
  const std::vector<std::pair<std::size_t, std::size_t>> words{{1, 4}, {4, 5}, {7, 8}, {8, 10}};
  const auto frozen = bert::freeze(model);
  auto run = frozen.session(batch.tokens.shape());
  const auto logits = run(batch.tokens);
  const auto found = score(model, batch);
  std::vector<double> gradient(50);
  double loss = 0;
  for (const auto& [first, last] : words) {
    const auto pieces = static_cast<double>(last - first);
    std::vector<double> mean(5);
    for (std::size_t c = 0; c < 5; ++c)
      for (std::size_t n = first; n < last; ++n) mean[c] += static_cast<double>(logits(n, c)) / pieces;
    double total = 0;
    for (const double x : mean) total += std::exp(x);
    const auto tag = static_cast<std::size_t>(batch.tags[first]);
    loss += (std::log(total) - mean[tag]) / 4;
    for (std::size_t n = first; n < last; ++n)
      for (std::size_t c = 0; c < 5; ++c) gradient[n * 5 + c] = (std::exp(mean[c]) / total - (c == tag ? 1 : 0)) / 4 / pieces;
  }
  CHECK(found.parts["loss"].count == 4);
  CHECK(found.parts.loss() == doctest::Approx(loss).epsilon(1e-6));
  for (std::size_t i = 0; i < 50; ++i)
    CHECK(static_cast<double>(found.gradient[i]) == doctest::Approx(gradient[i]).epsilon(1e-5));
}

TEST_CASE("a batch without tags, with too few, or with a tag beyond the head's is an error") {
  const auto model = tagger::random({.seed = 2});
  bert::training_batch batch;
  batch.tokens.add(support::ids(1, 3));
  CHECK_THROWS_WITH_AS((void)score(model, batch), doctest::Contains("expected 3 tags, one a token, found 0"), bert::error);
  batch.tags = {0, 1, 5};
  CHECK_THROWS_WITH_AS((void)score(model, batch), doctest::Contains("expected tags below 5, found 5"), bert::error);
  batch.tags = {-1, -1, -1};
  CHECK(score(model, batch).parts["loss"].count == 0);
}

TEST_CASE("a source of labels alone does not satisfy an objective that needs tags") {
  struct labeled : support::made_up_source {
    using targets = bert::target_list<bert::target::label>;
  };
  struct tagged : support::made_up_source {
    using targets = bert::target_list<bert::target::tag>;
  };
  static_assert(!bert::carries_targets<labeled, tag_cross_entropy>);
  static_assert(bert::carries_targets<tagged, tag_cross_entropy>);
}
