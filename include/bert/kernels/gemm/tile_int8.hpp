// The int8 tile with exact 32-bit sums, by the instruction of each form.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_int8_test.cpp
#ifndef BERT_KERNELS_GEMM_TILE_INT8_HPP
#define BERT_KERNELS_GEMM_TILE_INT8_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/gemm/quantize.hpp"
#include "bert/kernels/gemm/tile.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/int8.hpp"

namespace bert::inline BERT_ISA::kernels {

/// A word of an int8 operand: four bytes consecutive along K.
using four_bytes = std::array<std::uint8_t, 4>;

namespace detail {

/// The tallest tile of any form.
inline constexpr std::size_t most_byte_rows = 14;

/// Reads rows of bytes, `stride` apart, one word per step: as in `by_rows`, three rows share a pointer.
struct word_rows {
  const std::uint8_t *p0, *p1, *p2, *p3, *p4;
  std::size_t stride;

  word_rows(const std::uint8_t* a, std::size_t s) noexcept
      : p0(a), p1(a + 3 * s), p2(a + 6 * s), p3(a + 9 * s), p4(a + 12 * s), stride(s) {}
  template <std::size_t I>
  [[nodiscard]] const std::uint8_t* at() const noexcept {
    const std::uint8_t* p = I < 3 ? p0 : I < 6 ? p1 : I < 9 ? p2 : I < 12 ? p3 : p4;
    return p + I % 3 * stride;
  }
  void next() noexcept { p0 += 4, p1 += 4, p2 += 4, p3 += 4, p4 += 4; }
};

using byte_task = tile_task<four_bytes, std::int32_t>;

template <class Form, class Rows>
struct byte_loop;

/// sums[R, 32] = start + a[R, 4 words] panel, exact
template <class Form, std::size_t... I>
struct byte_loop<Form, std::index_sequence<I...>> {
  static void run(const byte_task& task, const std::int32_t* start) noexcept {
    using reg = typename Form::sums;
    constexpr std::size_t cols = 2 * Form::columns;
    const auto* panel = reinterpret_cast<const std::int8_t*>(task.b);
    const std::size_t apart = 4 * task.apart, second = apart > alignment ? alignment : 0;
    for (std::size_t c = 0; c < byte_panel; c += cols) {
      reg acc[sizeof...(I)][2];
      constexpr std::array<std::int32_t, cols> zeros{};
      const std::int32_t* from = Form::zero_point == 0 ? zeros.data() : start + c;
      ((acc[I][0] = Form::load(from), acc[I][1] = Form::load(from + Form::columns)), ...);
      word_rows walk(reinterpret_cast<const std::uint8_t*>(task.a), 4 * task.stride);
      const std::int8_t* b = panel + 4 * c;
      const auto* share = reinterpret_cast<const std::int8_t*>(task.ahead);
      for (std::size_t k = task.depth; k != 0; --k, b += 4 * byte_panel, share += apart) {
        prefetch(share);
        prefetch(share + second);
        const reg b0 = Form::load(b), b1 = Form::load(b + 4 * Form::columns);
        const auto row = [b0, b1](const std::uint8_t* word, reg(&s)[2]) {
          const auto x = Form::broadcast(word);
          s[0] = Form::dot(s[0], x, b0);
          s[1] = Form::dot(s[1], x, b1);
        };
        (row(walk.template at<I>(), acc[I]), ...);
        walk.next();
      }
      std::int32_t* to = task.sums + c;
      ((Form::store(to + I * byte_panel, acc[I][0]), Form::store(to + I * byte_panel + Form::columns, acc[I][1])), ...);
    }
  }
};

/// The K-loop for each tile height from 1 to Form::rows.
template <class Form>
inline constexpr auto byte_loops = []<std::size_t... I>(std::index_sequence<I...>) {
  return std::array<void (*)(const byte_task&, const std::int32_t*) noexcept, Form::rows>{
      &byte_loop<Form, std::make_index_sequence<I + 1>>::run...};
}
(std::make_index_sequence<Form::rows>{});

/// Bytes of A in a block, which stay in a second-level cache of 1 MB while panels of B stream past.
inline constexpr std::size_t byte_block = std::size_t{384} << 10;

struct byte_sizes {
  static constexpr std::size_t part_depth = most_inputs;  // in words: a part is always the whole depth
  [[nodiscard]] static constexpr std::size_t block_rows(std::size_t, std::size_t stride) noexcept {
    return std::max(most_byte_rows, byte_block / (4 * stride));
  }
};

}  // namespace detail

/// Up to 14 x 32 exact sums (AVX512_VNNI) in registers of 32-bit integers. A word is four bytes along K; B is packed by
/// `pack_int8`, whose `start` subtracts what a form's zero point adds. `Form` is the instruction (simd/int8.hpp).
template <class Form>
struct int8_tile {
  using word = four_bytes;
  using sum = std::int32_t;
  using layout = rows_in_place<four_bytes, detail::byte_sizes>;
  static constexpr std::size_t rows = Form::rows, cols = byte_panel, row_step = 1, depth_step = 1, waiting_sums = 0;

  const std::int32_t* start;  ///< [N] of the packed operand

  [[nodiscard]] static simd load(const std::int32_t* sums) noexcept { return load_as_float(sums); }
  template <class>
  void run(std::size_t height, const tile_task<word, sum>& task) const noexcept {
    detail::byte_loops<Form>[height - 1](task, start + task.column);
  }
};

}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_TILE_INT8_HPP
