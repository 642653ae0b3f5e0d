// Layer: tests. Of: include/bert/kernels/loss/crf.hpp, include/bert/kernels/reference/crf.hpp
#include "bert/kernels/loss/crf.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/kernel_description.hpp"
#include "support/kernels/crf_kernel.hpp"

using namespace bert;
using namespace bert::test;

namespace {

/// All L^T paths of one sequence, scored one by one.
struct enumeration {
  double normalizer = 0;                         ///< log of the sum over allowed paths
  std::vector<double> marginals, starts, edges;  ///< [T, L], [L], [L, L]: of tags, of the first tag, of transitions

  enumeration(const kernels::reference::crf<double>& c, matrix<const double> x)
      : marginals(x.rows * c.tags), starts(c.tags), edges(c.tags * c.tags) {
    std::vector<std::int32_t> path(x.rows, 0);
    double z = 0;
    for (bool more = true; more;) {
      const double p = std::exp(c.score(x, path));
      z += p;
      const auto tag = [&](std::size_t t) { return static_cast<std::size_t>(path[t]); };
      for (std::size_t t = 0; t < x.rows; ++t) {
        marginals[t * c.tags + tag(t)] += p;
        if (t > 0) edges[tag(t - 1) * c.tags + tag(t)] += p;
      }
      starts[tag(0)] += p;
      more = false;
      for (std::size_t t = 0; t < x.rows && !more; ++t) {
        more = ++path[t] < static_cast<std::int32_t>(c.tags);
        if (!more) path[t] = 0;
      }
    }
    normalizer = std::log(z);
    for (auto* all : {&marginals, &starts, &edges})
      for (double& v : *all) v /= z;
  }
};

}  // namespace

TEST_CASE("losses and gradients agree with plain loops: ragged, of any number of tags, whatever is allowed") {
  for (const auto rules : {crf_rules::any, crf_rules::bio, crf_rules::sparse})
    for (const std::size_t tags : {2u, 3u, 9u, 16u, 17u, 27u}) {
      if (rules == crf_rules::sparse && tags == 2) continue;  // too few transitions remain
      check_kernel(crf_kernel{{5, 1, 12, 0, 2, 3}, tags, rules});
    }
  check_kernel(crf_kernel{{1}, 1, crf_rules::any});
}

TEST_CASE("a long sequence loses no bits: forward sums are kept apart from their greatest") {
  const crf_kernel k{{700, 3}, 9, crf_rules::bio};
  agrees_with_reference(k, 1e-6);
  backward_agrees_with_reference(k, 1e-5);
}

TEST_CASE("scores far apart, whose exponentials underflow, give the losses and gradients of double") {
  for (const float size : {10.0f, 40.0f, 200.0f, 1000.0f}) {
    const crf_kernel k{{9, 30, 1, 2}, 7, crf_rules::bio, size};
    agrees_with_reference(k, 1e-6);
    backward_agrees_with_reference(k, 1e-4);
    const crf_kernel any{{9, 30, 1, 2}, 18, crf_rules::any, size};
    agrees_with_reference(any, 1e-6);
    backward_agrees_with_reference(any, 1e-4);
  }
}

TEST_CASE("the normalizer, the marginals and the gradients are those of all paths, enumerated") {
  for (const auto rules : {crf_rules::any, crf_rules::bio, crf_rules::sparse})
    for (const std::size_t words : {1u, 2u, 3u, 6u}) {
      const std::size_t tags = 5;
      CAPTURE(words);
      const auto in = random_arrays<float>({words * tags, tags * (tags + 2)}, 3 + words);
      const auto in64 = to_double(in);
      const auto allowed = crf_table(rules, tags);
      const kernels::reference::crf<double> c64{tags, in64[1], allowed};
      const enumeration all(c64, {in64[0].data(), words, tags});

      const float* w = in[1].data();
      const kernels::crf c{tags, w, w + tags, w + 2 * tags, allowed.data()};
      const std::vector<std::size_t> starts{0, words};
      std::vector<std::uint32_t> rows;
      for (std::size_t t = 0; t < words; ++t) rows.push_back(static_cast<std::uint32_t>(t));
      array<float> scratch(kernels::crf_scratch(tags, words, 1)), x = in[0], shares(kernels::crf_share(tags));
      double normalizer = 0;
      kernels::crf_normalizers(execution::serial{}, c, {starts, rows}, {x.data(), words, tags}, &normalizer, scratch.data());
      CHECK(normalizer == doctest::Approx(all.normalizer).epsilon(1e-6));
      kernels::crf_marginals(execution::serial{}, c, {starts, rows}, {x.data(), words, tags}, scratch.data());
      CHECK(distance(x, {all.marginals.begin(), all.marginals.end()}) < 1e-6);

      x = in[0];
      const auto path = crf_kernel{{words}, tags, rules}.path();
      double loss = 0;
      std::int32_t right = -1;
      kernels::crf_loss(execution::serial{}, c, {starts, rows}, {x.data(), words, tags}, path, &loss, &right, shares.data(),
                        1.0f, scratch.data());
      CHECK(loss == doctest::Approx(all.normalizer - c64.score({in64[0].data(), words, tags}, path)).epsilon(1e-5));
      bool likeliest = true;
      for (std::size_t t = 0; t < words; ++t)
        for (std::size_t j = 0; j < tags; ++j) {
          const bool gold = path[t] == static_cast<std::int32_t>(j);
          CHECK(static_cast<double>(x[t * tags + j]) ==
                doctest::Approx(all.marginals[t * tags + j] - (gold ? 1 : 0)).scale(1).epsilon(1e-6));
          likeliest = likeliest && all.marginals[t * tags + j] <= all.marginals[t * tags + static_cast<std::size_t>(path[t])];
        }
      CHECK(right == (likeliest ? 1 : 0));
      const std::size_t width = kernels::crf_width(tags);
      for (std::size_t i = 0; i < tags; ++i) {
        CHECK(static_cast<double>(shares[i]) ==
              doctest::Approx(all.starts[i] - (path[0] == static_cast<std::int32_t>(i) ? 1 : 0)).scale(1).epsilon(1e-6));
        for (std::size_t j = 0; j < tags; ++j) {
          double gold = 0;
          for (std::size_t t = 1; t < words; ++t)
            gold += path[t - 1] == static_cast<std::int32_t>(i) && path[t] == static_cast<std::int32_t>(j) ? 1 : 0;
          CHECK(static_cast<double>(shares[(2 + i) * width + j]) ==
                doctest::Approx(all.edges[i * tags + j] - gold).scale(1).epsilon(2e-6));
        }
      }
    }
}

