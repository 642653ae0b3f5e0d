// int8 products C = epilogue(A B): exact 32-bit sums, converted to f32 for the epilogue.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_int8_test.cpp
#ifndef BERT_KERNELS_GEMM_GEMM_INT8_HPP
#define BERT_KERNELS_GEMM_GEMM_INT8_HPP

#include <algorithm>
#include <array>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "bert/core/amx_permission.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/gemm/product.hpp"
#include "bert/kernels/gemm/quantize.hpp"
#include "bert/kernels/gemm/tile_amx.hpp"
#include "bert/kernels/gemm/tile_int8.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/int8.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {
namespace detail {

/// epilogue(sum * (row's scale * column's scale)). `in_register` prevents FMA contraction of the product with the epilogue's
/// addition, so that bits match with and without FMA.
template <class Epilogue>
struct scaled {
  const Epilogue& epilogue;
  const float* row_scale;
  const float* scale;

  void fetch(std::size_t i, std::size_t j) const noexcept { epilogue.fetch(i, j); }
  template <class Extent>
  void operator()(std::size_t i, std::size_t j, simd sum, Extent extent) const noexcept {
    epilogue(i, j, in_register(sum * (simd(row_scale[i]) * load(scale + j))), extent);
  }
};

/// Both operands as the driver reads them: in words of four bytes.
[[nodiscard]] inline matrix<const four_bytes> words_of(const quantized& a) noexcept {
  return {reinterpret_cast<const four_bytes*>(a.data), a.rows, (a.cols + 3) / 4, a.stride / 4};
}
struct word_panels {
  const packed_int8& b;
  std::size_t k, n;

  explicit word_panels(const packed_int8& packed) noexcept : b(packed), k(packed.words()), n(packed.n) {}
  [[nodiscard]] const four_bytes* panel(std::size_t p) const noexcept {
    return reinterpret_cast<const four_bytes*>(b.panel(p));
  }
};

/// Greatest size in bytes of a block's rows of A and of C in f32, so that both stay in the second-level cache.
inline constexpr std::size_t row_block = std::size_t{640} << 10;

/// Number of blocks of whole rows for `width` threads: four per thread if each then has two tiles, more if a block would not
/// fit the cache.
[[nodiscard]] inline std::size_t row_blocks(std::size_t m, std::size_t row_bytes, std::size_t tile,
                                            std::size_t width) noexcept {
  const std::size_t most = std::max(tile, row_block / row_bytes), wanted = std::min(4 * width, m / (2 * tile));
  return width * ((std::max({(m + most - 1) / most, wanted, std::size_t{1}}) + width - 1) / width);
}

}  // namespace detail

/// C[m,n] = epilogue(s[m] t[n] * sum over k of A[m,k] B[k,n]),  s and t the scales of A's rows and of B's columns
///
/// a [M, K] quantized for the same `Form`, b packed [K, N], K <= most_inputs. The sums are exact integers, rounded once to f32,
/// so the epilogue receives the same bits for every form, executor and M.
template <class Form = byte_dot::best, executor E, class Epilogue>
void gemm(const E& run, const quantized& a, const packed_int8& b, const Epilogue& epilogue) noexcept {
  assert(a.cols == b.k && b.k <= most_inputs);
  const detail::scaled<Epilogue> out{epilogue, a.scale, b.scale};
#if BERT_AMX
  if constexpr (std::same_as<Form, byte_dot::best> && Form::zero_point == detail::amx_bytes::zero_point)
    if (a.rows > amx_sizes::few_byte_rows && amx_permitted()) {
      const amx_tile<detail::amx_bytes, amx::processor_tiles> tile{{b.start}};
      return detail::amx_product(run, tile, detail::words_of(a), detail::word_panels(b), out);
    }
#endif
  const int8_tile<Form> tile{b.start};
  multiply<typename int8_tile<Form>::layout>(run, tile, detail::words_of(a), a.rows, detail::word_panels(b), out);
}

/// The same; also calls then(executor, first, last) for ranges of rows that cover C, each once the epilogue has written all its
/// columns. With enough rows for all threads, a range is what one thread has just written, still in its second-level cache, and
/// `executor` is serial. `then` must not write what the product reads.
template <class Form = byte_dot::best, executor E, class Epilogue, class Then>
void gemm(const E& run, const quantized& a, const packed_int8& b, const Epilogue& epilogue, const Then& then) noexcept {
  const std::size_t m = a.rows, width = std::max<std::size_t>(1, run.width());
  const std::size_t blocks = detail::row_blocks(m, a.stride + b.n * sizeof(float), Form::rows, width);
  // Each block reads all of B: with fewer than 16 rows per block that costs more than it saves.
  if (m < 16 * blocks) {
    gemm<Form>(run, a, b, epilogue);
    then(run, std::size_t{0}, m);
    return;
  }
  assert(a.cols == b.k && b.k <= most_inputs);
  const detail::word_panels right(b);
  const detail::scaled<Epilogue> out{epilogue, a.scale, b.scale};
  const std::array<std::size_t, 2> all{0, right.k};
  const auto by = [&]<class Layout, class Tile>(std::type_identity<Layout>, const Tile& tile) {
    const detail::depth_tree depth(all, Layout::part_depth(b.n), Tile::depth_step);
    run.parallel_for(blocks, [&](std::size_t i) {
      const std::size_t first = detail::border(m, i, blocks, Tile::row_step),
                        last = detail::border(m, i + 1, blocks, Tile::row_step);
      detail::block<Layout, 1>(tile, detail::words_of(a), right, depth, out, {first, last - first, 0, b.panels(), 0});
      then(execution::serial{}, first, last);
    });
  };
#if BERT_AMX
  if constexpr (std::same_as<Form, byte_dot::best> && Form::zero_point == detail::amx_bytes::zero_point) {
    using tile = amx_tile<detail::amx_bytes, amx::processor_tiles>;
    if (amx_permitted()) return by(std::type_identity<typename tile::shallow_layout>{}, tile{{b.start}});
  }
#endif
  by(std::type_identity<typename int8_tile<Form>::layout>{}, int8_tile<Form>{b.start});
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_GEMM_GEMM_INT8_HPP
