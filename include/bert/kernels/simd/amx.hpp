// AMX: the eight tile registers of Intel's server processors since 2023, and the same instructions in plain C++.
// Layer: kernels. Test: tests/unit/kernels/simd/amx_test.cpp
// Paper: Intel 2024, "Intel 64 and IA-32 Architectures Optimization Reference Manual", chapter 20.
#ifndef BERT_KERNELS_SIMD_AMX_HPP
#define BERT_KERNELS_SIMD_AMX_HPP

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bert/core/isa.hpp"
#include "bert/tensor/storage.hpp"

namespace bert::inline BERT_ISA::kernels::amx {

/// A tile register has up to 16 rows of 64 bytes: 16 words.
inline constexpr std::size_t tile_rows = 16, tile_words = 16, row_bytes = 64;

/// The tile registers of a product: 2 x 2 of sums, two of rows of A, two of columns of B.
///
///   sums[i][j] (+)= a[i] b[j]
enum tile_register : int { sums_00, sums_01, sums_10, sums_11, a_0, a_1, b_0, b_1 };

/// Rows of the upper and lower half of the left operand, 1 to 16 and 0 to 16, and words of depth per step, 1 to 16.
struct tile_shape {
  std::size_t upper = tile_rows, lower = tile_rows, depth = tile_words;
  [[nodiscard]] bool operator==(const tile_shape&) const noexcept = default;
};

namespace detail {

/// The operand of LDTILECFG: palette 1, then bytes per row and rows of each register.
struct alignas(64) configuration {
  std::uint8_t palette = 1, start = 0, reserved[14] = {};
  std::uint16_t bytes[16] = {};
  std::uint8_t rows[16] = {};

  explicit configuration(const tile_shape& s) noexcept {
    const auto set = [this](int tile, std::size_t height, std::size_t width) {
      rows[tile] = static_cast<std::uint8_t>(height);
      bytes[tile] = static_cast<std::uint16_t>(height == 0 ? 0 : width);
    };
    for (const int tile : {sums_00, sums_01}) set(tile, s.upper, row_bytes);
    for (const int tile : {sums_10, sums_11}) set(tile, s.lower, row_bytes);
    set(a_0, s.upper, 4 * s.depth);
    set(a_1, s.lower, 4 * s.depth);
    for (const int tile : {b_0, b_1}) set(tile, s.depth, row_bytes);
  }
};
static_assert(sizeof(configuration) == 64);

/// Flushes denormals to zero, as TDPBF16PS does with operands and results.
[[nodiscard]] inline float flushed(float x) noexcept { return std::abs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }

/// s + a b, rounded once.
[[nodiscard]] inline float fused(float a, float b, float s) noexcept {
  return flushed(std::fma(flushed(a), flushed(b), flushed(s)));
}

}  // namespace detail

/// The tile registers as plain memory. The same bits as the processor's, except for the payload of NaNs.
///
///   TDPBF16PS:  even = sum over the row's pairs of a[2k] b[2k], odd = that of a[2k+1] b[2k+1], each a chain of fused
///               multiply-adds from +0; then sums = sums + (even + odd). Every step rounds to nearest even; denormals are
///               zeros.
///   TDPBUSD:    32-bit sums of products of unsigned bytes of a and signed ones of b, four per word; exact, modulo 2^32.
class plain_tiles {
 public:
  void configure(const tile_shape& shape) noexcept {
    config_ = detail::configuration(shape);
    for (auto& tile : tiles_) tile = {};
  }
  template <int Tile>
  void zero() noexcept {
    tiles_[Tile] = {};
  }
  /// `stride` in bytes.
  template <int Tile>
  void load(const void* from, std::size_t stride) noexcept {
    tiles_[Tile] = {};
    for (std::size_t i = 0; i < config_.rows[Tile]; ++i)
      std::memcpy(tiles_[Tile][i].data(), static_cast<const char*>(from) + i * stride, config_.bytes[Tile]);
  }
  template <int Tile>
  void store(void* to, std::size_t stride) const noexcept {
    for (std::size_t i = 0; i < config_.rows[Tile]; ++i)
      std::memcpy(static_cast<char*>(to) + i * stride, tiles_[Tile][i].data(), config_.bytes[Tile]);
  }
  template <int Sums, int A, int B>
  void multiply_bf16() noexcept {
    for_each_sum<Sums, A>([&](std::uint32_t& sum, std::size_t i, std::size_t j, std::size_t depth) {
      float even = 0, odd = 0;
      for (std::size_t k = 0; k < depth; ++k) {
        const std::uint32_t a = tiles_[A][i][k], b = tiles_[B][k][j];
        even = detail::fused(low(a), low(b), even);
        odd = detail::fused(high(a), high(b), odd);
      }
      const float both = detail::flushed(even + odd);
      sum = std::bit_cast<std::uint32_t>(detail::flushed(detail::flushed(std::bit_cast<float>(sum)) + both));
    });
  }
  template <int Sums, int A, int B>
  void multiply_int8() noexcept {
    for_each_sum<Sums, A>([&](std::uint32_t& sum, std::size_t i, std::size_t j, std::size_t depth) {
      for (std::size_t k = 0; k < depth; ++k)
        for (unsigned byte = 0; byte < 4; ++byte)
          sum += (tiles_[A][i][k] >> 8 * byte & 0xFF) * static_cast<std::uint32_t>(signed_byte(tiles_[B][k][j], byte));
    });
  }

