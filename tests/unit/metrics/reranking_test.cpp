#include "bert/metrics/reranking.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <sstream>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/metrics/ranking.hpp"

using bert::metrics::reranking_report;

namespace {
using floats = std::vector<float>;

reranking_report of(const floats& scores, const floats& relevances, float relevant = 0.5f) {
  reranking_report report({.relevant = relevant});
  report.add(scores, relevances);
  return report;
}
}  // namespace

TEST_CASE("with relevances 0 and 1 the figures are those of a ranking report") {
  bert::random_stream random(3, bert::draw::user);
  reranking_report report;
  bert::metrics::ranking_report expected;
  for (std::size_t q = 0; q < 50; ++q) {
    const std::size_t texts = 2 + random.below(20);
    floats scores, relevances;
    for (std::size_t i = 0; i < texts; ++i) {
      scores.push_back(random.normal());
      relevances.push_back(i == 0 ? 1.0f : i == 1 ? 0.0f : random.below(4) == 0 ? 1.0f : 0.0f);
    }
    report.add(scores, relevances);
    std::vector<std::size_t> order(texts);
    for (std::size_t i = 0; i < texts; ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    std::vector<bool> hits;
    for (const auto i : order) hits.push_back(relevances[i] == 1);
    expected.add(hits, static_cast<std::size_t>(std::count(relevances.begin(), relevances.end(), 1.0f)));
  }
  CHECK(report.mrr() == doctest::Approx(expected.mrr(10)).epsilon(1e-12));
  CHECK(report.ndcg() == doctest::Approx(expected.ndcg(10)).epsilon(1e-12));
  CHECK(report.total() == 50);
}

TEST_CASE("grades are gains, and a text is relevant from the threshold on") {
  // Order 1, 3, 2: gains at ranks 1, 2, 3.
  const auto report = of({3, 1, 2}, {1, 2, 3});
  const double found = 1 + 3 / std::log2(3.0) + 2 / 2.0, best = 3 + 2 / std::log2(3.0) + 1 / 2.0;
  CHECK(report.ndcg() == doctest::Approx(found / best).epsilon(1e-12));
  CHECK(report.counted_by_mrr() == 0);  // all are relevant
  CHECK(of({3, 1, 2}, {1, 2, 3}, 2).mrr() == 0.5);
  CHECK(of({3, 1, 2}, {-1, 2, 0}).ndcg() == doctest::Approx((2 / 2.0) / 2).epsilon(1e-12));  // a negative gain is none
}

TEST_CASE("equal scores gain nothing by the order of the file") {
  CHECK(of({1, 1, 1}, {1, 0, 0}).mrr() == doctest::Approx(1.0 / 3));
  CHECK(of({1, 1, 1}, {0, 0, 1}).mrr() == doctest::Approx(1.0 / 3));
  CHECK(of({1, 1}, {1, 0}).ndcg() == doctest::Approx(1 / std::log2(3.0)));
}

TEST_CASE("queries whose order says nothing are not counted, ranks beyond ten gain nothing") {
  reranking_report report;
  report.add(floats{1}, floats{1});
  report.add(floats{1, 2}, floats{0, 0});
  report.add(floats{1, 2}, floats{1, 1});
  CHECK(report.total() == 3);
  CHECK(report.counted_by_mrr() == 0);
  CHECK(report.counted_by_ndcg() == 0);
  CHECK(report.line() == "mrr@10=0.0000 ndcg@10=0.0000 loss=0.0000");
  floats scores, relevances;
  for (int i = 0; i < 12; ++i) {
    scores.push_back(static_cast<float>(-i));
    relevances.push_back(i == 10 ? 1.0f : 0.0f);
  }
  CHECK(of(scores, relevances).mrr() == 0);
  CHECK(of(scores, relevances).ndcg() == 0);
  relevances[9] = 1;
  CHECK(of(scores, relevances).mrr() == doctest::Approx(0.1));
}

TEST_CASE("a report tells its figures, and refuses what cannot be ordered") {
  auto report = of({2, 1}, {1, 0});
  report.add_loss(0.5, 2);
  report.add_loss(1.5, 2);
  CHECK(report.line() == "mrr@10=1.0000 ndcg@10=1.0000 loss=1.0000");
  std::ostringstream out;
  out << report;
  CHECK(out.str() == "MRR@10 1 of 1 queries, nDCG@10 1 of 1, loss 1, 1 queries of 2 texts\n");
  CHECK(report.scores().size() == 2);
  CHECK_THROWS_AS(of({1, 2}, {1}), bert::error);
  CHECK_THROWS_WITH_AS(of({1, std::numeric_limits<float>::quiet_NaN()}, {1, 0}), doctest::Contains("finite"), bert::error);
}
