#include "bert/metrics/classification.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <sstream>

#include "bert/labels/dynamic_set.hpp"
#include "bert/labels/one_of.hpp"

namespace {

using bert::metrics::confusion;
using bert::metrics::report;
using doctest::Approx;

struct urgency : bert::labels::one_of<"routine", "soon", "urgent"> {};
struct mood : bert::labels::one_of<"negative", "positive"> {};

// Expected values: scikit-learn's definitions, computed by hand.
confusion three() {
  confusion c(3);
  constexpr std::array<std::int32_t, 10> expected{0, 0, 0, 0, 1, 1, 1, 2, 2, 2};
  constexpr std::array<std::int32_t, 10> predicted{0, 0, 0, 1, 1, 1, 2, 2, 0, 2};
  c.add(expected, predicted);
  return c;
}

TEST_CASE("precision, recall, F1 and Matthews of three classes equal values computed by hand") {
  const auto c = three();
  CHECK(c.total() == 10);
  CHECK(c.count(0, 1) == 1);
  CHECK(c.count(2, 0) == 1);
  CHECK(c.accuracy() == Approx(0.7));
  CHECK(c.precision(0) == Approx(3.0 / 4));
  CHECK(c.recall(0) == Approx(3.0 / 4));
  CHECK(c.f1(1) == Approx(2.0 / 3));
  CHECK(c.macro_f1() == Approx((0.75 + 2.0 / 3 + 2.0 / 3) / 3));
  CHECK(c.f1() == Approx(c.macro_f1()));
  // correct 7, n 10, sum e p = 16 + 9 + 9, sum e^2 = 34, sum p^2 = 34
  CHECK(c.matthews() == Approx((70.0 - 34) / (100 - 34)));
}

TEST_CASE("with two classes f1 is the positive class's and Matthews is the correlation of two binary variables") {
  confusion c(2);
  for (int i = 0; i < 6; ++i) c.add(1, 1);
  for (int i = 0; i < 2; ++i) c.add(1, 0);
  for (int i = 0; i < 3; ++i) c.add(0, 1);
  for (int i = 0; i < 9; ++i) c.add(0, 0);
  CHECK(c.f1() == Approx(12.0 / (12 + 2 + 3)));
  CHECK(c.matthews() == Approx((6 * 9 - 3 * 2) / std::sqrt(9.0 * 8 * 12 * 11)));
}

TEST_CASE("a class without examples or predictions gives 0, not NaN") {
  confusion c(2);
  CHECK(c.accuracy() == 0);
  CHECK(c.matthews() == 0);
  c.add(0, 0);
  CHECK(c.recall(1) == 0);
  CHECK(c.f1() == 0);
  CHECK(c.matthews() == 0);
}

TEST_CASE("confusions of subsets add up to that of the whole, and classes or sizes that do not match are errors") {
  auto c = three();
  c.add(three());
  CHECK(c.total() == 20);
  CHECK(c.accuracy() == Approx(0.7));
  CHECK_THROWS_AS(c.add(confusion(2)), bert::error);
  CHECK_THROWS_WITH_AS(c.add(3, 0), doctest::Contains("classes of 0 to 2, found 3 predicted as 0"), bert::error);
  CHECK_THROWS_AS(c.add(0, -1), bert::error);
  CHECK_THROWS_AS(c.add(std::array{0, 1}, std::array{0}), bert::error);
  CHECK_THROWS_AS(confusion(1), bert::error);
}

TEST_CASE("a report has metrics by class name and prints a table") {
  report<urgency> r;
  r.add(three());
  r.add_loss(0.5, 6);
  r.add_loss(1.0, 4);
  CHECK(r.recall<"routine">() == Approx(0.75));
  CHECK(r.precision<"urgent">() == r.precision(2));
  CHECK(r.f1<"soon">() == r.f1("soon"));
  CHECK_THROWS_AS((void)r.recall("urgnet"), bert::error);
  CHECK(r.loss() == Approx(0.7));
  CHECK(r.line() == "accuracy=0.7000 f1=0.6944 loss=0.7000");
  std::ostringstream out;
  out << r;
  CHECK(out.str() ==
        "class    precision  recall      f1  examples\n"
        "routine     0.7500  0.7500  0.7500         4\n"
        "soon        0.6667  0.6667  0.6667         3\n"
        "urgent      0.6667  0.6667  0.6667         3\n"
        "accuracy 0.7000, F1 0.6944 (macro), Matthews 0.5455, loss 0.7000, 10 examples\n");
}

TEST_CASE("a table is as wide as its longest name, in code points and not in bytes") {
  report<bert::labels::dynamic_set> r(bert::labels::dynamic_set{"très négatif", "好"});
  r.add(1, 1);
  std::ostringstream out;
  out << r;
  CHECK(out.str() ==
        "class         precision  recall      f1  examples\n"
        "très négatif     0.0000  0.0000  0.0000         0\n"
        "好                1.0000  1.0000  1.0000         1\n"
        "accuracy 1.0000, F1 1.0000, Matthews 0.0000, loss 0.0000, 1 examples\n");
}

TEST_CASE("a report of names known at run time has metrics by string") {
  report<bert::labels::dynamic_set> r(bert::labels::dynamic_set{"0", "1"});
  r.add(1, 1);
  r.add(0, 1);
  CHECK(r.precision("1") == Approx(0.5));
  CHECK(r.recall("0") == 0);
  const report<mood> fixed;
  CHECK(fixed.classes() == 2);
}

TEST_CASE("a mean is weighted by examples, and the perplexity of ln 20 is 20") {
  bert::metrics::mean m;
  CHECK(m.value() == 0);
  m.add(2, 3);
  m.add(4);
  CHECK(m.value() == Approx(2.5));
  CHECK(bert::metrics::perplexity(std::log(20.0)) == Approx(20));
}

TEST_CASE("Pearson is 1 for a line, Spearman for a monotonic relation, and ties share their rank") {
  const std::array x{1.0f, 2.0f, 3.0f, 4.0f}, line{3.0f, 5.0f, 7.0f, 9.0f}, curve{1.0f, 10.0f, 100.0f, 1000.0f},
      flat{2.0f, 2.0f, 2.0f, 2.0f};
  CHECK(bert::metrics::pearson(x, line) == Approx(1));
  CHECK(bert::metrics::pearson(x, curve) < 0.9);
  CHECK(bert::metrics::spearman(x, curve) == Approx(1));
  CHECK(bert::metrics::pearson(x, flat) == 0);
  const std::array ties{1.0f, 1.0f, 2.0f, 2.0f};  // ranks 0.5 0.5 2.5 2.5 against 0 1 2 3: 4 / sqrt(5 * 4)
  CHECK(bert::metrics::spearman(x, ties) == Approx(4 / std::sqrt(20.0)));
  CHECK_THROWS_WITH_AS((void)bert::metrics::pearson(x, std::span(x).first(3)), doctest::Contains("4 numbers"), bert::error);
  std::array broken = x;  // a NaN gives NaN
  broken[1] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(bert::metrics::pearson(x, broken)));
  CHECK(std::isnan(bert::metrics::spearman(x, broken)));
}

}  // namespace

