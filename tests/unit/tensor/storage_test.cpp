#include "bert/tensor/storage.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace {

using bert::bf16;
using bert::f16;
using bert::to_bf16;
using bert::to_f16;
using bert::to_float;

static_assert(to_f16(1.0f).bits == 0x3C00 && to_f16(-2.0f).bits == 0xC000 && to_f16(65504.0f).bits == 0x7BFF);
static_assert(to_bf16(1.0f).bits == 0x3F80 && to_float(bf16{0xC000}) == -2.0f);

TEST_CASE("every f16 survives the conversion to f32 and back") {
  int wrong = 0;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const f16 x{static_cast<std::uint16_t>(bits)};
    const float f = to_float(x);
    if (std::isnan(f)) wrong += std::isnan(to_float(to_f16(f))) ? 0 : 1;
    else wrong += to_f16(f).bits == x.bits ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("every bf16 survives the conversion to f32 and back") {
  int wrong = 0;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const bf16 x{static_cast<std::uint16_t>(bits)};
    const float f = to_float(x);
    if (std::isnan(f)) wrong += std::isnan(to_float(to_bf16(f))) ? 0 : 1;
    else wrong += to_bf16(f).bits == x.bits ? 0 : 1;
  }
  CHECK(wrong == 0);
}

// `half` is the midpoint of two neighbors of a 16-bit type.
template <class T>
int wrongly_rounded(T (*convert)(float), std::uint16_t last_finite) {
  int wrong = 0;
  for (std::uint16_t bits = 0; bits < last_finite; ++bits) {
    const auto upper = static_cast<std::uint16_t>(bits + 1);
    const float a = to_float(T{bits}), b = to_float(T{upper});
    const auto middle = static_cast<float>((static_cast<double>(a) + static_cast<double>(b)) / 2);
    const std::uint16_t even = bits % 2 == 0 ? bits : upper;
    wrong += convert(middle).bits == even ? 0 : 1;
    wrong += convert(std::nextafter(middle, 0.0f)).bits == bits ? 0 : 1;
    wrong += convert(std::nextafter(middle, std::numeric_limits<float>::infinity())).bits == upper ? 0 : 1;
  }
  return wrong;
}

TEST_CASE("conversion to f16 rounds to nearest, ties to even, subnormals included") {
  CHECK(wrongly_rounded<f16>(to_f16, 0x7BFF) == 0);
}

TEST_CASE("conversion to bf16 rounds to nearest, ties to even") {
  // From the smallest normal up; below it, too, the midpoint of two neighbors is exact.
  CHECK(wrongly_rounded<bf16>(to_bf16, 0x7F7F) == 0);
}

TEST_CASE("a value beyond the range becomes an infinity of its sign") {
  CHECK(to_f16(65519.996f).bits == 0x7BFF);
  CHECK(to_f16(65520.0f).bits == 0x7C00);
  CHECK(to_f16(-1e9f).bits == 0xFC00);
  CHECK(to_f16(std::numeric_limits<float>::infinity()).bits == 0x7C00);
  CHECK(to_bf16(std::numeric_limits<float>::max()).bits == 0x7F80);
  CHECK(std::signbit(to_float(to_f16(-0.0f))));
}

}  // namespace
