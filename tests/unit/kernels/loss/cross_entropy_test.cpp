// Layer: tests. Of: include/bert/kernels/loss/cross_entropy.hpp
#include "bert/kernels/loss/cross_entropy.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "support/kernel_description.hpp"
#include "support/kernels/row_kernels.hpp"

using namespace bert;
using namespace bert::test;

TEST_CASE("cross-entropy and its gradient agree with the plain loops, ignored rows included") {
  for (const auto& [rows, cols] : {std::array<std::size_t, 2>{1, 2}, {5, 3}, {9, 17}, {20, 1003}, {6, 8192}, {4, 31}})
    check_kernel(cross_entropy_kernel{{rows, cols}});
}

TEST_CASE("the gradient may overwrite the logits") {
  const cross_entropy_kernel k{{5, 200}};
  const auto in = random_arrays<float>(k.inputs(), 4);
  auto apart = filled<float>(k.inputs(), 0.0f);
  k.backward(execution::serial{}, in, {}, apart);
  auto same = arrays<float>{in[0]};
  k.backward(execution::serial{}, same, {}, same);
  CHECK(same_bits(same, apart));
}

TEST_CASE("the first of equal greatest logits is the prediction") {
  for (const std::size_t cols : {2u, 3u, 16u, 17u, 100u})
    for (std::size_t best = 0; best < cols; ++best) {
      array<float> logits(cols, -1.0f);
      logits[best] = logits[cols - 1] = 5.0f;
      const std::vector<std::int32_t> targets{-1};
      float loss = 1.0f;
      std::int32_t predicted = -1;
      kernels::cross_entropy(execution::serial{}, {logits.data(), 1, cols}, targets, &loss, &predicted, {}, 1.0f);
      CHECK(predicted == static_cast<std::int32_t>(best));
      CHECK(loss == 0.0f);
    }
}

TEST_CASE("the loss of a certain and wrong answer is its margin, not infinity") {
  const array<float> logits{200.0f, 0.0f};
  const std::vector<std::int32_t> targets{1};
  float loss = 0.0f;
  kernels::cross_entropy(execution::serial{}, {logits.data(), 1, 2}, targets, &loss, nullptr, {}, 1.0f);
  CHECK(loss == 200.0f);
}

TEST_CASE("a row of NaNs has a NaN for a loss and some class of its own for a prediction") {
  constexpr std::size_t cols = 43;
  array<float> logits(cols, std::numeric_limits<float>::quiet_NaN());
  const std::vector<std::int32_t> targets{1};
  float loss = 0.0f;
  std::int32_t predicted = -1;
  kernels::cross_entropy(execution::serial{}, {logits.data(), 1, cols}, targets, &loss, &predicted, {}, 1.0f);
  CHECK(std::isnan(loss));
  CHECK(predicted >= 0);
  CHECK(predicted < static_cast<std::int32_t>(cols));
}
