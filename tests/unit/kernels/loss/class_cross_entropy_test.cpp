#include "bert/kernels/loss/class_cross_entropy.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "support/kernel_description.hpp"
#include "support/kernels/loss_kernels.hpp"

using namespace bert;
using namespace bert::test;

TEST_CASE("smoothing, weights and the focal factor agree with the plain loops, alone and together, ignored rows included") {
  for (const auto& [rows, cols] : {std::array<std::size_t, 2>{1, 2}, {5, 3}, {9, 17}, {6, 1003}, {4, 31}})
    for (const float smoothing : {0.0f, 0.1f})
      for (const float gamma : {0.0f, 0.5f, 2.0f})
        for (const bool weighted : {false, true})
          check_kernel(class_cross_entropy_kernel{{{rows, cols}}, smoothing, gamma, weighted});
}

TEST_CASE("without options the losses, predictions and gradients are those of the plain kernel to a rounding") {
  const cross_entropy_kernel plain{{9, 37}};
  const class_cross_entropy_kernel same{{{9, 37}}};
  const auto in = random_arrays<float>(plain.inputs(), 4);
  auto a = filled<float>(plain.inputs(), 0.0f), b = a;
  plain.backward(execution::serial{}, in, {}, a);
  same.backward(execution::serial{}, in, {}, b);
  CHECK(distance(b[0], to_double(a)[0]) < 1e-6);
}

TEST_CASE("the gradient may overwrite the logits") {
  const class_cross_entropy_kernel k{{{5, 200}}, 0.2f, 1.5f, true};
  const auto in = random_arrays<float>(k.inputs(), 4);
  auto apart = filled<float>(k.inputs(), 0.0f);
  k.backward(execution::serial{}, in, {}, apart);
  auto same = arrays<float>{in[0]};
  k.backward(execution::serial{}, same, {}, same);
  CHECK(same_bits(same, apart));
}

TEST_CASE("a class of probability 0 costs nothing without smoothing, and a certain right answer has no focal gradient") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  array<float> logits{2.0f, -inf, 1.0f}, d(3);
  const std::vector<std::int32_t> targets{0};
  float loss = -1;
  std::int32_t predicted = -1;
  kernels::class_cross_entropy(execution::serial{}, {logits.data(), 1, 3}, targets, &loss, &predicted, {d.data(), 1, 3}, 1.0f,
                               {.gamma = 2.0f});
  CHECK(std::isfinite(loss));
  CHECK(predicted == 0);
  CHECK(std::abs(d[1]) < 1e-30f);
  logits = {200.0f, 0.0f, 0.0f};
  kernels::class_cross_entropy(execution::serial{}, {logits.data(), 1, 3}, targets, &loss, &predicted, {d.data(), 1, 3}, 1.0f,
                               {.gamma = 0.5f});
  CHECK(loss == 0.0f);
  for (const float x : d) CHECK(std::abs(x) < 1e-30f);
}
