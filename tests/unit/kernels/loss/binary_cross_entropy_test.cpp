#include "bert/kernels/loss/binary_cross_entropy.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>

#include "support/kernel_description.hpp"
#include "support/kernels/loss_kernels.hpp"

using namespace bert;
using namespace bert::test;

TEST_CASE("the loss of yes-or-no decisions and its gradient agree with the plain loops, with weights and with unknown cells") {
  for (const auto& [rows, cols] : {std::array<std::size_t, 2>{1, 1}, {5, 3}, {9, 17}, {3, 1003}, {4, 31}})
    for (const bool weighted : {false, true}) check_kernel(binary_cross_entropy_kernel{{rows, cols}, weighted});
}

TEST_CASE("the gradient may overwrite the logits") {
  const binary_cross_entropy_kernel k{{5, 200}, true};
  const auto in = random_arrays<float>(k.inputs(), 4);
  auto apart = filled<float>(k.inputs(), 0.0f);
  k.backward(execution::serial{}, in, {}, apart);
  auto same = arrays<float>{in[0]};
  k.backward(execution::serial{}, same, {}, same);
  CHECK(same_bits(same, apart));
}

TEST_CASE("a certain and wrong decision costs its margin, not infinity, and a NaN is not hidden") {
  array<float> logits{200.0f, -200.0f, 200.0f}, targets{0.0f, 1.0f, 1.0f}, d(3);
  float loss = 0;
  const auto run = [&] {
    kernels::binary_cross_entropy(execution::serial{}, {logits.data(), 1, 3}, {targets.data(), 1, 3}, {}, &loss,
                                  {d.data(), 1, 3}, 1.0f);
  };
  run();
  CHECK(loss == 400.0f);
  CHECK(d[0] == 1.0f);
  CHECK(d[1] == -1.0f);
  CHECK(std::abs(d[2]) < 1e-30f);
  logits[0] = std::numeric_limits<float>::quiet_NaN();
  run();
  CHECK(std::isnan(loss));
}
