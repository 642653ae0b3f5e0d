// Rows of floats as bytes with one scale a row, and weights as bytes with one scale a channel.
// Layer: kernels. Test: tests/unit/kernels/gemm/quantize_test.cpp
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/int8.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// The largest size of a quantized number. -128 is left out: -(-128) is no byte, and the range is symmetric.
inline constexpr float largest_byte = 127.0f;

/// Rows whose largest size is below this become zeros: 127 / size would overflow. No activation is as small.
inline constexpr float least_size = 0x1p-118f;

/// Inputs of a product of bytes beyond which its 32-bit sums might overflow: 2^31 / 127^2. Unsigned bytes on the left reach
/// 255, but their sums wrap and end where the signed ones do.
inline constexpr std::size_t most_inputs = (std::size_t{1} << 31) / (127 * 127);

/// x [N, K] as bytes: x[n,k] = scale[n] (data[n stride + k] - zero point of the form), whole words of four bytes.
struct quantized {
  std::uint8_t* data = nullptr;
  float* scale = nullptr;  ///< [N]
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;

  quantized() = default;
  /// Lays `rows` rows of `cols` bytes out in `memory` [quantized_size(rows, cols)].
  quantized(float* memory, std::size_t n, std::size_t k) noexcept
      : data(reinterpret_cast<std::uint8_t*>(memory + round_up(n, alignment / sizeof(float)))),
        scale(memory),
        rows(n),
        cols(k),
        stride(row_bytes(k)) {}

  [[nodiscard]] std::uint8_t* row(std::size_t i) const noexcept { return data + i * stride; }

  /// Whole cache lines, an odd number of them: rows 4 KB apart would fall into one set of the first-level cache.
  [[nodiscard]] static constexpr std::size_t row_bytes(std::size_t k) noexcept {
    const std::size_t lines = (k + alignment - 1) / alignment;
    return (lines | 1) * alignment;
  }
};

/// Floats of memory that a quantized [n, k] takes.
[[nodiscard]] constexpr std::size_t quantized_size(std::size_t n, std::size_t k) noexcept {
  return round_up(n, alignment / sizeof(float)) + n * (quantized::row_bytes(k) / sizeof(float));
}

/// The greatest |x[i]| of `cols` floats or bf16; 0 of none, a NaN if one is among them.
///
/// Without their signs, floats are ordered as their bits are as integers, and NaNs, which a maximum of floats would lose, are
/// above infinity.
template <class T>
[[nodiscard]] inline float largest_size(const T* x, std::size_t cols) noexcept {
  simd_int top[4] = {simd_int(0), simd_int(0), simd_int(0), simd_int(0)};
  std::size_t i = 0;
  for (; i + 4 * lanes <= cols; i += 4 * lanes)
    unrolled<4>([&](auto j) { top[j] = max(top[j], as_int(abs(load(x + i + j * lanes, whole{})))); });
  for_each_register(cols - i, [&](std::size_t j, auto part) { top[0] = max(top[0], as_int(abs(load(x + i + j, part)))); });
  return std::bit_cast<float>(maximum(max(max(top[0], top[1]), max(top[2], top[3]))));
}

/// s = max_k |x[k]| / 127,  q[k] = round(x[k] * (127 / max)) + zero_point, halves to even
///
/// Writes `cols` bytes and then zero points up to a whole word; returns s. A row of zeros, or below `least_size`, has s = 0.
/// One with a NaN has s = NaN and one with an infinity s = infinity over bytes of 0, so all that a product makes of it are
/// NaNs. One product and one rounding an element, so the bytes are the same on every processor.
template <class T>
inline float quantize_row(const T* x, std::size_t cols, std::uint8_t zero_point, std::uint8_t* q) noexcept {
  const float size = largest_size(x, cols);
  const bool tiny = size < least_size;
  const simd factor(tiny ? 0.0f : largest_byte / size);
  for_each_register(cols, [&](std::size_t k, auto part) { store_bytes(q + k, load(x + k, part) * factor, zero_point, part); });
  std::fill(q + cols, q + round_up(cols, 4), zero_point);
  return tiny ? 0.0f : size / largest_byte;
}

