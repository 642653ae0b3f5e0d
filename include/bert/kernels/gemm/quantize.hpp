// Quantization to int8: rows with one scale per row, weights with one scale per output channel.
// Layer: kernels. Test: tests/unit/kernels/gemm/quantize_test.cpp
#ifndef BERT_KERNELS_GEMM_QUANTIZE_HPP
#define BERT_KERNELS_GEMM_QUANTIZE_HPP

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

/// The largest absolute value of a quantized element. -128 is excluded: its negation is no int8, and the range is symmetric.
inline constexpr float largest_byte = 127.0f;

/// Rows whose largest absolute value is below this become zeros: 127 / size would overflow. No activation is that small.
inline constexpr float least_size = 0x1p-118f;

/// Greatest K at which the 32-bit sums of an int8 product cannot overflow: 2^31 / 127^2. Unsigned bytes on the left reach 255,
/// but their sums wrap around to the signed ones.
inline constexpr std::size_t most_inputs = (std::size_t{1} << 31) / (127 * 127);

/// x [N, K] as bytes: x[n,k] = scale[n] (data[n stride + k] - zero_point), rows padded to whole words of four bytes.
struct quantized {
  std::uint8_t* data = nullptr;
  float* scale = nullptr;  ///< [N]
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;

  quantized() = default;
  /// A view of n rows of k bytes in `memory` [quantized_size(n, k)].
  quantized(float* memory, std::size_t n, std::size_t k) noexcept
      : data(reinterpret_cast<std::uint8_t*>(memory + round_up(n, alignment / sizeof(float)))),
        scale(memory),
        rows(n),
        cols(k),
        stride(row_bytes(k)) {}

  [[nodiscard]] std::uint8_t* row(std::size_t i) const noexcept { return data + i * stride; }

  /// An odd number of whole cache lines: rows 4 KB apart would fall into one set of the first-level cache.
  [[nodiscard]] static constexpr std::size_t row_bytes(std::size_t k) noexcept {
    const std::size_t lines = (k + alignment - 1) / alignment;
    return (lines | 1) * alignment;
  }
};

/// Size of a quantized [n, k] in floats.
[[nodiscard]] constexpr std::size_t quantized_size(std::size_t n, std::size_t k) noexcept {
  return round_up(n, alignment / sizeof(float)) + n * (quantized::row_bytes(k) / sizeof(float));
}

/// max |x[i]| over `cols` floats or bf16; 0 if there are none, a NaN if any is a NaN.
///
/// Compares the bits of |x[i]| as integers, which order floats alike and put NaNs, which a maximum of floats would lose, above
/// infinity.
template <class T>
[[nodiscard]] inline float largest_size(const T* x, std::size_t cols) noexcept {
  simd_int top[4] = {simd_int(0), simd_int(0), simd_int(0), simd_int(0)};
  std::size_t i = 0;
  for (; i + 4 * lanes <= cols; i += 4 * lanes)
    unrolled<4>([&](auto j) { top[j] = max(top[j], as_int(abs(load(x + i + j * lanes, whole{})))); });
  for_each_register(cols - i, [&](std::size_t j, auto extent) { top[0] = max(top[0], as_int(abs(load(x + i + j, extent)))); });
  return std::bit_cast<float>(maximum(max(max(top[0], top[1]), max(top[2], top[3]))));
}

/// s = max_k |x[k]| / 127,  q[k] = round(x[k] * (127 / max)) + zero_point, halves to even
///
/// Writes `cols` bytes, padded with zero points to a whole word; returns s. A row of zeros, or below `least_size`, has s = 0. A
/// row with a NaN has s = NaN, one with an infinity has s = infinity and bytes of 0, so that its products are NaNs. One
/// multiplication and one rounding per element: the bytes are the same on every processor.
template <class T>
inline float quantize_row(const T* x, std::size_t cols, std::uint8_t zero_point, std::uint8_t* q) noexcept {
  const float size = largest_size(x, cols);
  const bool tiny = size < least_size;
  const simd factor(tiny ? 0.0f : largest_byte / size);
  for_each_register(cols,
                    [&](std::size_t k, auto extent) { store_bytes(q + k, load(x + k, extent) * factor, zero_point, extent); });
  std::fill(q + cols, q + round_up(cols, 4), zero_point);
  return tiny ? 0.0f : size / largest_byte;
}

