#include "bert/metrics/calibration.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "bert/io/json.hpp"
#include "support/shared_data.hpp"

namespace {
using bert::metrics::brier, bert::metrics::reliability;

bool near(double a, double b) { return std::abs(a - b) <= 1e-9 * std::max({1e-3, std::abs(a), std::abs(b)}); }
}  // namespace

TEST_CASE("bins are open below and closed above, and a probability of 0 belongs to the first") {
  reliability r;
  for (const double p : {0.0, 0.1, 0.10001, 0.3, 0.7, 1.0}) r.add(p, p > 0.5);
  const auto bins = r.bins();
  REQUIRE(bins.size() == 10);
  CHECK(bins[0].count == 2);
  CHECK(bins[1].count == 1);
  CHECK(bins[2].count == 1);
  CHECK(bins[2].upper == 0.3);
  CHECK(bins[6].count == 1);
  CHECK(bins[9].count == 1);
  CHECK(bins[9].frequency == 1.0);
  CHECK(bins[5].count == 0);
  CHECK(bins[5].probability == 0);
  CHECK(r.total() == 6);
}

TEST_CASE("the calibration error weighs each bin's difference by its size; the largest is that of one bin") {
  reliability r(2);
  r.add(0.4, true);
  r.add(0.2, false);
  r.add(0.9, false);
  CHECK(r.expected_calibration_error() == doctest::Approx((std::abs(0.6 - 1) + 0.9) / 3));
  CHECK(r.maximum_calibration_error() == doctest::Approx(0.9));
  CHECK(reliability().expected_calibration_error() == 0);
  CHECK(brier(0.75, true) == 0.0625);
  CHECK(brier(std::vector<double>{0.5, 0.25, 0.25}, 0) == 0.375);
  std::ostringstream out;
  out << r;
  CHECK(out.str() ==
        "        bin     count  probability  frequency\n"
        "(0.00, 0.50]        2       0.3000     0.5000\n"
        "(0.50, 1.00]        1       0.9000     0.0000\n"
        "expected calibration error 0.4333, largest 0.9000, 3 predictions\n");
}

TEST_CASE("no bins, probabilities that are none, and labels out of range are errors") {
  CHECK_THROWS_AS(reliability(0), bert::error);
  for (const double p : {-0.1, 1.1, std::nan("")})
    CHECK_THROWS_WITH_AS(reliability().add(p, true), doctest::Contains("a probability from 0 to 1"), bert::error);
  CHECK_THROWS_WITH_AS((void)brier(std::vector<double>{0.5, 0.5}, 2), doctest::Contains("a label of 0 to 1, found 2"),
                       bert::error);
}

TEST_CASE("calibration errors, bins and Brier scores of recorded predictions are the reference's") {
  const auto path = support::shared_data("../metrics/calibration.jsonl");
  if (!path) return;
  std::ifstream lines(*path);
  std::size_t cases = 0;
  for (std::string line; std::getline(lines, line); ++cases) {
    const auto j = bert::io::parse_json(line, "calibration.jsonl");
    CAPTURE(j.find("id")->dump());
    const auto labels = bert::io::require<std::vector<std::int32_t>>(j, "labels", "case");
    reliability r;
    double sum = 0;
    if (bert::io::require<std::string>(j, "kind", "case") == "binary") {
      const auto p = bert::io::require<std::vector<double>>(j, "probs", "case");
      for (std::size_t i = 0; i < p.size(); ++i) {
        r.add(p[i], labels[i] == 1);
        sum += brier(p[i], labels[i] == 1);
      }
    } else {
      const auto p = bert::io::require<std::vector<std::vector<double>>>(j, "probs", "case");
      for (std::size_t i = 0; i < p.size(); ++i) {
        const auto best = std::max_element(p[i].begin(), p[i].end());
        r.add(*best, best - p[i].begin() == labels[i]);
        sum += brier(p[i], labels[i]);
      }
    }
    CHECK(near(r.expected_calibration_error(), bert::io::require<double>(j, "ece", "case")));
    CHECK(near(sum / static_cast<double>(labels.size()), bert::io::require<double>(j, "brier", "case")));
    const auto counts = bert::io::require<std::vector<std::uint64_t>>(j, "bin_counts", "case");
    for (std::size_t i = 0; i < counts.size(); ++i) CHECK(r.bins()[i].count == counts[i]);
  }
  CHECK(cases == 60);
}
