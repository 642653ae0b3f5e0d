#include "bert/metrics/many.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "bert/io/json.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/labels/many_of.hpp"
#include "support/shared_data.hpp"

namespace {
using bert::io::require;
using bert::metrics::confusion, bert::metrics::many_report;
struct emotions : bert::labels::many_of<"joy", "anger", "fear"> {};

bool near(double a, double b) { return std::abs(a - b) <= 1e-9 * std::max({1e-3, std::abs(a), std::abs(b)}); }

many_report<emotions> four_texts() {
  many_report<emotions> r;
  r.add(std::array{0.9f, 0.2f, 0.4f}, std::array{1.0f, 0.0f, 1.0f});
  r.add(std::array{0.6f, 0.5f, 0.1f}, std::array{0.0f, 1.0f, 0.0f});
  r.add(std::array{0.1f, 0.2f, 0.3f}, std::array{0.0f, 0.0f, 1.0f});
  r.add(std::array{0.7f, 0.1f, 0.1f}, std::array{1.0f, -1.0f, -1.0f});
  return r;
}
}  // namespace

TEST_CASE("labels are predicted where their probability reaches the threshold, and unknown ones count nowhere") {
  const auto r = four_texts();
  CHECK(r.total() == 4);
  CHECK(r.of(0).expected == 2);
  CHECK(r.of(0).predicted == 3);
  CHECK(r.of(0).correct == 2);
  CHECK(r.f1<"anger">() == 1.0);
  CHECK(r.f1("fear") == 0.0);
  CHECK(r.of(1).predicted == 1);  // 0.5 reaches 0.5
  CHECK(r.micro_f1() == doctest::Approx(2 * 3.0 / (5 + 4)));
  CHECK(r.macro_f1() == doctest::Approx((0.8 + 1 + 0) / 3));
  CHECK(r.subset_accuracy() == 0.25);
  CHECK(r.hamming_loss() == doctest::Approx(3.0 / 10));
  CHECK(r.samples_f1() == doctest::Approx((2.0 / 3 + 2.0 / 3 + 0 + 1) / 4));
}

TEST_CASE("thresholds that are tuned here have the best F1 here, and can be applied to other predictions") {
  const auto r = four_texts();
  CHECK(r.tuned_thresholds() == std::vector<float>{0.7f, 0.5f, 0.3f});
  const auto tuned = r.at(r.tuned_thresholds());
  CHECK(tuned.macro_f1() == 1.0);
  CHECK(tuned.subset_accuracy() == 1.0);
  CHECK(tuned.thresholds()[2] == 0.3f);
  const float one = r.tuned_threshold();
  for (int i = 0; i <= 100; ++i) CHECK(r.at(static_cast<float>(i) / 100).micro_f1() <= r.at(one).micro_f1());
  CHECK(r.at(0.5f).line() == r.line());
  CHECK(tuned.at(0.5f).line() == r.line());
  many_report<emotions> none;
  none.add(std::array{0.9f, 0.2f, 0.4f}, std::array{0.0f, 0.0f, 0.0f});
  CHECK(none.tuned_thresholds() == std::vector<float>{0.5f, 0.5f, 0.5f});
  CHECK(none.tuned_threshold() == 0.5f);
}

TEST_CASE("a report prints a line for scripts and a row a label") {
  many_report<bert::labels::dynamic_set> r(bert::labels::dynamic_set{"a", "b"});
  r.add(std::array{0.9f, 0.2f}, std::array{1.0f, 1.0f});
  r.add_loss(0.25, 2);
  CHECK(r.line() == "micro_f1=0.6667 macro_f1=0.5000 loss=0.2500");
  std::ostringstream out;
  out << r;
  CHECK(out.str() ==
        "label    precision  recall      f1  threshold  examples\n"
        "a           1.0000  1.0000  1.0000     0.5000         1\n"
        "b           0.0000  0.0000  0.0000     0.5000         1\n"
        "F1 micro 0.6667, macro 0.5000, subset accuracy 0.0000, Hamming loss 0.5000, loss 0.2500, 1 examples\n");
  CHECK_THROWS_WITH_AS((void)r.f1("c"), doctest::Contains("one of \"a\", \"b\", found \"c\""), bert::error);
  CHECK_THROWS_WITH_AS(r.add(std::array{0.1f}, std::array{1.0f}), doctest::Contains("2 probabilities and targets"),
                       bert::error);
  CHECK_THROWS_WITH_AS((void)r.at(std::vector<float>{0.5f}), doctest::Contains("expected 2 thresholds, one a label, found 1"),
                       bert::error);
}

