// Layer: tests. Of: include/bert/kernels/loss/span_cross_entropy.hpp
#include "bert/kernels/loss/span_cross_entropy.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "support/kernel_description.hpp"
#include "support/kernels/span_kernels.hpp"

using namespace bert;
using namespace bert::test;

TEST_CASE("the loss of spans and its gradient agree with the plain loops, ignored sequences included") {
  for (const auto& lengths : std::vector<std::vector<std::size_t>>{
           {1}, {2, 1, 3}, {8, 4, 16, 5, 9, 7, 33}, {384, 13, 200, 511, 64, 100, 17, 31}, std::vector<std::size_t>(64, 150)})
    check_kernel(span_cross_entropy_kernel{lengths});
}

TEST_CASE("the gradient may overwrite the logits, and those of one end sum to zero") {
  const span_cross_entropy_kernel k{{37, 5, 64}};
  const auto in = random_arrays<float>(k.inputs(), 4);
  auto apart = filled<float>(k.inputs(), 0.0f);
  k.backward(execution::serial{}, in, {}, apart);
  auto same = arrays<float>{in[0]};
  k.backward(execution::serial{}, same, {}, same);
  CHECK(same_bits(same, apart));
  const auto starts = k.starts();
  for (std::size_t s = 0; s < 3; ++s)
    for (std::size_t c = 0; c < 2; ++c) {
      double sum = 0;
      for (std::size_t n = starts[s]; n < starts[s + 1]; ++n) sum += static_cast<double>(apart[0][2 * n + c]);
      CHECK(std::abs(sum) < 1e-6);
    }
}

TEST_CASE("a sequence has the same bits beside others") {
  const span_cross_entropy_kernel all{{37, 21, 64}}, alone{{37}};
  const auto in = random_arrays<float>(all.inputs(), 4);
  const arrays<float> first{array<float>(in[0].begin(), in[0].begin() + 74)};
  auto d_all = filled<float>(all.inputs(), 0.0f), d_alone = filled<float>(alone.inputs(), 0.0f);
  all.backward(execution::serial{}, in, {}, d_all);
  alone.backward(execution::serial{}, first, {}, d_alone);
  d_all[0].resize(74);
  CHECK(same_bits(d_all, d_alone));
}

TEST_CASE("the first of equal greatest logits is each end's prediction") {
  for (const std::size_t tokens : {1u, 2u, 7u, 8u, 9u, 40u})
    for (std::size_t best = 0; best < tokens; ++best) {
      array<float> logits(2 * tokens, -1.0f);
      logits[2 * best] = logits[2 * (tokens - 1)] = 5.0f;
      logits[2 * (tokens - 1 - best) + 1] = 7.0f;
      const std::vector<std::size_t> starts{0, tokens};
      const std::vector<token_span> spans(1);
      float loss = 1.0f;
      token_span predicted;
      kernels::span_cross_entropy(execution::serial{}, {logits.data(), tokens, 2}, starts, spans, &loss, &predicted, {}, 1.0f);
      CHECK(predicted == token_span{static_cast<std::int32_t>(best), static_cast<std::int32_t>(tokens - 1 - best)});
      CHECK(loss == 0.0f);
    }
}

TEST_CASE("a certain and wrong answer has half of both margins as its loss, a NaN a NaN") {
  array<float> logits{200.0f, 0.0f, 0.0f, 100.0f};
  const std::vector<std::size_t> starts{0, 2};
  const std::vector<token_span> spans{{1, 1}};
  float loss = 0.0f;
  kernels::span_cross_entropy(execution::serial{}, {logits.data(), 2, 2}, starts, spans, &loss, nullptr, {}, 1.0f);
  CHECK(loss == 100.0f);
  logits[0] = logits[2] = std::numeric_limits<float>::quiet_NaN();
  token_span predicted;
  kernels::span_cross_entropy(execution::serial{}, {logits.data(), 2, 2}, starts, spans, &loss, &predicted, {}, 1.0f);
  CHECK(std::isnan(loss));
  CHECK(predicted.first >= 0);
  CHECK(predicted.first < 2);
}
