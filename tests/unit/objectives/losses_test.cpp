#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "../../support/allocations.hpp"
#include "../../support/matrices.hpp"
#include "../../support/small_models.hpp"
#include "bert/heads/crf.hpp"
#include "bert/heads/regress.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/mean_squared_error.hpp"
#include "bert/objectives/negative_log_likelihood.hpp"
#include "bert/objectives/next_sentence.hpp"
#include "bert/objectives/sentence_order.hpp"

namespace {

using namespace bert::objectives;
using doctest::Approx;
const bert::execution::serial serial;

struct scored {
  loss_terms terms;
  std::vector<float> before, gradient;  // of the head's logits
};

/// Forward through a random model, then `objective`.
template <class Head, class O>
scored score(const O& objective, const bert::training_batch& batch, float scale = 1.0f) {
  using model = bert::model<support::pocket, Head>;
  const auto m = model::random({.stddev = 0.3f, .seed = 2});
  const auto shape = batch.tokens.shape();
  typename O::work work(objective, shape);
  bert::tape<model> tape(objective.capacity(shape), m.sizes());
  tape.forward(serial, m, objective.prepare(batch, 3, work));
  scored out;
  const auto logits = [&] { return support::elements(tape.template head<Head>().logits()); };
  out.before = logits();
  out.terms = objective.score(serial, batch, work, tape, scale);
  out.gradient = logits();
  return out;
}

bert::training_batch four_sequences() {
  bert::training_batch batch;
  for (std::size_t s = 0; s < 4; ++s) batch.tokens.add(support::ids(s, 6 + s));
  return batch;
}

double probability(float of, float other) { return 1 / (1 + std::exp(static_cast<double>(other) - static_cast<double>(of))); }

}  // namespace

TEST_CASE("the mean cross-entropy and its gradient count only rows with a target") {
  std::array<float, 9> logits{1, 2, 3, 3, 1, 1, 0, 0, 5};
  const std::array<std::int32_t, 3> targets{2, -1, 0};
  prediction_buffers buffers(3);
  const auto term = mean_cross_entropy(serial, "x", bert::matrix<float>{logits.data(), 3, 3, 3}, targets, 2.0f, buffers);
  const double first = std::exp(1.0) + std::exp(2.0) + std::exp(3.0), last = 2 + std::exp(5.0);
  CHECK(term.name == "x");
  CHECK(term.count == 2);
  CHECK(term.correct == 1);
  CHECK(term.sum == Approx(std::log(first) - 3 + std::log(last)));
  CHECK(term.mean() == Approx(term.sum / 2));
  CHECK(term.accuracy() == 0.5);
  // 2 / 2 * (softmax - target)
  CHECK(static_cast<double>(logits[0]) == Approx(std::exp(1.0) / first));
  CHECK(static_cast<double>(logits[2]) == Approx(std::exp(3.0) / first - 1));
  for (const std::size_t i : {3u, 4u, 5u}) CHECK(logits[i] == 0);
  CHECK(static_cast<double>(logits[6]) == Approx(1 / last - 1));
  CHECK(static_cast<double>(logits[8]) == Approx(std::exp(5.0) / last));
}

TEST_CASE("where nothing has a target the loss is an empty one and the gradient zeros, not NaN") {
  std::array<float, 12> logits{1, 2, 3, 7, 3, 1, 1, 7, 5, 5, 5, 7};  // rows of 3, 4 apart, the last one past the targets
  const std::array<std::int32_t, 2> targets{-1, -1};
  prediction_buffers room(2);
  const auto part = mean_cross_entropy(serial, "x", bert::matrix<float>{logits.data(), 2, 3, 4}, targets, 1.0f, room);
  CHECK(part.count == 0);
  CHECK(part.sum == 0);
  CHECK(part.mean() == 0);
  CHECK(part.accuracy() == 0);
  CHECK(logits == std::array<float, 12>{0, 0, 0, 7, 0, 0, 0, 7, 5, 5, 5, 7});
}

TEST_CASE("a prediction's share of a mean is over the batch's count, or over the step's where that is known") {
  const loss_scale batch(0.5f);
  CHECK(batch.share("x", 1, 3.0f) == 1.5f);
  CHECK(batch.share("x", 4, 3.0f) == 0.375f);
  CHECK(batch.share("x", 0, 3.0f) == 0.0f);
  CHECK(batch.of("x", 1) == 0.5f);
  CHECK(batch.of("x", 0) == 0.0f);
  loss_terms counts;
  counts.add({.name = "x", .count = 8});
  const loss_scale step(counts);
  CHECK(step.of("x", 2) == 0.125f);
  CHECK(step.share("x", 2, 2.0f) == 0.25f);
  CHECK(step.of("other", 2) == 0.0f);
}

TEST_CASE("an objective that counts its predictions is asked for them, another is not") {
  auto batch = four_sequences();
  batch.labels = {0, 1, -1, 1};
  const cross_entropy o;
  cross_entropy::work work(o, batch.tokens.shape());
  CHECK(counts_of(o, batch, work)["loss"].count == 3);
  struct silent {
    struct work {};
  };
  CHECK(counts_of(silent{}, batch, silent::work{})["loss"].count == 0);
}

