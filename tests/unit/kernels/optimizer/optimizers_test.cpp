// Layer: tests. Of: include/bert/kernels/optimizer/{sgd,lion,lamb,adafactor,range_sums}.hpp
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "support/kernel_description.hpp"
#include "support/kernels/optimizer_kernels.hpp"

using namespace bert;
using namespace bert::test;

TEST_CASE("SGD agrees with the plain loop for any length, classical and Nesterov's") {
  for (const std::size_t n : {1u, 15u, 17u, 8193u, 20'000u}) check_kernel(sgd_kernel{n});
  sgd_kernel nesterov{1000};
  nesterov.step.kind = kernels::momentum_kind::nesterov;
  check_kernel(nesterov);
}

TEST_CASE("Lion agrees with the plain loop for any length, and does not move along a gradient and momentum of 0") {
  for (const std::size_t n : {1u, 15u, 17u, 8193u, 20'000u}) check_kernel(lion_kernel{n});
  const array<float> gradient{0.0f, 3.0f, -1e-9f};
  array<float> m(3), p{1.0f, 1.0f, 1.0f};
  kernels::lion(execution::serial{}, {.rate = 0.25f}, gradient, m, p);
  CHECK(p[0] == 1.0f);
  CHECK(p[1] == 0.75f);
  CHECK(p[2] == 1.25f);
}

TEST_CASE("LAMB agrees with the plain loop for any length, with and without its ratio") {
  for (const std::size_t n : {1u, 15u, 17u, 4097u, 8193u, 20'000u}) check_kernel(lamb_kernel{n});
  check_kernel(lamb_kernel{1000, kernels::trust_ratio::one});
}

TEST_CASE("LAMB moves a tensor by the rate times its norm, and one of zeros by the rate times the step") {
  array<float> m(4), v(4), p{3.0f, 4.0f, 0.0f, 0.0f};
  const array<float> gradient{1.0f, -1.0f, 0.5f, 2.0f};
  const kernels::adamw_step step{.rate = 0.01f, .correction1 = 0.1f, .correction2 = 0.001f};
  const array<float> before = p;
  kernels::lamb(execution::serial{}, step, kernels::trust_ratio::norms, gradient, m, v, p);
  double squares = 0;
  for (std::size_t i = 0; i < 4; ++i) squares += std::pow(static_cast<double>(p[i] - before[i]), 2);
  CHECK(std::sqrt(squares) == doctest::Approx(0.05).epsilon(1e-4));
  array<float> m0(4), v0(4), p0(4);
  kernels::lamb(execution::serial{}, step, kernels::trust_ratio::norms, gradient, m0, v0, p0);
  CHECK(p0[1] == doctest::Approx(0.01).epsilon(1e-4));
}

TEST_CASE("Adafactor agrees with the plain loop for matrices and vectors of any size") {
  for (const std::size_t n : {1u, 15u, 17u, 4097u, 20'000u}) check_kernel(adafactor_kernel{n, 0});
  check_kernel(adafactor_kernel{1, 1});
  check_kernel(adafactor_kernel{3, 17});
  check_kernel(adafactor_kernel{70, 131});
  check_kernel(adafactor_kernel{2100, 16});
}

TEST_CASE("Adafactor leaves rows and columns without a gradient where they are") {
  const array<float> gradient{0.0f, 0.0f, 0.0f, 0.5f};
  array<float> rows(2), columns(2), p{1.0f, 2.0f, 3.0f, 4.0f};
  const kernels::adafactor_step step{.rate = 0.1f};
  kernels::adafactor(execution::serial{}, step, matrix<const float>{gradient.data(), 2, 2}, rows, columns,
                     matrix<float>{p.data(), 2, 2});
  CHECK(p[0] == 1.0f);
  CHECK(p[1] == 2.0f);
  CHECK(p[2] == 3.0f);
  CHECK(p[3] == doctest::Approx(3.9).epsilon(0.02));
}

TEST_CASE("sums over ranges are those of a plain loop, each in its register") {
  array<float> x(10'000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7);
  const auto sums =
      kernels::range_sums<2>(execution::serial{}, x.size(), [&](std::size_t i, auto extent, kernels::register_sums<2>& s) {
        const kernels::simd v = kernels::load(x.data() + i, extent);
        s[0] += v;
        s[1] += v * v;
      });
  double first = 0, second = 0;
  for (const float v : x) first += static_cast<double>(v), second += static_cast<double>(v) * static_cast<double>(v);
  CHECK(sums[0] == doctest::Approx(first).epsilon(1e-6));
  CHECK(sums[1] == doctest::Approx(second).epsilon(1e-6));
}
