// 16-bit storage types and their exact conversions: bf16 and IEEE f16.
// Layer: tensor. Test: tests/unit/tensor/storage_test.cpp
#ifndef BERT_TENSOR_STORAGE_HPP
#define BERT_TENSOR_STORAGE_HPP

#include <bit>
#include <cstdint>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// The upper half of an IEEE f32: 8 bits of exponent, 8 of significand. Storage only; arithmetic is in f32.
/// Products read two of them as one word of four bytes, hence may_alias.
struct [[gnu::may_alias]] bf16 {
  std::uint16_t bits = 0;
};

/// IEEE binary16. Storage only.
struct f16 {
  std::uint16_t bits = 0;
};

[[nodiscard]] constexpr float to_float(float x) noexcept { return x; }
[[nodiscard]] constexpr float to_float(bf16 x) noexcept { return std::bit_cast<float>(std::uint32_t{x.bits} << 16); }

[[nodiscard]] constexpr float to_float(f16 x) noexcept {
  const std::uint32_t sign = std::uint32_t{x.bits & 0x8000u} << 16, exponent = (x.bits >> 10) & 31u, fraction = x.bits & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | (fraction << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // subnormal, exact in f32
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

/// Rounds to nearest, ties to even; a NaN stays a (quiet) NaN.
[[nodiscard]] constexpr bf16 to_bf16(float x) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return {static_cast<std::uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16)};
}

/// Rounds to nearest, ties to even; beyond 65504 to infinity; a NaN stays a (quiet) NaN.
[[nodiscard]] constexpr f16 to_f16(float x) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  std::uint32_t half = 0;
  if (magnitude > 0x7F800000u) half = 0x7E00u;
  else if (magnitude >= 0x477FF000u) half = 0x7C00u;  // 65520 and more
  else if (magnitude >= 0x38800000u) half = (magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
  else  // below 2^-14: a multiple of 2^-24, which adding 0.5 (last bit 2^-24) rounds to
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - std::bit_cast<std::uint32_t>(0.5f);
  return {static_cast<std::uint16_t>(sign | half)};
}

}  // namespace bert

#endif  // BERT_TENSOR_STORAGE_HPP