TEST_CASE("a classifier's loss is the mean of -log p(label), and labels beyond its classes are errors") {
  auto batch = four_sequences();
  batch.labels = {0, 1, -1, 1};
  const auto s = score<bert::heads::classify<support::mood>>(cross_entropy{}, batch);
  double sum = 0;
  std::uint64_t right = 0;
  for (const std::size_t i : {0u, 1u, 3u}) {
    const auto label = static_cast<std::size_t>(batch.labels[i]);
    const double p = probability(s.before[2 * i + label], s.before[2 * i + 1 - label]);
    sum -= std::log(p);
    right += p > 0.5 ? 1 : 0;
    CHECK(static_cast<double>(s.gradient[2 * i + label]) == Approx((p - 1) / 3));
  }
  CHECK(s.terms["loss"].sum == Approx(sum));
  CHECK(s.terms["loss"].count == 3);
  CHECK(s.terms["loss"].correct == right);
  CHECK(s.terms.loss() == Approx(sum / 3));
  batch.labels[1] = 2;
  CHECK_THROWS_WITH_AS(score<bert::heads::classify<support::mood>>(cross_entropy{}, batch), doctest::Contains("labels below 2"),
                       bert::error);
}

TEST_CASE("sentence order has the loss and gradient of next sentence, and next sentence scores its own head") {
  auto batch = four_sequences();
  batch.labels = {0, 1, 1, 0};
  const auto next = score<bert::heads::next_sentence>(next_sentence{}, batch, 0.5f);
  const auto order = score<bert::heads::next_sentence>(sentence_order{}, batch, 0.5f);
  CHECK(order.terms["sop"].sum == next.terms["nsp"].sum);
  CHECK(order.terms["sop"].count == 4);
  CHECK(next.terms["sop"].count == 0);
  CHECK(order.gradient == next.gradient);
  CHECK(static_cast<double>(next.gradient[2]) == Approx(0.5 * probability(next.before[2], next.before[3]) / 4));
}

TEST_CASE("the mean squared error and its gradient are those of the formula, and every sequence needs a value") {
  auto batch = four_sequences();
  batch.values = {0.5f, -1.0f, 2.0f, 0.25f};
  const auto s = score<bert::heads::regress>(mean_squared_error{}, batch, 3.0f);
  double sum = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const double off = static_cast<double>(s.before[i]) - static_cast<double>(batch.values[i]);
    sum += off * off;
    CHECK(static_cast<double>(s.gradient[i]) == Approx(3 * 2 * off / 4));
  }
  CHECK(s.terms["loss"].sum == Approx(sum));
  CHECK(s.terms["loss"].count == 4);
  CHECK(s.terms["loss"].correct == 0);
  batch.values.pop_back();
  CHECK_THROWS_WITH_AS(score<bert::heads::regress>(mean_squared_error{}, batch),
                       doctest::Contains("expected 4 values, one a sequence, found 3"), bert::error);
}

TEST_CASE("a masked LM's rates are passed on to its policy, also within a fixed one") {
  const masked_lm<bert::masking::span> free{.rate = 0.3f, .mask = 0.5f, .random = 0.25f};
  CHECK(free.policy().rate == 0.3f);
  CHECK(free.policy().mask == 0.5f);
  CHECK(free.policy().random == 0.25f);
  const masked_lm<bert::masking::fixed<bert::masking::token>> fixed{.rate = 0.3f, .mask = 0.5f, .random = 0.25f};
  CHECK(fixed.policy().policy.rate == 0.3f);
  CHECK(fixed.policy().policy.mask == 0.5f);
  CHECK(fixed.policy().policy.random == 0.25f);
  CHECK(bert::masking::rates{}.rate == masked_lm<>{}.rate);
  CHECK(bert::masking::rates{}.mask == masked_lm<>{}.mask);
  CHECK(bert::masking::rates{}.random == masked_lm<>{}.random);
}

TEST_CASE("not even the first batch of masked LM allocates, even if every token is a word") {
  bert::training_batch batch;
  batch.tokens.add(support::ids(1, 40));
  batch.parts.assign(40, bert::word_part::begins);
  batch.keys = {7};
  batch.vocabulary = {.mask = 4, .size = support::pocket::vocab};
  const masked_lm<bert::masking::whole_word> objective{.rate = 1.0f};
  masked_lm<bert::masking::whole_word>::work work(objective, batch.tokens.shape());
  const std::size_t before = support::allocations;
  (void)objective.prepare(batch, 1, work);
  CHECK(support::allocations == before);
  CHECK(work.masked.targets.size() == 40);
}

TEST_CASE("loss terms begin empty, and a term without a name is a term too") {
  loss_terms terms;
  CHECK(terms.begin() == terms.end());
  CHECK(terms.loss() == 0);
  CHECK(loss_term{}.sum == 0);
  terms.add({.name = "", .sum = 2, .count = 1});
  terms.add({.name = "", .sum = 4, .count = 1});
  CHECK(terms.end() - terms.begin() == 1);
  CHECK(terms[""].mean() == 3);
}

TEST_CASE("a CRF's step allocates nothing, with labels known at run time too") {
  using model = bert::model<support::pocket, bert::heads::crf<bert::labels::dynamic_set>>;
  const auto m = model::random({.stddev = 0.3f, .seed = 2, .labels = {"O", "B-A", "I-A"}});
  bert::training_batch batch;
  batch.tokens.add(support::ids(1, 9));
  batch.tokens.add(support::ids(2, 4));
  batch.tags = {-1, 1, 2, 0, 0, 1, 2, 2, -1, 0, 0, 0, 0};
  const negative_log_likelihood objective;
  negative_log_likelihood::work work(objective, batch.tokens.shape());
  bert::tape<model> tape(batch.tokens.shape(), m.sizes());
  std::vector<float> gradient(m.block().size());
  const std::size_t before = support::allocations;
  tape.forward(serial, m, objective.prepare(batch, 1, work));
  const auto terms = objective.score(serial, batch, work, tape, 1.0f);
  tape.backward(serial, m, batch.tokens, gradient.data());
  CHECK(support::allocations == before);
  CHECK(terms["loss"].count == 2);
}