TEST_CASE("100,000 classes take memory only for pairs that occur, and metrics are those of the full matrix") {
  bert::metrics::confusion sparse(100'000);  // a matrix of its counts would be 80 GB
  for (int i = 0; i < 1000; ++i) sparse.add(i * 97 % 100'000, i % 3 == 0 ? i * 97 % 100'000 : i);
  CHECK(sparse.total() == 1000);
  bert::metrics::confusion small(7), again(7);
  std::uint64_t full[7][7] = {};
  for (int i = 0; i < 500; ++i) {
    small.add(i % 7, i * i % 7);
    ++full[i % 7][i * i % 7];
  }
  again.add(small);
  again.add(small);
  for (int e = 0; e < 7; ++e) {
    std::uint64_t row = 0, column = 0;
    for (int p = 0; p < 7; ++p) {
      CHECK(small.count(e, p) == full[e][p]);
      CHECK(again.count(e, p) == 2 * full[e][p]);
      row += full[e][p];
      column += full[p][e];
    }
    CHECK(small.expected(e) == row);
    CHECK(small.predicted(e) == column);
    CHECK(small.recall(e) == doctest::Approx(again.recall(e)));
  }
  CHECK(again.matthews() == doctest::Approx(small.matthews()));
}

TEST_CASE("a report of more than 50 classes prints the 50 of the most examples; table() has all") {
  std::vector<std::string> names;
  for (int i = 0; i < 60; ++i) names.push_back(bert::cat("class", i));
  bert::metrics::report<bert::labels::dynamic_set> report{bert::labels::dynamic_set(names)};
  for (int i = 0; i < 60; ++i)
    for (int k = 0; k <= i; ++k) report.add(i, i);
  const std::string shown = bert::cat(report), all = report.table();
  const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  CHECK(lines(shown) == 53);
  CHECK(lines(all) == 62);
  CHECK(shown.find("class9 ") == std::string::npos);
  CHECK(shown.find("class10 ") != std::string::npos);
  CHECK(shown.find("and 10 classes of fewer examples\n") != std::string::npos);
  CHECK(all.find("class9 ") != std::string::npos);
}
