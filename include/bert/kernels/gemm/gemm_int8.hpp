// Matrix products of bytes: exact 32-bit sums by a register tile over packed panels, made floats on the way to an epilogue.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_int8_test.cpp
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/gemm/gemm.hpp"
#include "bert/kernels/gemm/quantize.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/int8.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {
namespace detail {

/// Rows of bytes, `stride` apart, a word at a time: as `by_rows`, three rows to a pointer.
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

/// A tile's left operand, panel and sums; its share of what is read next, of which each step asks for the line `apart` bytes
/// further on, and for that `second` bytes from there.
struct byte_tile_task {
  const std::uint8_t* a;
  std::size_t stride;
  const std::int8_t* panel;
  std::size_t words;
  const std::int32_t* start;
  std::int32_t* sums;
  const std::int8_t* share;
  std::size_t apart, second;
};

template <class Form, class Rows>
struct byte_tile;

/// sums[R, 32] = a[R, 4 words] panel, exact
template <class Form, std::size_t... I>
struct byte_tile<Form, std::index_sequence<I...>> {
  static void run(const byte_tile_task& task) noexcept {
    using reg = typename Form::sums;
    constexpr std::size_t cols = 2 * Form::columns;
    for (std::size_t c = 0; c < byte_panel; c += cols) {
      reg acc[sizeof...(I)][2];
      constexpr std::array<std::int32_t, cols> zeros{};
      const std::int32_t* start = Form::zero_point == 0 ? zeros.data() : task.start + c;
      ((acc[I][0] = Form::load(start), acc[I][1] = Form::load(start + Form::columns)), ...);
      word_rows walk(task.a, task.stride);
      const std::int8_t* b = task.panel + 4 * c;
      const std::int8_t* share = task.share;
      const std::size_t apart = task.apart, second = task.second;
      for (std::size_t k = task.words; k != 0; --k, b += 4 * byte_panel, share += apart) {
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

/// The tile of each height from 1 to Form::rows.
template <class Form>
inline constexpr auto byte_tiles = []<std::size_t... I>(std::index_sequence<I...>) {
  return std::array<void (*)(const byte_tile_task&) noexcept, Form::rows>{
      &byte_tile<Form, std::make_index_sequence<I + 1>>::run...};
}
(std::make_index_sequence<Form::rows>{});

/// c = sum * (row's scale * column's scale), to the epilogue. The product is held in a register so that no compiler fuses it
/// with the epilogue's addition: the bits are the same with fused multiply-adds and without.
template <class Epilogue>
void finish_bytes(const Epilogue& epilogue, const std::int32_t* sums, const float* row_scale, const float* scale,
                  std::size_t row0, std::size_t rows, std::size_t col0, std::size_t n) noexcept {
  const std::size_t cols = std::min(byte_panel, n - col0);
  for (std::size_t i = 0; i < rows; ++i, sums += byte_panel) {
    const simd s(row_scale[i]);
    const auto element = [&](std::size_t j, auto extent) {
      epilogue(row0 + i, col0 + j, in_register(load_as_float(sums + j) * (s * load(scale + j))), extent);
    };
    if (cols == byte_panel) unrolled<byte_panel / lanes>([&](auto j) { element(j * lanes, whole{}); });
    else for_each_register(cols, element);
  }
}

/// Bytes of A in a block: they stay in a second-level cache of 1 MB while the panels of B stream past.
inline constexpr std::size_t byte_block = std::size_t{384} << 10;

/// Bytes of A and of what the epilogue writes of it, in f32, where whole rows are to stay in the second-level cache.
inline constexpr std::size_t row_block = std::size_t{640} << 10;

/// Blocks of whole rows for `width` threads: four a thread if that leaves two tiles each, more if they would not stay in the
/// cache.
[[nodiscard]] inline std::size_t row_blocks(std::size_t m, std::size_t row_bytes, std::size_t tile,
                                            std::size_t width) noexcept {
  const std::size_t most = std::max(tile, row_block / row_bytes), wanted = std::min(4 * width, m / (2 * tile));
  return width * ((std::max({(m + most - 1) / most, wanted, std::size_t{1}}) + width - 1) / width);
}

/// Rows [row0, row0 + rows) and panels [panel0, panel1) of the product, after which panel `then` is likely to be read, if there
/// is one.
template <class Form, class Epilogue>
void byte_product(const quantised& a, const packed_int8& b, const Epilogue& epilogue, std::size_t row0, std::size_t rows,
                  std::size_t panel0, std::size_t panel1, std::size_t then) noexcept {
  alignas(alignment) std::int32_t sums[Form::rows * byte_panel];
  const tile_cut tiling(rows, Form::rows);
  constexpr std::size_t step = 4 * byte_panel;
  const std::size_t fetching = fetching_tiles(tiling.count, step / alignment), apart = step / fetching,
                    second = apart > alignment ? alignment : 0;
  for (std::size_t p = panel0; p < panel1; ++p) {
    const std::size_t col0 = p * byte_panel, later = p + 1 < panel1 ? p + 1 : then;
    for (std::size_t t = 0, r0 = 0; t < tiling.count; r0 += tiling.height(t++)) {
      const std::size_t height = tiling.height(t);
      const std::int8_t* share = t < fetching && later < b.panels() ? b.panel(later) + t * b.words() * apart : b.panel(p);
      for (std::size_t i = 0; i < height; ++i) epilogue.fetch(row0 + r0 + i, col0);
      byte_tiles<Form>[height - 1](
          {a.row(row0 + r0), a.stride, b.panel(p), b.words(), b.start + col0, sums, share, apart, second});
      finish_bytes(epilogue, sums, a.scale + row0 + r0, b.scale + col0, row0 + r0, height, col0, b.n);
    }
  }
}

}  // namespace detail

/// C[m,n] = epilogue(s[m] t[n] * sum over k of A[m,k] B[k,n]),  s and t the scales of A's rows and B's columns
///
/// a [M, K] quantised by the same form, b packed [K, N], K <= most_inputs. The sums are exact integers, rounded once to f32, so
/// the epilogue is given the same bits by every form, executor and M.
template <class Form = byte_dot::best, executor E, class Epilogue>
void gemm(const E& run, const quantised& a, const packed_int8& b, const Epilogue& epilogue) noexcept {
  assert(a.cols == b.k && b.k <= most_inputs);
  if (a.rows == 0 || b.n == 0) return;
  const std::size_t panels = b.panels(), width = std::max<std::size_t>(1, run.width());
  const std::size_t most_rows = std::max(Form::rows, detail::byte_block / a.stride);
  const auto [down, across] = detail::cut(a.rows, packed{nullptr, b.words(), panels * tile_cols}, width, most_rows, false);
  run.parallel_for(down * across, [&, d = down, c = across](std::size_t i) {
    const std::size_t r = i / c, j = i % c, row0 = a.rows * r / d, row1 = a.rows * (r + 1) / d;
    detail::byte_product<Form>(a, b, epilogue, row0, row1 - row0, panels * j / c, panels * (j + 1) / c,
                               detail::next_panel(i, width, d, c, panels));
  });
}

/// The same; then calls then(executor, first, last) for ranges of rows that cover C, once every column of theirs has been to
/// the epilogue. Where there are rows enough for all threads, a range is what one thread has just written, still in its
/// second-level cache, and `executor` is serial. `then` must not write what the product reads.
template <class Form = byte_dot::best, executor E, class Epilogue, class Then>
void gemm(const E& run, const quantised& a, const packed_int8& b, const Epilogue& epilogue, const Then& then) noexcept {
  const std::size_t m = a.rows, width = std::max<std::size_t>(1, run.width());
  const std::size_t blocks = detail::row_blocks(m, a.stride + b.n * sizeof(float), Form::rows, width);
  // Each block reads all of B: below 16 rows that costs more than it saves.
  if (m < 16 * blocks) {
    gemm<Form>(run, a, b, epilogue);
    then(run, std::size_t{0}, m);
    return;
  }
  assert(a.cols == b.k && b.k <= most_inputs);
  run.parallel_for(blocks, [&](std::size_t i) {
    const std::size_t first = m * i / blocks, last = m * (i + 1) / blocks;
    detail::byte_product<Form>(a, b, epilogue, first, last - first, 0, b.panels(), 0);
    then(execution::serial{}, first, last);
  });
}

}  // namespace bert::kernels
