// Objectives that wrap another one and run several passes: R-Drop and the fast gradient method.
#include <doctest/doctest.h>

#include <cmath>
#include <type_traits>

#include "bert/heads/regress.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/objectives/fgm.hpp"
#include "bert/objectives/mean_squared_error.hpp"
#include "bert/objectives/r_drop.hpp"
#include "bert/training/trainer.hpp"
#include "support/matrices.hpp"
#include "support/passes.hpp"
#include "support/slopes.hpp"

namespace {
using namespace support::passes;
using bert::objectives::fgm, bert::objectives::r_drop;

std::vector<double> softmax(std::vector<double> z) {
  double total = 0;
  for (double& x : z) total += x = std::exp(x);
  for (double& x : z) x /= total;
  return z;
}
double divergence(const std::vector<double>& p, const std::vector<double>& q) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] * std::log(p[i] / q[i]);
  return sum;
}
}  // namespace

TEST_CASE("R-Drop's terms are the mean loss of two passes and the symmetric divergence of their predictions") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  const step run(r_drop{cross_entropy{}, {.alpha = 0.7f}}, m, dropout);
  const auto first = logits_of(m, dropout), second = logits_of(m, run.other_noise);
  double expected = 0;
  for (std::size_t s = 0; s < first.size(); ++s) {
    const auto p = softmax(first[s]), q = softmax(second[s]);
    expected += 0.7 / 2 * (divergence(p, q) + divergence(q, p)) / static_cast<double>(first.size());
  }
  CHECK(expected > 1e-3);
  CHECK(run.terms["r_drop"].mean() / expected == doctest::Approx(1).epsilon(1e-4));
  CHECK(run.terms["loss"].mean() == doctest::Approx((loss_of(m, dropout) + loss_of(m, run.other_noise)) / 2).epsilon(1e-5));
}

TEST_CASE("R-Drop's gradients are the central differences of its loss under the same two dropouts") {
  auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  const r_drop o{cross_entropy{}, {.alpha = 2}};
  step run(o, m, dropout);
  CHECK(run.terms["r_drop"].mean() > 0.01);
  CHECK(support::slope_error(m, run.gradients.data(), [&] { return step(o, m, dropout).terms.loss(); }) < 0.03);
}

TEST_CASE("R-Drop refuses a head of one number, whose divergence would always be 0") {
  using regression = bert::model<support::pocket, bert::heads::regress>;
  const auto m = regression::random({.seed = 1});
  const r_drop o{bert::objectives::mean_squared_error{}};
  auto batch = batch_of(0);
  batch.values.assign(batch.tokens.sequences(), 0.5f);
  typename std::remove_cvref_t<decltype(o)>::work work(o, source.capacity());
  bert::tape<regression> tape(source.capacity(), m.sizes());
  bert::buffer<float> gradients(m.block().size());
  bert::training::no_second_network none(o);
  bert::training::passes passes(serial, m, tape, o.prepare(batch, 0, work), dropout, m.view(gradients.data()),
                                bert::gradients::written, none);
  CHECK_THROWS_WITH_AS(o.run(passes, batch, work, 1.0f), doctest::Contains("two classes or more"), bert::error);
}

TEST_CASE("without dropout R-Drop's divergence is 0 and its step is that of the inner loss") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  const step run(r_drop{cross_entropy{}}, m, {});
  CHECK(run.terms["r_drop"].sum == 0);
  CHECK(run.terms["loss"].mean() == doctest::Approx(loss_of(m, {})));
  const step plain(cross_entropy{}, m, {});
  CHECK(support::largest_difference(run.gradients.span(), plain.gradients.span()) < 1e-6);
}

