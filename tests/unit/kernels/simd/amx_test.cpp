// Layer: tests. Of: include/bert/kernels/simd/amx.hpp
#include "bert/kernels/simd/amx.hpp"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "bert/core/amx_permission.hpp"
#include "bert/core/random.hpp"
#include "bert/tensor/storage.hpp"

using namespace bert;
using namespace bert::kernels;

namespace {

using tile = std::array<std::array<std::uint32_t, amx::tile_words>, amx::tile_rows>;

/// Random bits, or pairs of bf16 of similar magnitude, or of magnitudes around the smallest normal.
enum class content { bits, like, small };

tile random_tile(std::uint64_t seed, content c) {
  random_stream random(seed, draw::user);
  tile out;
  for (auto& row : out)
    for (auto& word : row) {
      word = static_cast<std::uint32_t>(random());
      const auto half = [&](std::uint32_t bits) {
        const std::uint32_t exponent = c == content::like ? 120 + (bits >> 7 & 7) : 58 + (bits >> 7 & 15);
        return c == content::bits ? bits & 0xFFFF : (bits & 0x807F) | exponent << 7;
      };
      word = half(word & 0xFFFF) | half(word >> 16) << 16;
    }
  return out;
}

tile random_sums(std::uint64_t seed) {
  random_stream random(seed, draw::user);
  tile out;
  for (auto& row : out)
    for (auto& word : row) word = std::bit_cast<std::uint32_t>(random.uniform() * 2 - 1);
  return out;
}

struct operands {
  tile sums, a, b;
};

template <bool Bytes, class Tiles>
tile multiply(Tiles tiles, const operands& x, const amx::tile_shape& shape) {
  using namespace amx;
  tile out{};
  tiles.configure(shape);
  tiles.template load<sums_11>(x.sums.data(), row_bytes);
  tiles.template load<a_1>(x.a.data(), row_bytes);
  tiles.template load<b_1>(x.b.data(), row_bytes);
  if constexpr (Bytes) tiles.template multiply_int8<sums_11, a_1, b_1>();
  else tiles.template multiply_bf16<sums_11, a_1, b_1>();
  tiles.template store<sums_11>(out.data(), row_bytes);
  if constexpr (requires { Tiles::release(); }) Tiles::release();
  return out;
}

}  // namespace

TEST_CASE("a tile sums the even and the odd elements of a row separately, then adds both to the sum") {
  const operands x{random_sums(1), random_tile(2, content::like), random_tile(3, content::like)};
  const tile out = multiply<false>(amx::plain_tiles{}, x, {});
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 16; ++j) {
      float half[2] = {};
      for (std::size_t k = 0; k < 16; ++k)
        for (unsigned odd = 0; odd < 2; ++odd) {
          const auto element = [&](std::uint32_t pair) { return to_float(bf16{static_cast<std::uint16_t>(pair >> 16 * odd)}); };
          half[odd] = std::fma(element(x.a[i][k]), element(x.b[k][j]), half[odd]);
        }
      CHECK(std::bit_cast<float>(out[i][j]) == std::bit_cast<float>(x.sums[i][j]) + (half[0] + half[1]));
    }
}

TEST_CASE("a tile of bytes multiplies unsigned a by signed b, exactly") {
  const operands x{random_sums(1), random_tile(2, content::bits), random_tile(3, content::bits)};
  const tile out = multiply<true>(amx::plain_tiles{}, x, {});
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 16; ++j) {
      std::int64_t sum = static_cast<std::int32_t>(x.sums[i][j]);
      for (std::size_t k = 0; k < 16; ++k)
        for (unsigned byte = 0; byte < 4; ++byte)
          sum += static_cast<std::int64_t>(x.a[i][k] >> 8 * byte & 255) * static_cast<std::int8_t>(x.b[k][j] >> 8 * byte & 255);
      CHECK(out[i][j] == static_cast<std::uint32_t>(static_cast<std::uint64_t>(sum)));
    }
}

TEST_CASE("tiles of few rows and words write nothing else") {
  const operands x{random_sums(1), random_tile(2, content::like), random_tile(3, content::like)};
  const tile whole = multiply<false>(amx::plain_tiles{}, x, {}), part = multiply<false>(amx::plain_tiles{}, x, {16, 5, 16});
  for (std::size_t i = 0; i < 16; ++i) CHECK((part[i] == whole[i]) == (i < 5));
  operands cut = x;
  for (auto& row : cut.a) std::fill(row.begin() + 3, row.end(), 0u);
  CHECK(multiply<false>(amx::plain_tiles{}, x, {16, 16, 3}) == multiply<false>(amx::plain_tiles{}, cut, {}));
}

TEST_CASE("the processor's tiles give the bits of the plain ones, denormals, infinities and NaNs among them") {
#if BERT_AMX
  const auto same = [](std::uint32_t x, std::uint32_t y, bool bytes) {
    return x == y || (!bytes && std::isnan(std::bit_cast<float>(x)) && std::isnan(std::bit_cast<float>(y)));
  };
  if (!amx_permitted()) {
    MESSAGE("not run: the system does not permit AMX");
    return;
  }
  std::uint64_t wrong = 0;
  for (std::uint64_t round = 0; round < 600; ++round)
    for (const content c : {content::bits, content::like, content::small}) {
      const operands x{round % 3 == 0 ? tile{} : random_sums(round), random_tile(3 * round + 1, c),
                       random_tile(3 * round + 2, c)};
      const amx::tile_shape shape =
          round % 2 == 0 ? amx::tile_shape{} : amx::tile_shape{16, 1 + round % 16, 1 + round / 16 % 16};
      const auto compare = [&](const tile& ours, const tile& plain, bool bytes) {
        for (std::size_t i = 0; i < 16; ++i)
          for (std::size_t j = 0; j < 16; ++j) wrong += same(ours[i][j], plain[i][j], bytes) ? 0 : 1;
      };
      compare(multiply<false>(amx::processor_tiles{}, x, shape), multiply<false>(amx::plain_tiles{}, x, shape), false);
      compare(multiply<true>(amx::processor_tiles{}, x, shape), multiply<true>(amx::plain_tiles{}, x, shape), true);
    }
  CHECK(wrong == 0);
#else
  MESSAGE("not run: compiled without AMX");
#endif
}
