// Layer: tests. Of: include/bert/kernels/optimizer/adamw.hpp
#include "bert/kernels/optimizer/adamw.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "support/kernel_description.hpp"
#include "support/kernels/parameter_kernels.hpp"

using namespace bert;
using namespace bert::test;

TEST_CASE("AdamW agrees with the plain loop for any length") {
  for (const std::size_t n : {1u, 15u, 16u, 17u, 8191u, 8193u, 20'000u}) check_kernel(adamw_kernel{n});
  check_kernel(adamw_kernel{1000, {}});
}

TEST_CASE("the first step of AdamW moves a parameter by the rate against its gradient's sign") {
  const array<float> gradient{3.0f, -1e-3f};
  array<float> m(2), v(2), p{1.0f, 1.0f};
  const kernels::adamw_step step{.rate = 0.01f, .correction1 = 1.0f - 0.9f, .correction2 = 1.0f - 0.999f};
  kernels::adamw(execution::serial{}, step, gradient, m, v, p);
  CHECK(p[0] == doctest::Approx(0.99).epsilon(1e-6));
  CHECK(p[1] == doctest::Approx(1.01).epsilon(1e-5));
}
