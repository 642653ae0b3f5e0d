#include "bert/objectives/mixup.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "bert/heads/regress.hpp"
#include "bert/objectives/mean_squared_error.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/matrices.hpp"
#include "support/passes.hpp"
#include "support/slopes.hpp"

namespace {

using namespace support::passes;
using bert::objectives::mixup, bert::objectives::mixture;

/// The loss by its definition: mixed embeddings in one forward pass, both labels in double.
double by_definition(const model_type& m, const mixture& mixed, const bert::step_noise& noise) {
  const auto batch = batch_of(0);
  tape_type t(source.capacity(), m.sizes());
  t.forward(serial, m, batch.tokens, noise);
  const auto y = t.hidden(0);
  std::vector<float> moved(y.rows * y.cols);
  const auto starts = batch.tokens.starts();
  for (std::size_t s = 0; s < batch.tokens.sequences(); ++s) {
    const std::size_t q = mixed.partners[s], both = std::min(batch.tokens.length(s), batch.tokens.length(q));
    for (std::size_t i = 0; i < both * y.cols; ++i)
      moved[starts[s] * y.cols + i] = (1 - mixed.own) * (y.row(starts[q])[i] - y.row(starts[s])[i]);
  }
  t.forward(serial, m, batch.tokens, noise, {moved.data(), y.rows, y.cols});
  const auto z = t.head<0>().logits();
  double total = 0, count = 0;
  const auto loss = [&](std::size_t s, int label) {
    if (label < 0) return 0.0;
    double sum = 0;
    for (std::size_t i = 0; i < z.cols; ++i) sum += std::exp(static_cast<double>(z(s, i)));
    return std::log(sum) - static_cast<double>(z(s, static_cast<std::size_t>(label)));
  };
  const auto own = static_cast<double>(mixed.own);
  for (std::size_t s = 0; s < z.rows; ++s) {
    total += own * loss(s, batch.labels[s]) + (1 - own) * loss(s, batch.labels[mixed.partners[s]]);
    count += batch.labels[s] >= 0 ? 1 : 0;
  }
  return total / count;
}

}  // namespace

TEST_CASE("the loss is that of mixed embeddings with both labels, each by its share") {
  const auto m = model_type::random({.stddev = 0.3f, .seed = 1});
  const step run(mixup{cross_entropy{}, {.alpha = 4}}, m, dropout);
  CHECK(run.work.mixed.own < 0.95f);
  CHECK(run.work.mixed.own >= 0.5f);
  REQUIRE(std::any_of(run.batch.labels.begin(), run.batch.labels.end(), [](int l) { return l < 0; }));
  CHECK(run.terms["loss"].mean() == doctest::Approx(by_definition(m, run.work.mixed, dropout)).epsilon(1e-5));
  CHECK(std::abs(run.terms["loss"].mean() - loss_of(m, dropout)) > 1e-3);
}

TEST_CASE("the gradients are the slopes of the loss, also where a partner's embeddings are mixed in") {
  auto m = model_type::random({.stddev = 0.3f, .seed = 1});
  const mixup o{cross_entropy{}, {.alpha = 4}};
  step run(o, m, dropout);
  CHECK(support::slope_error(m, run.gradients.data(), [&] { return step(o, m, dropout).terms.loss(); }) < 0.03);
}

TEST_CASE("values are mixed as labels are") {
  using regression = bert::model<support::pocket, bert::heads::regress>;
  auto m = regression::random({.stddev = 0.3f, .seed = 1});
  const mixup o{bert::objectives::mean_squared_error{}, {.alpha = 4}};
  auto batch = batch_of(0);
  batch.values = {0.0f, 1.0f, -1.0f, 3.0f};
  bert::buffer<float> gradients(m.block().size());
  const auto loss = [&] {
    typename std::remove_cvref_t<decltype(o)>::work work(o, source.capacity());
    bert::tape<regression> tape(source.capacity(), m.sizes(), bert::objectives::tape_options_of(o));
    bert::training::no_second_network none(o);
    bert::training::passes passes(serial, m, tape, o.prepare(batch, 0, work), dropout, m.view(gradients.data()),
                                  bert::gradients::written, none);
    return o.run(passes, batch, work, 1.0f).loss();
  };
  loss();
  const std::vector<float> kept(gradients.data(), gradients.data() + m.block().size());
  std::vector<float> found = kept;
  CHECK(support::slope_error(m, found.data(), loss) < 0.03);
}

