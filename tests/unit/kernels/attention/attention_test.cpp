// Layer: tests. Of: include/bert/kernels/{attention,attention_backward,block_product}.hpp
#include "bert/kernels/attention/attention.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "support/kernel_description.hpp"
#include "support/kernels/attention_kernel.hpp"

using namespace bert;
using namespace bert::test;

TEST_CASE("attention and its gradient agree with the plain loops for ragged lengths and any head_dim") {
  check_kernel(attention_kernel<64>{{1, 17, 65}, 2});
  check_kernel(attention_kernel<12>{{33, 2, 5}, 6});
  check_kernel(attention_kernel<12>{{64, 48, 3, 31, 16, 15}, 2});
  check_kernel(attention_kernel<1>{{20, 7}, 3});
  check_kernel(attention_kernel<70>{{9, 66}, 1});
}

TEST_CASE("attention over many blocks of keys and queries agrees with the plain loops") {
  agrees_with_reference(attention_kernel<64>{{512, 130, 129}, 1});
  backward_agrees_with_reference(attention_kernel<64>{{200, 130}, 2}, 6e-6);
  backward_agrees_with_reference(attention_kernel<12>{{300}, 2}, 6e-6);
}

TEST_CASE("attention with dropout agrees with the plain loops under the same mask") {
  check_kernel(attention_kernel<64>{{30, 1, 70}, 2, {.rate = 0.1f, .key = 5}});
  check_kernel(attention_kernel<12>{{18, 9}, 2, {.rate = 0.4f, .key = 6}});
}

TEST_CASE("a sequence's attention has the same bits alone and among others") {
  constexpr int dim = 12;
  const std::vector<std::size_t> lengths{5, 130, 64, 1, 77};
  attention_kernel<dim> together{lengths, 3};
  const auto in = random_arrays<float>(together.inputs(), 6), d_out = random_arrays<float>(together.outputs(), 7);
  auto out = filled<float>(together.outputs(), 0.0f), d_in = filled<float>(together.inputs(), 0.0f);
  together.forward(execution::threads{2}, in, out);
  together.save(execution::threads{2}, in);
  together.backward(execution::threads{2}, in, d_out, d_in);
  for (std::size_t s = 0; s < lengths.size(); ++s) {
    attention_kernel<dim> alone{{lengths[s]}, 3};
    const auto part = [&](const array<float>& all, std::size_t width) {
      const auto from = all.begin() + static_cast<std::ptrdiff_t>(together.starts[s] * width);
      return array<float>(from, from + static_cast<std::ptrdiff_t>(lengths[s] * width));
    };
    auto alone_out = filled<float>(alone.outputs(), 0.0f), alone_d_in = filled<float>(alone.inputs(), 0.0f);
    alone.forward(execution::serial{}, {part(in[0], 108)}, alone_out);
    alone.save(execution::serial{}, {part(in[0], 108)});
    alone.backward(execution::serial{}, {part(in[0], 108)}, {part(d_out[0], 36)}, alone_d_in);
    CHECK(same_bits(alone_out, {part(out[0], 36)}));
    CHECK(same_bits(alone_d_in, {part(d_in[0], 108)}));
  }
}

TEST_CASE("the log-sums are those of the scaled scores, head by head") {
  const attention_kernel<12> k{{40, 70}, 2};
  const auto in = random_arrays<float>(k.inputs(), 1);
  auto out = filled<float>(k.outputs(), 0.0f);
  array<float> log_sum(k.tokens() * k.heads);
  kernels::attention<12>(execution::serial{}, k.wide(in[0], 3), k.starts, k.wide(out[0], 1), log_sum.data(), {});
  const auto in64 = to_double(in);
  auto out64 = filled<double>(k.outputs(), 0.0);
  array<double> expected(log_sum.size());
  kernels::reference::attention(12, k.wide(in64[0], 3), k.starts, k.wide(out64[0], 1), expected.data(), {});
  CHECK(distance(log_sum, expected) < 1e-6);
}

TEST_CASE("scores beyond the range of exp give all attention to the greatest") {
  constexpr std::size_t tokens = 3;
  array<float> qkv(tokens * 3), context(tokens);
  for (std::size_t n = 0; n < tokens; ++n) {
    qkv[3 * n] = 100.0f;
    qkv[3 * n + 1] = static_cast<float>(n) * 10.0f;
    qkv[3 * n + 2] = static_cast<float>(n) + 1.0f;
  }
  const std::vector<std::size_t> starts{0, tokens};
  kernels::attention<1>(execution::serial{}, {qkv.data(), tokens, 3}, starts, {context.data(), tokens, 1}, nullptr, {});
  for (const float x : context) CHECK(x == 3.0f);
}