/// Row i of q <- `x`, floats or bf16.
template <class Form = byte_dot::best, class T>
inline void quantize_row(const quantized& q, std::size_t i, const T* x) noexcept {
  q.scale[i] = quantize_row(x, q.cols, Form::zero_point, q.row(i));
}

/// q <- x, row by row; `x` [N, K] of floats or bf16.
template <class Form = byte_dot::best, executor E, class T>
void quantize(const E& e, matrix<T> x, const quantized& q) noexcept {
  for_each_row(e, x.rows, x.cols, [&](std::size_t i) { quantize_row<Form>(q, i, x.row(i)); });
}

/// Columns of a panel of weights: two registers of sums of the widest form.
inline constexpr std::size_t byte_panel = 32;

/// A packed [K, N] operand of bytes: ceil(N / 32) panels, each [ceil(K / 4), 32, 4], zeros past K and N.
struct packed_int8 {
  const std::int8_t* data = nullptr;
  const float* scale = nullptr;         ///< [N], a channel's largest size / 127
  const std::int32_t* start = nullptr;  ///< [N], -128 times the channel's sum of bytes: what sums of unsigned bytes start from
  std::size_t k = 0;
  std::size_t n = 0;

  [[nodiscard]] constexpr std::size_t words() const noexcept { return (k + 3) / 4; }
  [[nodiscard]] constexpr std::size_t panels() const noexcept { return (n + byte_panel - 1) / byte_panel; }
  [[nodiscard]] constexpr std::size_t panel_bytes() const noexcept { return words() * 4 * byte_panel; }
  [[nodiscard]] constexpr const std::int8_t* panel(std::size_t p) const noexcept { return data + p * panel_bytes(); }
};

/// Floats of memory that a packed [k, n] of bytes takes, aligned to 64 bytes: the bytes, and two numbers a channel.
[[nodiscard]] constexpr std::size_t packed_int8_size(std::size_t k, std::size_t n) noexcept {
  return round_up(n, byte_panel) * ((k + 3) / 4 + 2);
}

/// Quantizes w [N, K], a scale a row, and packs its transpose into `memory` [packed_int8_size(K, N)]. K <= most_inputs.
template <executor E>
packed_int8 pack_int8(const E& run, matrix<const float> w, float* memory) noexcept {
  assert(w.cols <= most_inputs);
  const std::size_t all = round_up(w.rows, byte_panel);
  auto* scale = memory;
  auto* start = reinterpret_cast<std::int32_t*>(memory + all);
  auto* data = reinterpret_cast<std::int8_t*>(memory + 2 * all);
  const packed_int8 out{data, scale, start, w.cols, w.rows};
  // A panel of 768 inputs is 96 KB of floats: some 10 µs.
  run.parallel_for(out.panels(), [&](std::size_t p) {
    std::int8_t* panel = data + p * out.panel_bytes();
    for (std::size_t j = 0; j < byte_panel; ++j) {
      const std::size_t n = p * byte_panel + j;
      std::int8_t* to = panel + 4 * j;
      scale[n] = 0;
      start[n] = 0;
      if (n >= w.rows) {
        for (std::size_t i = 0; i < out.words(); ++i) std::fill_n(to + i * 4 * byte_panel, 4, std::int8_t{0});
        continue;
      }
      const float size = largest_size(w.row(n), w.cols);
      const bool tiny = size < least_size;
      const simd factor(tiny ? 0.0f : largest_byte / size);
      std::int32_t sum = 0;
      for_each_register(w.cols, [&](std::size_t k, auto part) {
        std::array<std::uint8_t, lanes> bytes{};
        store_bytes(bytes.data(), load(w.row(n) + k, part) * factor, 0, part);
        for (std::size_t i = 0; i < lanes && k + i < round_up(w.cols, 4); ++i) {
          const auto byte = static_cast<std::int8_t>(bytes[i]);
          sum += byte;
          to[(k + i) / 4 * 4 * byte_panel + (k + i) % 4] = byte;
        }
      });
      scale[n] = tiny ? 0.0f : size / largest_byte;
      start[n] =
          static_cast<std::int32_t>(0u - 128u * static_cast<std::uint32_t>(sum));  // may wrap, as the sums that start from it
    }
  });
  return out;
}

}  // namespace bert::kernels
