// Layer: tests. Of: include/bert/kernels/rows/layer_norm.hpp
#include "bert/kernels/rows/layer_norm.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "support/kernel_description.hpp"
#include "support/kernels/row_kernels.hpp"

using namespace bert;
using namespace bert::test;

TEST_CASE("layer norm agrees with the plain loops, forward and backward, for any width") {
  for (const auto& [rows, cols] :
       {std::array<std::size_t, 2>{1, 3}, {3, 7}, {5, 72}, {33, 200}, {50, 768}, {7, 17}, {2, 31}, {300, 33}, {4, 1024}})
    check_kernel(layer_norm_kernel{{rows, cols}});
}

TEST_CASE("layer norm is accurate for a mean a thousand times the spread") {
  array<float> x(256), y(256), gain(256, 1.0f), bias(256, 0.0f);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1000.0f + (i % 2 == 0 ? 1.0f : -1.0f);
  kernels::layer_norm(execution::serial{}, {x.data(), 1, 256}, gain.data(), bias.data(), 1e-12f, {y.data(), 1, 256}, nullptr,
                      nullptr);
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(y[i] == doctest::Approx(i % 2 == 0 ? 1.0 : -1.0).epsilon(1e-6));
}

TEST_CASE("layer norm in place gives the same bits as into other memory, and rows are independent") {
  const layer_norm_kernel k{{9, 75}};
  const auto in = random_arrays<float>(k.inputs(), 4);
  auto out = filled<float>(k.outputs(), 0.0f);
  k.forward(execution::serial{}, in, out);
  auto same = arrays<float>{in[0]};
  kernels::layer_norm(execution::serial{}, k.shaped(std::as_const(same[0])), in[1].data(), in[2].data(),
                      layer_norm_kernel::epsilon, k.shaped(same[0]), nullptr, nullptr);
  CHECK(same_bits(same, out));

  layer_norm_kernel saved = k;
  saved.save(execution::serial{}, in);
  const auto d_out = random_arrays<float>(k.outputs(), 5);
  auto apart = filled<float>(k.inputs(), 0.0f), in_place = filled<float>(k.inputs(), 0.0f);
  saved.backward(execution::serial{}, in, d_out, apart);
  in_place[0] = d_out[0];
  saved.backward(execution::serial{}, in, in_place, in_place);
  CHECK(same_bits(apart, in_place));

  array<float> alone(75);
  kernels::layer_norm(execution::serial{}, {in[0].data() + 4 * 75, 1, 75}, in[1].data(), in[2].data(),
                      layer_norm_kernel::epsilon, {alone.data(), 1, 75}, nullptr, nullptr);
  CHECK(std::equal(alone.begin(), alone.end(), out[0].begin() + 4 * 75));
}
