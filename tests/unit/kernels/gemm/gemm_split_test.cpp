// Layer: tests. Of: include/bert/kernels/gemm/gemm_split.hpp
#include "bert/kernels/gemm/gemm_split.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "bert/core/amx_permission.hpp"
#include "bert/core/random.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "support/kernels/arrays.hpp"
#include "support/largest.hpp"

using namespace bert;
using namespace bert::kernels;

namespace {

struct shape {
  std::size_t m, n, k;
};
const std::vector<shape> shapes{{1, 1, 1},     {5, 31, 31},  {16, 32, 32},  {17, 33, 33},
                                {33, 40, 200}, {70, 65, 97}, {129, 32, 130}};

std::vector<float> numbers(std::size_t count, std::uint64_t seed) {
  random_stream random(seed, draw::user);
  std::vector<float> out(count);
  for (float& x : out) x = random.uniform() * 2 - 1;
  return out;
}

/// The parts of x, by their definition.
template <std::size_t Parts>
std::array<float, Parts> parts_of(float x) {
  std::array<float, Parts> out;
  for (float& part : out) part = to_float(to_bf16(x)), x -= part;
  return out;
}

template <class Tiles, std::size_t Parts>
std::vector<float> product(const shape& s, const std::vector<float>& x, const std::vector<float>& w, std::size_t threads) {
  const execution::threads run{threads};
  const std::size_t stride = split_stride(s.k, Parts);
  buffer<float> a(s.m * stride), b(packed_split_size(s.k, s.n, Parts));
  for (std::size_t i = 0; i < s.m; ++i) split_row<Parts>(x.data() + i * s.k, s.k, a.data() + i * stride);
  const auto packed = pack_split<Parts>(run, {w.data(), s.n, s.k}, b.data());
  std::vector<float> out(s.m * s.n, -1.0f);
  gemm_split<Tiles>(run, split_rows<Parts>{{a.data(), s.m, split_words(s.k, Parts), stride}}, packed,
                    epilogue::store{{out.data(), s.m, s.n}});
  return out;
}

/// The documented order.
template <std::size_t Parts>
float expected(const shape& s, const float* x, const float* w) {
  const std::vector<std::array<std::size_t, 2>> terms =
      Parts == 2 ? std::vector<std::array<std::size_t, 2>>{{1, 0}, {0, 0}, {0, 1}}
                 : std::vector<std::array<std::size_t, 2>>{{0, 2}, {0, 1}, {1, 1}, {1, 0}, {2, 0}, {0, 0}};
  float sum = 0;
  for (std::size_t k = 0; k < s.k; k += 32)
    for (const auto& [i, j] : terms) {
      float half[2] = {};
      for (std::size_t e = k; e < std::min(s.k, k + 32); ++e)
        half[e % 2] = std::fma(parts_of<Parts>(x[e])[i], parts_of<Parts>(w[e])[j], half[e % 2]);
      sum += half[0] + half[1];
    }
  return sum;
}

template <std::size_t Parts>
void check_bits() {
  for (const shape& s : shapes) {
    CAPTURE(s.m);
    CAPTURE(s.n);
    CAPTURE(s.k);
    const auto x = numbers(s.m * s.k, 1), w = numbers(s.n * s.k, 2);
    const auto out = product<amx::plain_tiles, Parts>(s, x, w, 1);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < s.m; ++i)
      for (std::size_t j = 0; j < s.n; ++j)
        wrong += out[i * s.n + j] == expected<Parts>(s, x.data() + i * s.k, w.data() + j * s.k) ? 0 : 1;
    CHECK(wrong == 0);
    CHECK(product<amx::plain_tiles, Parts>(s, x, w, 3) == out);
#if BERT_AMX
    if (amx_permitted()) CHECK(product<amx::processor_tiles, Parts>(s, x, w, 2) == out);
#endif
  }
}

/// The greatest error of a product of depth 768, over the root of the depth.
template <std::size_t Parts>
double largest_error() {
  const shape s{8, 32, 768};
  const auto x = numbers(s.m * s.k, 3), w = numbers(s.n * s.k, 4);
  const auto out = product<amx::plain_tiles, Parts>(s, x, w, 1);
  support::largest most;
  for (std::size_t i = 0; i < s.m; ++i)
    for (std::size_t j = 0; j < s.n; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < s.k; ++k) sum += static_cast<double>(x[i * s.k + k]) * static_cast<double>(w[j * s.k + k]);
      most.add(std::abs(sum - static_cast<double>(out[i * s.n + j])));
    }
  return most.value() / std::sqrt(768.0);
}

}  // namespace

TEST_CASE("the parts of a number add up to it, zeros fill the last step, for any width") {
  for (const std::size_t k : {1u, 15u, 32u, 33u, 100u}) {
    const auto row = numbers(k, k);
    std::vector<float> memory(split_words(k, 3), 7.0f);
    split_row<3>(row.data(), k, memory.data());
    const auto* part = reinterpret_cast<const bf16*>(memory.data());
    std::size_t wrong = 0;
    for (std::size_t j = 0; j < round_up(k, 32); ++j) {
      const auto expected = j < k ? parts_of<3>(row[j]) : std::array<float, 3>{};
      float sum = 0;
      for (std::size_t i = 3; i-- > 0;) {
        const float own = to_float(part[j / 32 * 96 + i * 32 + j % 32]);
        wrong += own == expected[i] ? 0 : 1;
        sum += own;
      }
      wrong += sum == (j < k ? row[j] : 0.0f) ? 0 : 1;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("a product of two parts has the bits of its documented order, by plain tiles and the processor's") {
  check_bits<2>();
}
TEST_CASE("a product of three parts has the bits of its documented order, by plain tiles and the processor's") {
  check_bits<3>();
}

TEST_CASE("two parts are accurate to some 16 bits, three as f32") {
  CHECK(largest_error<2>() < 0x1p-16);
  CHECK(largest_error<2>() > 0x1p-20);
  CHECK(largest_error<3>() < 0x1p-21);
}