TEST_CASE("a report of nothing has ratios of 0") {
  const many_report<emotions> r;
  CHECK(r.micro_f1() == 0);
  CHECK(r.subset_accuracy() == 0);
  CHECK(r.hamming_loss() == 0);
  CHECK(r.samples_f1() == 0);
  CHECK(r.micro_average_precision() == 0);
}

TEST_CASE("metrics of several labels and of classes are scikit-learn's on recorded predictions") {
  const auto path = support::shared_data("../metrics/classification.jsonl");
  if (!path) return;
  std::ifstream lines(*path);
  std::size_t several = 0, classes = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto j = bert::io::parse_json(line, "classification.jsonl");
    const auto kind = require<std::string>(j, "kind", "case");
    const auto number = [&](const char* key) { return require<double>(j, key, "case"); };
    CAPTURE(j.find("id")->dump());
    if (kind == "multilabel") {
      ++several;
      const auto width = require<std::size_t>(j, "labels", "case");
      std::vector<std::string> names;
      for (std::size_t l = 0; l < width; ++l) names.push_back("l" + std::to_string(l));
      many_report<bert::labels::dynamic_set> r{bert::labels::dynamic_set(names)};
      const auto gold = require<std::vector<std::vector<float>>>(j, "gold", "case");
      const auto scores = require<std::vector<std::vector<float>>>(j, "scores", "case");
      for (std::size_t i = 0; i < gold.size(); ++i) r.add(scores[i], gold[i]);
      CHECK(near(r.subset_accuracy(), number("subset_accuracy")));
      CHECK(near(r.hamming_loss(), number("hamming_loss")));
      CHECK(near(r.micro_f1(), number("micro_f1")));
      CHECK(near(r.macro_f1(), number("macro_f1")));
      CHECK(near(r.samples_f1(), number("samples_f1")));
      CHECK(near(r.micro_average_precision(), number("micro_ap")));
      CHECK(near(r.macro_average_precision(), number("macro_ap")));
      const auto f1 = require<std::vector<double>>(j, "f1", "case"), ap = require<std::vector<double>>(j, "ap", "case");
      for (std::size_t l = 0; l < width; ++l) {
        CHECK(near(r.f1(static_cast<int>(l)), f1[l]));
        CHECK(near(r.average_precision(static_cast<int>(l)), ap[l]));
      }
    } else if (kind == "multiclass") {
      ++classes;
      confusion c(require<int>(j, "classes", "case"));
      c.add(require<std::vector<std::int32_t>>(j, "gold", "case"), require<std::vector<std::int32_t>>(j, "pred", "case"));
      CHECK(near(c.accuracy(), number("accuracy")));
      CHECK(near(c.accuracy(), number("micro_f1")));
      CHECK(near(c.macro_f1(), number("macro_f1_all")));
      CHECK(near(c.macro_f1_of_present(), number("macro_f1")));
      CHECK(near(c.weighted_f1(), number("weighted_f1")));
      CHECK(near(c.matthews(), number("mcc")));
      const auto f1 = require<std::vector<double>>(j, "f1", "case"), p = require<std::vector<double>>(j, "precision", "case"),
                 recall = require<std::vector<double>>(j, "recall", "case");
      for (int k = 0; k < c.classes(); ++k) {
        CHECK(near(c.f1(k), f1[static_cast<std::size_t>(k)]));
        CHECK(near(c.precision(k), p[static_cast<std::size_t>(k)]));
        CHECK(near(c.recall(k), recall[static_cast<std::size_t>(k)]));
      }
    }
  }
  CHECK(several == 40);
  CHECK(classes == 110);
}