TEST_CASE("FGM moves each sequence by epsilon along its own gradient, which raises the loss as the gradient predicts") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  // The gradient of the plain loss with respect to the embeddings' output.
  const auto batch = batch_of(0);
  tape_type t(source.capacity(), m.sizes(), {.perturbs = true});
  cross_entropy::work work({}, source.capacity());
  t.forward(serial, m, batch.tokens);
  const double plain = cross_entropy{}.score(serial, batch, work, t, 1.0f).loss();
  bert::buffer<float> unused(m.block().size());
  t.backward(serial, m, batch.tokens, unused.data());
  const auto g = t.embedding_gradient();

  const float epsilon = 0.01f;
  const step run(fgm{cross_entropy{}, {.epsilon = epsilon}}, m, {});
  CHECK(run.terms["loss"].mean() == doctest::Approx(plain).epsilon(1e-6));
  double rise = 0;
  for (std::size_t s = 0; s < batch.tokens.sequences(); ++s) {
    double squares = 0, moved = 0, along = 0;
    for (std::size_t i = batch.tokens.starts()[s] * g.cols; i < batch.tokens.starts()[s + 1] * g.cols; ++i) {
      const double r = static_cast<double>(run.work.perturbation[i]), d = static_cast<double>(g.data[i]);
      squares += d * d;
      moved += r * r;
      along += r * d;
    }
    if (batch.labels[s] < 0) {
      CHECK(moved == 0);
    } else {
      CHECK(std::sqrt(moved) / static_cast<double>(epsilon) == doctest::Approx(1).epsilon(1e-4));
      CHECK(along / std::sqrt(moved * squares) == doctest::Approx(1).epsilon(1e-4));
    }
    rise += along;
  }
  CHECK(rise > 1e-4);
  CHECK((run.terms["adversarial"].mean() - plain) / rise == doctest::Approx(1).epsilon(0.05));
}

TEST_CASE("where no gradient is asked for, FGM and R-Drop score as the objective within them") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  const auto batch = batch_of(0);
  const auto score = [&](const auto& o) {
    typename std::remove_cvref_t<decltype(o)>::work work(o, source.capacity());
    tape_type t(source.capacity(), m.sizes(), bert::objectives::tape_options_of(o));
    t.forward(serial, m, batch.tokens);
    return o.score(serial, batch, work, t, 1.0f)["loss"].mean();
  };
  CHECK(score(fgm{cross_entropy{}}) == loss_of(m, {}));
  CHECK(score(r_drop{cross_entropy{}}) == loss_of(m, {}));
}

TEST_CASE("FGM's gradients are the slopes of both losses, the perturbation held") {
  auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  step run(fgm{cross_entropy{}, {.epsilon = 2}}, m, dropout);
  const bert::matrix<const float> held{run.work.perturbation.data(), run.batch.tokens.tokens(), support::pocket::hidden};
  const auto loss = [&] { return loss_of(m, dropout) + loss_of(m, run.other_noise, held); };
  CHECK(run.terms.loss() == doctest::Approx(loss()).epsilon(1e-5));
  CHECK(support::slope_error(m, run.gradients.data(), loss) < 0.03);
}

TEST_CASE("two accumulated batches make the step of one batch of both, even with unequal numbers of labels") {
  const auto check = [](const auto& o) {
    CHECK(norm_of_step(o, source, 2) == doctest::Approx(norm_of_step(o, twice_source{}, 1)).epsilon(1e-4));
  };
  check(cross_entropy{});
  check(r_drop{cross_entropy{}});
  check(fgm{cross_entropy{}});
}

TEST_CASE("in a step of twice as many predictions each term has half the gradient, R-Drop's divergence too") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  const auto halves = [&](const auto& o) {
    const step whole(o, m, dropout);
    loss_terms counts = o.counts(whole.batch, whole.work);
    counts += loss_terms(counts);
    const step half(o, m, dropout, loss_scale(counts));
    std::vector<float> doubled(half.gradients.begin(), half.gradients.end());
    for (float& x : doubled) x *= 2;
    return support::largest_difference(doubled, whole.gradients.span());
  };
  CHECK(halves(r_drop{cross_entropy{}, {.alpha = 2}}) < 1e-6);
  CHECK(halves(fgm{cross_entropy{}}) < 1e-6);
}

TEST_CASE("the fingerprint of an objective around another one is that of the other and its own option") {
  using namespace bert::objectives;
  const cross_entropy smooth{.label_smoothing = 0.1f};
  const auto facts = fgm{smooth, {.epsilon = 2}}.fingerprint();
  bert::named_facts expected = smooth.fingerprint();
  bert::append(expected, {{"fgm", "2"}});
  CHECK(facts == expected);
  CHECK(fgm{smooth, {.epsilon = 3}}.fingerprint() != facts);
  CHECK(r_drop{smooth, {.alpha = 2}}.fingerprint() != facts);
}
