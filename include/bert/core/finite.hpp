// Whether every float of a block is finite, at the speed of memory.
// Layer: core. Test: tests/unit/core/finite_test.cpp
#ifndef BERT_CORE_FINITE_HPP
#define BERT_CORE_FINITE_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// What `first_not_finite` returns if all are finite.
inline constexpr std::size_t all_finite = std::numeric_limits<std::size_t>::max();

/// Whether all of `Count` floats at any alignment are finite. An exponent of all ones, plus 1, carries into the sign bit.
template <std::size_t Count>
[[nodiscard]] bool finite_block(const std::byte* values) noexcept {
  std::uint32_t carried = 0;
  for (std::size_t i = 0; i < Count; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, values + i * sizeof bits, sizeof bits);
    carried |= (bits & 0x7F800000u) + 0x00800000u;
  }
  return (carried & 0x80000000u) == 0;
}

/// Index of the first element that is infinite or a NaN, or `all_finite`. `values` may have any alignment.
[[nodiscard]] inline std::size_t first_not_finite(const std::byte* values, std::size_t count) noexcept {
  constexpr std::size_t step = 1024;  // a constant, so that compilers vectorize the loop at -O2
  std::size_t i = 0;
  while (count - i >= step && finite_block<step>(values + i * sizeof(float))) i += step;
  for (; i < count; ++i)
    if (!finite_block<1>(values + i * sizeof(float))) return i;
  return all_finite;
}
[[nodiscard]] inline std::size_t first_not_finite(std::span<const float> values) noexcept {
  return first_not_finite(reinterpret_cast<const std::byte*>(values.data()), values.size());
}

}  // namespace bert

#endif  // BERT_CORE_FINITE_HPP
