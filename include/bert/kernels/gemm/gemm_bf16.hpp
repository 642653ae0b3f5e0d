// bf16 products C = epilogue(A B) with sums in f32.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_bf16_test.cpp
#ifndef BERT_KERNELS_GEMM_GEMM_BF16_HPP
#define BERT_KERNELS_GEMM_GEMM_BF16_HPP

#include <concepts>
#include <cstddef>

#include "bert/core/amx_permission.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/pack_bf16.hpp"
#include "bert/kernels/gemm/register_tile.hpp"
#include "bert/kernels/gemm/tile_amx.hpp"
#include "bert/kernels/simd/amx.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA {

/// The order of a bf16 product's sums. Within an order, bits are the same on every processor.
namespace bf16_order {

/// k = 1, 0, 3, 2, 5, 4, …, rounded after each: AVX512_BF16, and f32 arithmetic with or without FMA.
struct pairs {
  static constexpr const char* name = "pairs";
};

/// Sums even and odd elements of 32 separately, then adds both: AMX. Other processors compute it in plain C++, slowly.
struct tiles {
  static constexpr const char* name = "tiles";
};

/// `tiles` if the processor has AMX and the system permits it, else `pairs`.
struct fastest {};

}  // namespace bf16_order
namespace kernels {

/// C[m,n] = epilogue(sum over k of A[m,k] B[k,n]), sums in f32
///
/// a [M, K], b packed [K, N]. The bits of row m depend only on that row of `a`, on `b` and on the order of sums. The stride of
/// `a` is even and, if K is odd, a zero follows each row.
template <class Order = bf16_order::fastest, executor E, class Epilogue>
void gemm(const E& run, matrix<const bf16> a, packed_bf16 b, const Epilogue& epilogue) noexcept {
  const matrix<const float> pairs{reinterpret_cast<const bf16_pair*>(a.data), a.rows, b.pairs.k, a.stride / 2};
  const auto by_tiles = [&]<class Tiles>(Tiles) {
    using tile = amx_tile<detail::amx_pairs, Tiles>;
    static_assert(tile_cols == tile::cols || !std::same_as<Order, bf16_order::tiles>, "panels of 32 columns");
    if constexpr (tile_cols == tile::cols) detail::amx_product(run, tile{}, pairs, b.pairs, epilogue);
  };
#if BERT_AMX
  if (!std::same_as<Order, bf16_order::pairs> && amx_permitted()) return by_tiles(amx::processor_tiles{});
#endif
  if constexpr (std::same_as<Order, bf16_order::tiles>) by_tiles(amx::plain_tiles{});
  else detail::row_product<bf16_pairs>(run, pairs, b.pairs, epilogue);
}

}  // namespace kernels
}  // namespace bert

#endif  // BERT_KERNELS_GEMM_GEMM_BF16_HPP