 private:
  template <int Sums, int A, class Body>
  void for_each_sum(const Body& body) noexcept {
    for (std::size_t i = 0; i < config_.rows[Sums]; ++i)
      for (std::size_t j = 0; j < config_.bytes[Sums] / 4u; ++j) body(tiles_[Sums][i][j], i, j, config_.bytes[A] / 4u);
  }
  [[nodiscard]] static float low(std::uint32_t pair) noexcept { return std::bit_cast<float>(pair << 16); }
  [[nodiscard]] static float high(std::uint32_t pair) noexcept { return std::bit_cast<float>(pair & 0xFFFF0000u); }
  [[nodiscard]] static std::int32_t signed_byte(std::uint32_t word, unsigned byte) noexcept {
    return static_cast<std::int8_t>(word >> 8 * byte & 0xFF);
  }

  detail::configuration config_{tile_shape{}};
  std::array<std::array<std::array<std::uint32_t, tile_words>, tile_rows>, 8> tiles_{};
};

#if BERT_AMX

/// The processor's tile registers. An empty type: all objects of a thread share its registers.
///
/// By inline assembly: g++ 12's intrinsics take no template parameter as register number and do not declare that they read
/// memory, so that stores before them may be moved or dropped.
class processor_tiles {
 public:
  void configure(const tile_shape& shape) noexcept {
    const detail::configuration wanted(shape);
    asm volatile("ldtilecfg %0" : : "m"(wanted) : "memory");
  }
  /// Releases the registers, so that a context switch need not save them.
  static void release() noexcept { asm volatile("tilerelease"); }
  template <int Tile>
  void zero() noexcept {
    asm volatile("tilezero %%tmm%c0" : : "i"(Tile));
  }
  template <int Tile>
  void load(const void* from, std::size_t stride) noexcept {
    asm volatile("tileloadd (%1,%2,1), %%tmm%c0" : : "i"(Tile), "r"(from), "r"(stride) : "memory");
  }
  template <int Tile>
  void store(void* to, std::size_t stride) const noexcept {
    asm volatile("tilestored %%tmm%c0, (%1,%2,1)" : : "i"(Tile), "r"(to), "r"(stride) : "memory");
  }
  template <int Sums, int A, int B>
  void multiply_bf16() noexcept {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sums), "i"(A), "i"(B));
  }
  template <int Sums, int A, int B>
  void multiply_int8() noexcept {
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sums), "i"(A), "i"(B));
  }
};

#endif

/// Configures this thread's registers for whole tiles while it lives, and releases them at the end.
template <class Tiles>
class configured {
 public:
  configured() noexcept { Tiles().configure({}); }
  ~configured() {
    if constexpr (requires { Tiles::release(); }) Tiles::release();
  }
  configured(const configured&) = delete;
  configured& operator=(const configured&) = delete;
};

}  // namespace bert::kernels::amx

#endif  // BERT_KERNELS_SIMD_AMX_HPP
