// Layer: tests. Of: include/bert/metrics/binary.hpp
#include "bert/metrics/binary.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "bert/io/json.hpp"
#include "bert/io/lines.hpp"
#include "bert/metrics/classification.hpp"
#include "support/shared_data.hpp"

using bert::io::json;
using bert::metrics::binary_scores;

namespace {

bool same(double found, const json& expected) { return std::abs(found - expected.get<double>()) <= 1e-9; }

binary_scores scored(const std::vector<double>& scores, const std::vector<int>& gold) {
  return {std::span<const double>(scores), std::span<const int>(gold)};
}

}  // namespace

TEST_CASE("all cases of scikit-learn and of sentence-transformers' pair thresholds agree to 1e-9") {
  const auto data = support::shared_data("../metrics/classification.jsonl");
  if (!data) return;
  bert::io::line_reader lines(*data);
  std::size_t cases = 0;
  for (std::string_view line; lines.next(line);) {
    const json j = bert::io::parse_json(line, data->string());
    if (j.at("kind") != "binary") continue;
    ++cases;
    CAPTURE(j.at("id").get<int>());
    const auto found = scored(j.at("scores").get<std::vector<double>>(), j.at("gold").get<std::vector<int>>());
    CHECK(same(found.average_precision(), j.at("ap")));
    CHECK(found.roc_auc().has_value() == !j.at("roc_auc").is_null());
    if (found.roc_auc()) CHECK(same(*found.roc_auc(), j.at("roc_auc")));
    CHECK(found.best_f1().has_value() == !j.at("best_f1_threshold").is_null());
    if (found.best_f1()) {
      CHECK(same(found.best_f1()->value, j.at("best_f1")));
      CHECK(same(found.best_f1()->threshold, j.at("best_f1_threshold")));
    }
    const auto f1 = found.pair_f1(), accuracy = found.pair_accuracy();
    CHECK(same(f1.value, j.at("pairwise").at("best_f1")));
    CHECK(same(f1.threshold, j.at("pairwise").at("threshold")));
    CHECK(same(f1.precision, j.at("pairwise").at("precision")));
    CHECK(same(f1.recall, j.at("pairwise").at("recall")));
    CHECK(same(accuracy.value, j.at("pairwise_accuracy").at("best_accuracy")));
    CHECK(same(accuracy.threshold, j.at("pairwise_accuracy").at("threshold")));
  }
  CHECK(cases == 50);
}

TEST_CASE("all cases of Pearson's and Spearman's correlation agree to 1e-9, a constant list is 0") {
  const auto data = support::shared_data("../metrics/sts.jsonl");
  if (!data) return;
  bert::io::line_reader lines(*data);
  std::size_t cases = 0;
  for (std::string_view line; lines.next(line); ++cases) {
    const json j = bert::io::parse_json(line, data->string());
    CAPTURE(j.at("id").get<int>());
    const auto x = j.at("x").get<std::vector<double>>(), y = j.at("y").get<std::vector<double>>();
    for (const auto& [found, expected] : {std::pair(bert::metrics::pearson(x, y), &j.at("pearson")),
                                          std::pair(bert::metrics::spearman(x, y), &j.at("spearman"))})
      if (expected->is_null()) CHECK(found == 0);
      else CHECK(same(found, *expected));
  }
  CHECK(cases == 150);
}

TEST_CASE("scores with ties: areas count them half, thresholds take them together") {
  const auto found = scored({0.9, 0.5, 0.5, 0.1}, {1, 1, 0, 0});
  CHECK(*found.roc_auc() == doctest::Approx(0.875));
  CHECK(found.average_precision() == doctest::Approx(0.5 + 0.5 * 2 / 3));
  CHECK(found.best_f1()->value == doctest::Approx(0.8));
  CHECK(found.best_f1()->threshold == 0.5);
  CHECK(found.pair_f1().value == 1.0);  // between the equal scores, in the order of the examples
  CHECK(found.pair_f1().threshold == 0.5);
  CHECK(found.pair_accuracy().value == 1.0);
}

TEST_CASE("without positives or negatives there is no area and no best F1") {
  CHECK_FALSE(scored({0.3, 0.2}, {0, 0}).roc_auc().has_value());
  CHECK_FALSE(scored({0.3, 0.2}, {1, 1}).roc_auc().has_value());
  CHECK_FALSE(scored({0.3, 0.2}, {0, 0}).best_f1().has_value());
  CHECK(scored({0.3, 0.2}, {0, 0}).average_precision() == 0);
  CHECK(scored({0.3}, {1}).pair_f1().threshold == 0);
  CHECK(scored({0.3}, {1}).pair_accuracy().threshold == -1);
}

TEST_CASE("a score that is no number, and another number of flags, are errors") {
  CHECK_THROWS_WITH_AS((void)scored({0.1, std::numeric_limits<double>::quiet_NaN()}, {0, 1}), doctest::Contains("score 1"),
                       bert::error);
  CHECK_THROWS_AS((void)scored({0.1}, {0, 1}), bert::error);
}

TEST_CASE("a constant list has no correlation, whatever its mean rounds to") {
  const std::vector<double> tenths(7, 0.1), rising{1, 2, 3, 4, 5, 6, 7};
  CHECK(bert::metrics::pearson(tenths, rising) == 0);
  CHECK(bert::metrics::spearman(rising, tenths) == 0);
  CHECK(bert::metrics::spearman(rising, std::vector<double>{1, 4, 9, 16, 25, 36, 49}) == doctest::Approx(1.0));
}
