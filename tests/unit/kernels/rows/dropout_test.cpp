// Layer: tests. Of: include/bert/kernels/rows/dropout.hpp
#include "bert/kernels/rows/dropout.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "support/kernel_description.hpp"
#include "support/kernels/row_kernels.hpp"

using namespace bert;
using namespace bert::test;

TEST_CASE("residual sums with and without dropout agree with the plain loops") {
  for (const auto& [rows, cols] : {std::array<std::size_t, 2>{1, 1}, {3, 7}, {40, 130}, {33, 768}}) {
    check_kernel(residual_kernel{{rows, cols}});
    check_kernel(residual_kernel{{rows, cols}, {.rate = 0.0f, .key = 11}});
  }
}

TEST_CASE("the share dropped is the rate, in every row, in every column, and for pairs of neighbors") {
  for (const float rate : {0.1f, 0.5f, 0.9f}) {
    CAPTURE(rate);
    const kernels::dropout drop{.rate = rate, .key = 99};
    constexpr std::size_t n = 2'000;
    std::vector<std::size_t> by_row(n), by_column(n);
    std::size_t all = 0, beside = 0, below = 0;
    for (std::size_t r = 0; r < n; ++r)
      for (std::uint32_t c = 0; c < n; ++c) {
        const bool dropped = !drop.keep(r, c);
        if (!dropped) continue;
        ++by_row[r], ++by_column[c], ++all;
        beside += !drop.keep(r, c + 1);
        below += !drop.keep(r + 1, c);
      }
    const double p = static_cast<double>(rate), many = static_cast<double>(n);
    const auto within = [](double got, double mean, double deviations, double sigma) {
      return std::abs(got - mean) <= deviations * sigma;
    };
    CHECK(within(static_cast<double>(all), p * many * many, 4, many * std::sqrt(p * (1 - p))));
    CHECK(within(static_cast<double>(beside), p * p * many * many, 4, many * p));
    CHECK(within(static_cast<double>(below), p * p * many * many, 4, many * p));
    for (std::size_t i = 0; i < n; ++i) {
      CHECK(within(static_cast<double>(by_row[i]), p * many, 5, std::sqrt(many * p * (1 - p))));
      CHECK(within(static_cast<double>(by_column[i]), p * many, 5, std::sqrt(many * p * (1 - p))));
    }
  }
}

TEST_CASE("the mask of a key and a row never changes: trainings resume on other machines and versions") {
  struct known {
    std::uint64_t key, row;
    std::uint32_t row_key;
    std::uint64_t kept;  // bit c: column c
  };
  // Worked out outside of this library, from the published constants of SplitMix64 and of the mixer.
  for (const known& k : {known{0, 0, 0xE220A838, 0x747DD66B702D38BC}, known{5, 7, 0x82D78C12, 0x2EF83A54E8510083},
                         known{0x123456789ABCDEF0, std::uint64_t{1} << 40, 0x3615569D, 0x420D5E57EC10E5F3}}) {
    const kernels::dropout drop{.rate = 0.5f, .key = k.key};
    CHECK(drop.row_key(k.row) == k.row_key);
    std::uint64_t kept = 0;
    for (std::uint32_t c = 0; c < 64; ++c) kept |= std::uint64_t{drop.keep(k.row, c)} << c;
    CHECK(kept == k.kept);
  }
}

TEST_CASE("another key is another mask, and the factors of a register are those of its elements") {
  const kernels::dropout a{.rate = 0.5f, .key = 1}, b{.rate = 0.5f, .key = 2};
  std::size_t same = 0;
  for (std::uint32_t c = 0; c < 10'000; ++c) same += a.keep(3, c) == b.keep(3, c);
  CHECK(std::abs(static_cast<double>(same) - 5'000) < 250);

  std::array<float, kernels::lanes> factors;
  std::array<std::uint32_t, kernels::lanes> keys;
  for (std::uint32_t col = 0; col < 100; ++col) {
    kernels::store(factors.data(), a.factors(a.row_key(7), col));
    for (std::uint32_t l = 0; l < kernels::lanes; ++l) CHECK(factors[l] == (a.keep(7, col + l) ? 2.0f : 0.0f));
    for (std::size_t l = 0; l < kernels::lanes; ++l) keys[l] = a.row_key(l);
    kernels::store(factors.data(), a.factors(keys.data(), col));
    for (std::size_t l = 0; l < kernels::lanes; ++l) CHECK(factors[l] == (a.keep(l, col) ? 2.0f : 0.0f));
  }
}
