// Layer: tests. Of: include/bert/kernels/gemm/tile_amx.hpp
#include "bert/kernels/gemm/tile_amx.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "bert/core/amx_permission.hpp"
#include "bert/core/random.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/gemm/gemm_bf16.hpp"
#include "support/kernels/arrays.hpp"

using namespace bert;
using namespace bert::kernels;

namespace {

struct shape {
  std::size_t m, n, k;
};

// Rows in one, two and many tiles, whole and not; depths of a part of a step, of some steps and of several parts.
const std::vector<shape> shapes{{1, 1, 1},    {5, 31, 2},    {16, 32, 32},   {17, 33, 33},  {32, 64, 64},  {33, 40, 200},
                                {48, 1, 192}, {64, 96, 194}, {65, 130, 300}, {70, 32, 768}, {129, 65, 97}, {300, 20, 130}};

/// Columns as `amx_tile` reads them: panels of 32, one word per row. `at(word, n)` is the operand's word.
template <class Word>
struct panels {
  std::vector<Word> data;
  std::size_t k, n;

  template <class At>
  panels(std::size_t words, std::size_t columns, const At& at) : data(round_up(columns, 32) * words), k(words), n(columns) {
    for (std::size_t p = 0; p * 32 < n; ++p)
      for (std::size_t w = 0; w < k; ++w)
        for (std::size_t j = 0; j < 32 && p * 32 + j < n; ++j) data[(p * k + w) * 32 + j] = at(w, p * 32 + j);
  }
  [[nodiscard]] const Word* panel(std::size_t p) const noexcept { return data.data() + p * k * 32; }
};

struct bf16_operands {
  std::vector<bf16> a, w;  ///< [M, K rounded up], [N, K rounded up], zeros past K
  std::size_t stride;

  explicit bf16_operands(const shape& s) : a(s.m * (s.k + s.k % 2)), w(s.n * (s.k + s.k % 2)), stride(s.k + s.k % 2) {
    random_stream random(s.m + s.k, draw::user);
    for (auto* x : {&a, &w})
      for (std::size_t i = 0; i < x->size(); ++i)
        if (i % stride < s.k) (*x)[i] = to_bf16(random.uniform() * 2 - 1);
  }
  [[nodiscard]] matrix<const float> words(const shape& s) const {
    return {reinterpret_cast<const float*>(a.data()), s.m, stride / 2};
  }
  /// The documented order, 32 elements per step.
  [[nodiscard]] float expected(std::size_t i, std::size_t j) const {
    float sum = 0;
    for (std::size_t k = 0; k < stride; k += 32) {
      float half[2] = {};
      for (std::size_t e = k; e < std::min(stride, k + 32); ++e)
        half[e % 2] = std::fma(to_float(a[i * stride + e]), to_float(w[j * stride + e]), half[e % 2]);
      sum += half[0] + half[1];
    }
    return sum;
  }
};

template <class Tiles>
std::vector<float> product(const bf16_operands& x, const shape& s, std::size_t threads) {
  using tile = amx_tile<kernels::detail::amx_pairs, Tiles>;
  const panels<float> b(x.stride / 2, s.n, [&](std::size_t w, std::size_t j) {
    return reinterpret_cast<const float*>(x.w.data())[j * (x.stride / 2) + w];
  });
  std::vector<float> out(s.m * s.n, -1.0f);
  kernels::detail::amx_product(execution::threads{threads}, tile{}, x.words(s), b, epilogue::store{{out.data(), s.m, s.n}});
  return out;
}

template <class Tiles>
std::vector<float> byte_product(const std::vector<four_bytes>& a, const panels<four_bytes>& b, std::size_t m,
                                const std::vector<std::int32_t>& start) {
  using tile = amx_tile<kernels::detail::amx_bytes, Tiles>;
  std::vector<float> out(m * b.n, -1.0f);
  kernels::detail::amx_product(execution::threads{2}, tile{{start.data()}}, matrix<const four_bytes>{a.data(), m, b.k}, b,
                               epilogue::store{{out.data(), m, b.n}});
  return out;
}

}  // namespace

TEST_CASE("a bf16 product by tiles has the bits of its documented order for odd shapes, with any number of threads") {
  for (const shape& s : shapes) {
    CAPTURE(s.m);
    CAPTURE(s.n);
    CAPTURE(s.k);
    const bf16_operands x(s);
    for (const std::size_t threads : {1u, 2u, 3u}) {
      const auto out = product<amx::plain_tiles>(x, s, threads);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < s.m; ++i)
        for (std::size_t j = 0; j < s.n; ++j) wrong += out[i * s.n + j] == x.expected(i, j) ? 0 : 1;
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("an int8 product by tiles is exact and starts from the column's initial sum") {
  for (const shape& s : shapes) {
    CAPTURE(s.m);
    CAPTURE(s.n);
    CAPTURE(s.k);
    random_stream random(s.n, draw::user);
    const std::size_t words = (s.k + 3) / 4;
    const auto word = [&] {
      four_bytes out;
      for (auto& byte : out) byte = static_cast<std::uint8_t>(random());
      return out;
    };
    std::vector<four_bytes> a(s.m * words);
    for (auto& w : a) w = word();
    std::vector<std::int32_t> start(round_up(s.n, 32));
    for (auto& x : start) x = static_cast<std::int32_t>(random() % 1000) - 500;
    const panels<four_bytes> b(words, s.n, [&](std::size_t, std::size_t) { return word(); });
    const auto out = byte_product<amx::plain_tiles>(a, b, s.m, start);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < s.m; ++i)
      for (std::size_t j = 0; j < s.n; ++j) {
        std::int32_t sum = start[j];
        for (std::size_t w = 0; w < words; ++w)
          for (std::size_t byte = 0; byte < 4; ++byte)
            sum += a[i * words + w][byte] * static_cast<std::int8_t>(b.panel(j / 32)[w * 32 + j % 32][byte]);
        wrong += out[i * s.n + j] == static_cast<float>(sum) ? 0 : 1;
      }
    CHECK(wrong == 0);
#if BERT_AMX
    if (amx_permitted()) CHECK(byte_product<amx::processor_tiles>(a, b, s.m, start) == out);
#endif
  }
}

TEST_CASE("products have the same bits with the processor's tiles and plain ones") {
#if BERT_AMX
  if (!amx_permitted()) {
    MESSAGE("not run: the system does not permit AMX");
    return;
  }
  for (const shape& s : shapes) {
    CAPTURE(s.m);
    CAPTURE(s.n);
    CAPTURE(s.k);
    const bf16_operands x(s);
    CHECK(product<amx::processor_tiles>(x, s, 2) == product<amx::plain_tiles>(x, s, 1));
  }
#else
  MESSAGE("not run: compiled without AMX");
#endif
}