/// Row i of q <- x, floats or bf16.
template <class Form = byte_dot::best, class T>
inline void quantize_row(const quantized& q, std::size_t i, const T* x) noexcept {
  q.scale[i] = quantize_row(x, q.cols, Form::zero_point, q.row(i));
}

/// q <- x, row by row; `x` [N, K] of floats or bf16.
template <class Form = byte_dot::best, executor E, class T>
void quantize(const E& e, matrix<T> x, const quantized& q) noexcept {
  for_each_row(e, x.rows, x.cols, [&](std::size_t i) { quantize_row<Form>(q, i, x.row(i)); });
}

/// Columns of a panel of weights: two registers of sums in the widest form.
inline constexpr std::size_t byte_panel = 32;

/// A packed int8 operand [K, N]: ceil(N / 32) panels, each [ceil(K / 4), 32, 4], zeros past K and N.
struct packed_int8 {
  const std::int8_t* data = nullptr;
  const float* scale = nullptr;  ///< [N], a channel's largest absolute value / 127
  const std::int32_t* start =
      nullptr;  ///< [N], -128 times the channel's sum of bytes: initial sums for unsigned bytes on the left
  std::size_t k = 0;
  std::size_t n = 0;

  [[nodiscard]] constexpr std::size_t words() const noexcept { return (k + 3) / 4; }
  [[nodiscard]] constexpr std::size_t panels() const noexcept { return (n + byte_panel - 1) / byte_panel; }
  [[nodiscard]] constexpr std::size_t panel_bytes() const noexcept { return words() * 4 * byte_panel; }
  [[nodiscard]] constexpr const std::int8_t* panel(std::size_t p) const noexcept { return data + p * panel_bytes(); }
};

/// Size of a packed int8 operand [k, n] in floats: the bytes, a scale and a start per channel. Its memory must be aligned to 64
/// bytes.
[[nodiscard]] constexpr std::size_t packed_int8_size(std::size_t k, std::size_t n) noexcept {
  return round_up(n, byte_panel) * ((k + 3) / 4 + 2);
}

/// Quantizes w [N, K], one scale per row, and packs its transpose into `memory` [packed_int8_size(K, N)]. K <= most_inputs.
template <executor E>
packed_int8 pack_int8(const E& run, matrix<const float> w, float* memory) noexcept {
  assert(w.cols <= most_inputs);
  const std::size_t all = round_up(w.rows, byte_panel);
  auto* scale = memory;
  auto* start = reinterpret_cast<std::int32_t*>(memory + all);
  auto* data = reinterpret_cast<std::int8_t*>(memory + 2 * all);
  const packed_int8 out{data, scale, start, w.cols, w.rows};
  // A panel of K = 768 is 96 KB of floats: some 10 µs.
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
      for_each_register(w.cols, [&](std::size_t k, auto extent) {
        std::array<std::uint8_t, lanes> bytes{};
        store_bytes(bytes.data(), load(w.row(n) + k, extent) * factor, 0, extent);
        for (std::size_t i = 0; i < lanes && k + i < round_up(w.cols, 4); ++i) {
          const auto byte = static_cast<std::int8_t>(bytes[i]);
          sum += byte;
          to[(k + i) / 4 * 4 * byte_panel + (k + i) % 4] = byte;
        }
      });
      scale[n] = tiny ? 0.0f : size / largest_byte;
      start[n] =
          static_cast<std::int32_t>(0u - 128u * static_cast<std::uint32_t>(sum));  // may wrap, like the sums that start from it
    }
  });
  return out;
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_QUANTIZE_HPP