TEST_CASE("the mixture is a function of its key: a permutation, and a share of a half to one that alpha spreads") {
  mixture first, again, other;
  first.draw_from(3, 0.2f, 9);
  again.draw_from(3, 0.2f, 9);
  other.draw_from(4, 0.2f, 9);
  CHECK(first.own == again.own);
  CHECK(first.partners == again.partners);
  CHECK(first.own != other.own);
  std::vector<std::size_t> sorted = first.partners;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t s = 0; s < 9; ++s) CHECK(sorted[s] == s);
  const auto mean_share = [](float alpha) {
    double sum = 0;
    for (std::uint64_t key = 0; key < 500; ++key) {
      mixture m;
      m.draw_from(key, alpha, 2);
      CHECK(m.own >= 0.5f);
      CHECK(m.own <= 1);
      sum += static_cast<double>(m.own);
    }
    return sum / 500;
  };
  CHECK(mean_share(0.05f) > 0.95);
  CHECK(mean_share(1) == doctest::Approx(0.75).epsilon(0.03));  // of the larger part of a uniform cut
  CHECK(mean_share(50) < 0.6);
}

TEST_CASE("a model learns by mix-up, to the same bits with one thread and with two, and measure is of texts as they are") {
  const auto train = [](std::size_t threads) {
    auto m = model_type::random({.stddev = 0.1f, .seed = 1});
    bert::fit(m, mixup{cross_entropy{}, {.alpha = 0.2f}}, source, {.epochs = 40, .learning_rate = 2e-3f, .dropout = 0},
              bert::execution::threads{threads});
    return m;
  };
  const auto one = train(1), two = train(2);
  CHECK(std::equal(one.block().begin(), one.block().end(), two.block().begin()));
  const auto terms = bert::measure(one, mixup{cross_entropy{}}, source);
  CHECK(terms["loss"].accuracy() > 0.9);
  CHECK(terms["loss"].sum == bert::measure(one, cross_entropy{}, source)["loss"].sum);
}

TEST_CASE("gradients of accumulated batches are of the mean over all") {
  // Alpha so small that nothing is mixed: the mean must be that of plain cross-entropy.
  const mixup o{cross_entropy{}, {.alpha = 1e-4f}};
  CHECK(norm_of_step(o, source, 2) == doctest::Approx(norm_of_step(cross_entropy{}, source, 2)).epsilon(1e-4));
}

TEST_CASE("an alpha of 0 and batches of groups are refused") {
  CHECK_THROWS_WITH_AS((mixup<cross_entropy>::work({{}, {.alpha = 0}}, source.capacity())),
                       doctest::Contains(".alpha above 0, found 0"), bert::error);
  const auto m = model_type::random({.seed = 1});
  const mixup o{cross_entropy{}};
  auto batch = batch_of(0);
  batch.groups = {0, 2, 4};
  typename std::remove_cvref_t<decltype(o)>::work work(o, source.capacity());
  tape_type tape(source.capacity(), m.sizes(), bert::objectives::tape_options_of(o));
  bert::buffer<float> gradients(m.block().size());
  bert::training::no_second_network none(o);
  bert::training::passes passes(serial, m, tape, o.prepare(batch, 0, work), dropout, m.view(gradients.data()),
                                bert::gradients::written, none);
  CHECK_THROWS_WITH_AS(o.run(passes, batch, work, 1.0f), doctest::Contains("groups of sequences"), bert::error);
}
