#include "bert/core/beta.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "support/largest.hpp"

namespace {

std::vector<double> sorted_draws(double a, double b, std::size_t count) {
  bert::random_stream random(5, bert::draw::user, static_cast<std::uint64_t>(100 * a + b));
  std::vector<double> x(count);
  for (double& v : x) v = bert::beta(random, a, b);
  REQUIRE(std::all_of(x.begin(), x.end(), [](double v) { return v >= 0 && v <= 1; }));  // no NaN, which would not sort
  std::sort(x.begin(), x.end());
  return x;
}

/// The largest distance of the empirical distribution from `cdf`.
template <class Cdf>
double distance(const std::vector<double>& x, const Cdf& cdf) {
  support::largest most;
  for (std::size_t i = 0; i < x.size(); ++i)
    most.add(std::abs(cdf(x[i]) - (static_cast<double>(i) + 0.5) / static_cast<double>(x.size())));
  return most.value();
}

}  // namespace

TEST_CASE("beta variables have the distributions that are known in closed form") {
  constexpr std::size_t count = 20'000;  // a distance of 0.0115 is exceeded once in a hundred
  CHECK(distance(sorted_draws(1, 1, count), [](double x) { return x; }) < 0.0115);
  CHECK(distance(sorted_draws(0.5, 0.5, count), [](double x) { return 2 / std::numbers::pi * std::asin(std::sqrt(x)); }) <
        0.0115);
  CHECK(distance(sorted_draws(2, 2, count), [](double x) { return x * x * (3 - 2 * x); }) < 0.0115);
  CHECK(distance(sorted_draws(3, 1, count), [](double x) { return x * x * x; }) < 0.0115);
  CHECK(distance(sorted_draws(1, 0.25, count), [](double x) { return 1 - std::pow(1 - x, 0.25); }) < 0.0115);
}

TEST_CASE("shapes as small as 0.001 give finite numbers of 0 to 1, half of them on each side") {
  const auto x = sorted_draws(0.001, 0.001, 2'000);
  CHECK(x.front() >= 0);
  CHECK(x.back() <= 1);
  const auto above = std::count_if(x.begin(), x.end(), [](double v) { return v > 0.5; });
  CHECK(above > 900);
  CHECK(above < 1'100);
}

TEST_CASE("a stream gives the same beta variables again") {
  bert::random_stream a(1, bert::draw::user), b(1, bert::draw::user);
  for (int i = 0; i < 10; ++i) CHECK(bert::beta(a, 0.2, 0.2) == bert::beta(b, 0.2, 0.2));
}