TEST_CASE("what is not allowed has no probability and no gradient, however large its weight") {
  const std::size_t tags = 5, words = 4;
  auto in = random_arrays<float>({words * tags, tags * (tags + 2)}, 9);
  const auto allowed = crf_table(crf_rules::bio, tags);
  const std::vector<std::size_t> starts{0, words};
  const std::vector<std::uint32_t> rows{0, 1, 2, 3};
  const auto run = [&](float forbidden) {
    for (std::size_t k = 0; k < allowed.size(); ++k)
      if (allowed[k] == 0) in[1][k] = forbidden;
    const float* w = in[1].data();
    const kernels::crf c{tags, w, w + tags, w + 2 * tags, allowed.data()};
    array<float> scratch(kernels::crf_scratch(tags, words, 1)), x = in[0], shares(kernels::crf_share(tags));
    double loss = 0;
    std::int32_t right = 0;
    kernels::crf_loss(execution::serial{}, c, {starts, rows}, {x.data(), words, tags}, std::vector<std::int32_t>{1, 2, 0, 3},
                      &loss, &right, shares.data(), 1.0f, scratch.data());
    x.push_back(static_cast<float>(loss));
    x.insert(x.end(), shares.begin(), shares.end());
    return arrays<float>{x};
  };
  const auto small = run(-3.0f), large = run(1e30f);
  CHECK(same_bits(small, large));
  const std::size_t share = words * tags + 1, width = kernels::crf_width(tags);
  for (std::size_t i = 0; i < tags + 2; ++i)
    for (std::size_t j = 0; j < tags; ++j)
      if (allowed[i * tags + j] == 0) CHECK(large[0][share + i * width + j] == 0.0f);
  CHECK(large[0][2] == 0.0f);  // the first word is no I
  CHECK(large[0][4] == 0.0f);
}

TEST_CASE("without an allowed path the normalizer is log 0; a NaN among the scores is one in the loss; no word is no loss") {
  const std::size_t tags = 3;
  std::vector<float> allowed(tags * (tags + 2), 1.0f), w(tags * (tags + 2), 0.0f);
  for (std::size_t k = 2 * tags; k < allowed.size(); ++k) allowed[k] = 0;  // nothing follows anything
  const kernels::crf c{tags, w.data(), w.data() + tags, w.data() + 2 * tags, allowed.data()};
  const std::vector<std::size_t> starts{0, 0, 1, 3};
  const std::vector<std::uint32_t> rows{0, 1, 2};
  array<float> x(3 * tags, 0.0f), scratch(kernels::crf_scratch(tags, 3, 3));
  double z[3] = {7, 7, 7};
  kernels::crf_normalizers(execution::serial{}, c, {starts, rows}, {x.data(), 3, tags}, z, scratch.data());
  CHECK(z[0] == 0);
  CHECK(z[1] == doctest::Approx(std::log(3.0)));
  CHECK(z[2] == -std::numeric_limits<double>::infinity());

  std::vector<float> any(allowed.size(), 1.0f);
  const kernels::crf open{tags, w.data(), w.data() + tags, w.data() + 2 * tags, any.data()};
  x[tags] = std::numeric_limits<float>::quiet_NaN();
  array<float> shares(3 * kernels::crf_share(tags));
  std::vector<std::int32_t> right(3);
  kernels::crf_loss(execution::serial{}, open, {starts, rows}, {x.data(), 3, tags}, std::vector<std::int32_t>{1, 1, 1}, z,
                    right.data(), shares.data(), 1.0f, scratch.data());
  CHECK(z[0] == 0);
  CHECK(std::isnan(z[2]));
}
