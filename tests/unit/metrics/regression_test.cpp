// Layer: tests. Of: include/bert/metrics/regression.hpp
#include "bert/metrics/regression.hpp"

#include <doctest/doctest.h>

#include <sstream>

TEST_CASE("a report of numbers has the correlations and the mean squared error, in a line and in a sentence") {
  bert::metrics::regression_report report;
  report.add(1.0f, 2.0f);
  report.add(2.0f, 4.0f);
  report.add(3.0f, 9.0f);
  report.add(4.0f, 8.0f);
  CHECK(report.total() == 4);
  CHECK(report.spearman() == doctest::Approx(0.8));
  CHECK(report.pearson() == doctest::Approx(0.898684).epsilon(1e-5));
  CHECK(report.mean_squared_error() == doctest::Approx(57.0 / 4));
  CHECK(report.line() == "spearman=0.8000 pearson=0.8987 mse=14.2500");
  std::ostringstream out;
  out << report;
  CHECK(out.str() == "Pearson 0.898684, Spearman 0.8, mean squared error 14.25, 4 examples\n");
}

TEST_CASE("expected and predicted numbers are kept apart") {
  bert::metrics::regression_report report;
  report.add(1.0f, 5.0f);
  CHECK(report.expected()[0] == 1.0f);
  CHECK(report.predicted()[0] == 5.0f);
}
