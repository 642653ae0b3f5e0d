// int8 dot products on any processor.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_int8_test.cpp
#ifndef BERT_KERNELS_SIMD_INT8_PORTABLE_HPP
#define BERT_KERNELS_SIMD_INT8_PORTABLE_HPP

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/kernels/simd/f32.hpp"

namespace bert::inline BERT_ISA::kernels::byte_dot {

/// Any processor: 32-bit integers by shifts.
struct portable {
  using sums = simd_int;
  struct left {
    std::array<std::int32_t, 4> a;
  };
  static constexpr std::size_t columns = lanes, rows = simd_registers == 32 ? 4 : 2;
  static constexpr std::uint8_t zero_point = 0;

  [[nodiscard]] static sums load(const void* p) noexcept {
    return simd_int::load_unaligned(static_cast<const std::int32_t*>(p));
  }
  static void store(std::int32_t* p, sums x) noexcept { x.store_unaligned(p); }
  [[nodiscard]] static left broadcast(const std::uint8_t* p) noexcept {
    left l{};
    for (std::size_t i = 0; i < 4; ++i) l.a[i] = static_cast<std::int8_t>(p[i]);
    return l;
  }
  [[nodiscard]] static sums dot(sums acc, const left& a, sums w) noexcept {
    // The first byte in memory is the lowest: xsimd supports little-endian processors only.
    static_assert(std::endian::native == std::endian::little);
    acc += simd_int(a.a[0]) * ((w << 24) >> 24);
    acc += simd_int(a.a[1]) * ((w << 16) >> 24);
    acc += simd_int(a.a[2]) * ((w << 8) >> 24);
    return acc + simd_int(a.a[3]) * (w >> 24);
  }
};

}  // namespace bert::kernels::byte_dot

#endif  // BERT_KERNELS_SIMD_INT8_PORTABLE_HPP
