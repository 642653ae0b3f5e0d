// Layer: tests. Of: include/bert/metrics/ranking.hpp
#include "bert/metrics/ranking.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "bert/io/json.hpp"
#include "bert/io/lines.hpp"
#include "support/shared_data.hpp"

using bert::io::json;
using bert::metrics::ranking_report;

TEST_CASE("all cases of the information retrieval evaluator agree to 1e-9") {
  const auto data = support::shared_data("../metrics/ranking.jsonl");
  if (!data) return;
  bert::io::line_reader lines(*data);
  std::size_t cases = 0;
  for (std::string_view line; lines.next(line); ++cases) {
    const json j = bert::io::parse_json(line, data->string());
    CAPTURE(cases);
    ranking_report report;
    for (const auto& q : j.at("queries")) {
      const auto ranking = q.at("ranking").get<std::vector<int>>(), relevant = q.at("relevant").get<std::vector<int>>();
      report.add(std::span<const int>(ranking), std::span<const int>(relevant));
    }
    const auto same = [&](double found, const json& expected) {
      if (expected.is_null()) return report.total() == 0;
      return std::abs(found - expected.get<double>()) <= 1e-9;
    };
    CHECK(same(report.ndcg(10), j.at("ndcg@10")));
    CHECK(same(report.mrr(10), j.at("mrr@10")));
    CHECK(same(report.map(), j.at("map")));
    CHECK(same(report.map(10), j.at("map@10")));
    CHECK(same(report.map(100), j.at("map@100")));
    for (const std::size_t k : {1u, 3u, 5u, 10u}) {
      CHECK(same(report.recall(k), j.at("recall").at(std::to_string(k))));
      CHECK(same(report.precision(k), j.at("precision").at(std::to_string(k))));
      CHECK(same(report.accuracy(k), j.at("accuracy").at(std::to_string(k))));
    }
  }
  CHECK(cases == 150);
}

TEST_CASE("a ranking's figures are those of its formulas") {
  ranking_report report;
  report.add({false, true, false, true}, 3);  // one relevant document is not in the ranking
  const double dcg = 1 / std::log2(3.0) + 1 / std::log2(5.0), ideal = 1 + 1 / std::log2(3.0) + 0.5;
  CHECK(report.ndcg() == doctest::Approx(dcg / ideal).epsilon(1e-12));
  CHECK(report.ndcg(2) == doctest::Approx((1 / std::log2(3.0)) / (1 + 1 / std::log2(3.0))).epsilon(1e-12));
  CHECK(report.mrr() == 0.5);
  CHECK(report.mrr(1) == 0.0);
  CHECK(report.map() == doctest::Approx((0.5 + 0.5) / 3));
  CHECK(report.map(2) == doctest::Approx(0.25));
  CHECK(report.recall(4) == doctest::Approx(2.0 / 3));
  CHECK(report.precision(10) == doctest::Approx(0.2));
  report.add({false, false}, 0);  // without a relevant document a query does not count
  CHECK(report.total() == 1);
  report.add({true}, 1);
  CHECK(report.accuracy(1) == 0.5);
  CHECK(report.line() == "ndcg@10=0.7491 mrr@10=0.7500 map@100=0.6667");
}

TEST_CASE("a document counts once, and more hits than relevant documents are an error") {
  ranking_report report;
  const std::vector<std::string> ranking{"a", "b", "b"}, relevant{"b", "b"};
  report.add(std::span<const std::string>(ranking), std::span<const std::string>(relevant));
  CHECK(report.precision(3) == doctest::Approx(1.0 / 3));
  CHECK(report.recall(3) == 1.0);
  CHECK_THROWS_WITH_AS(report.add({true, true}, 1), doctest::Contains("at most 1 relevant"), bert::error);
  CHECK(ranking_report{}.ndcg() == 0.0);
}
