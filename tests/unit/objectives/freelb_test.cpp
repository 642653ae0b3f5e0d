// FreeLB: the first perturbation, the ascents, the gradients of all passes.
#include "bert/objectives/freelb.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "bert/training/measure.hpp"
#include "support/matrices.hpp"
#include "support/passes.hpp"
#include "support/slopes.hpp"

namespace {
using namespace support::passes;
using bert::objectives::freelb;

double norm_of(const std::vector<float>& r, std::size_t first, std::size_t last) {
  double squares = 0;
  for (std::size_t i = first; i < last; ++i) squares += static_cast<double>(r[i]) * static_cast<double>(r[i]);
  return std::sqrt(squares);
}
bert::matrix<const float> rows_of(const std::vector<float>& r, const bert::training_batch& batch) {
  return {r.data(), batch.tokens.tokens(), support::pocket::hidden};
}
}  // namespace

TEST_CASE("FreeLB's first perturbation is within its magnitude, another in every step and the same for each sequence") {
  const freelb<cross_entropy> o{{}, {.magnitude = 0.3f}};
  const std::vector<std::size_t> starts{0, 5, 25};
  std::vector<float> r, part, other;
  o.start(dropout, starts, 40, r);
  for (const std::size_t s : {0u, 1u}) {
    const double norm = norm_of(r, starts[s] * 40, starts[s + 1] * 40);
    CHECK(norm < 0.3);
    CHECK(norm == doctest::Approx(0.3 / std::sqrt(3.0)).epsilon(0.15));
  }
  auto later = dropout;
  later.before.sequences = 1;  // of another replica
  o.start(later, std::vector<std::size_t>{0, 20}, 40, part);
  CHECK(std::equal(part.begin(), part.end(), r.begin() + 5 * 40));
  later.key += 1;
  o.start(later, std::vector<std::size_t>{0, 20}, 40, other);
  CHECK(other != part);
}

TEST_CASE("an ascent moves each sequence by a step along its gradient, within the ball") {
  const freelb<cross_entropy> o{{}, {.step = 0.5f, .most = 0.6f}};
  const std::vector<float> g{3, 4, 0, 0, 1, 0};
  std::vector<float> r{0, 0, 1, 1, 0.5f, 0};
  o.ascend({g.data(), 3, 2}, std::vector<std::size_t>{0, 1, 2, 3}, r);
  CHECK(r[0] == doctest::Approx(0.3));
  CHECK(r[1] == doctest::Approx(0.4));
  CHECK(norm_of(r, 2, 4) == doctest::Approx(0.6));  // no gradient, but outside the ball
  CHECK(r[4] == doctest::Approx(0.6));
  CHECK(r[5] == 0);
}

TEST_CASE("FreeLB's loss and gradients are the mean over its passes, with one dropout, the perturbations held") {
  auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  const freelb o{cross_entropy{}, {.ascents = 1, .step = 1.5f, .magnitude = 0.5f, .most = 0}};
  step run(o, m, dropout);
  std::vector<float> first;
  o.start(dropout, run.batch.tokens.starts(), support::pocket::hidden, first);
  const std::vector<float> second = run.work.perturbation;
  const auto loss = [&] {
    return (loss_of(m, dropout, rows_of(first, run.batch)) + loss_of(m, dropout, rows_of(second, run.batch))) / 2;
  };
  CHECK(std::abs(loss_of(m, dropout, rows_of(first, run.batch)) - loss_of(m, dropout, rows_of(second, run.batch))) > 1e-3);
  CHECK(run.terms.loss() == doctest::Approx(loss()).epsilon(1e-5));
  CHECK(support::slope_error(m, run.gradients.data(), loss) < 0.03);
}

TEST_CASE("every ascent raises the loss") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  double last = 0;
  for (const unsigned k : {0u, 1u, 2u, 3u}) {
    const step run(freelb{cross_entropy{}, {.ascents = k, .step = 0.3f, .magnitude = 0, .most = 0}}, m, {});
    const double now = loss_of(m, {}, rows_of(run.work.perturbation, run.batch));
    CHECK(now > last);
    last = now;
  }
}

TEST_CASE("without ascents and magnitude FreeLB's step is that of the inner loss") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  const step run(freelb{cross_entropy{}, {.ascents = 0, .magnitude = 0}}, m, dropout);
  const step plain(cross_entropy{}, m, dropout);
  CHECK(run.terms["loss"].mean() == plain.terms["loss"].mean());
  CHECK(support::largest_difference(run.gradients.span(), plain.gradients.span()) < 1e-6);
}

TEST_CASE("FreeLB is measured as the inner loss, without perturbations") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  CHECK(bert::measure(m, freelb{cross_entropy{}}, source).loss() == bert::measure(m, cross_entropy{}, source).loss());
}

TEST_CASE("two accumulated batches make FreeLB's step of one batch of both") {
  const freelb o{cross_entropy{}, {.magnitude = 0}};  // the first perturbation depends on the batch's number
  CHECK(norm_of_step(o, source, 2) == doctest::Approx(norm_of_step(o, twice_source{}, 1)).epsilon(1e-4));
}
