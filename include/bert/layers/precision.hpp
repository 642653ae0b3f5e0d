// Precisions: how a frozen model's linear layers are packed and run. Here the concept, and f32.
// Layer: layers. Test: tests/unit/layers/precision_test.cpp
#pragma once

#include <concepts>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/gemm/gemm.hpp"
#include "bert/kernels/gemm/pack.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA {

/// A precision says how a linear layer y = epilogue(x W^T), x [N, K], W [out, K], is packed and run:
///
///     weight                      a packed W, a view of memory that is carved for it
///     weight_size(k, out)         floats of that memory
///     pack(e, w, memory)          packs w [out, K]
///
///     element                     in which attention and activations write what only the next product reads: float or bf16
///     attended<D>                 in which queries, keys and values of heads of D are written: float or bf16
///     table                       in which the embedding tables are kept: float or bf16
///
///     operand                     an x as products read it: x itself, or a copy that is rounded or quantized
///     operand_size<T>(n, k)       floats that such a copy of an x [N, K] of T, float or element, takes; 0 if x itself will do
///     reserve(x, memory)            the operand of an x of floats whose rows are not there yet
///     store_row(operand, i, row)       row i is there: called by layer norm on its way out, while the row lies in the
///     first-level cache convert(e, x, memory)       the operand of an x of floats or elements that is complete
///
///     multiply(e, operand, weight, epilogue)     epilogue(x W^T)
///     multiply(e, operand, weight, epilogue, then)     optional: the same, calling then(executor, first, last) for ranges of
///     rows whose
///                                                      every column is done, while they lie in a cache
///
/// The bits of a row of the result depend on that row of x and on W alone, whatever the other rows and the executor.
template <class P>
concept precision_policy = requires(const execution::serial& e, matrix<const float> w, matrix<const typename P::element> x,
                                    float* memory, std::size_t n, typename P::operand operand, const typename P::weight& weight,
                                    kernels::epilogue::store epilogue) {
  typename P::table;
  typename P::template attended<64>;
  { P::weight_size(n, n) } -> std::same_as<std::size_t>;
  { P::pack(e, w, memory) } -> std::same_as<typename P::weight>;
  { P::template operand_size<float>(n, n) } -> std::same_as<std::size_t>;
  { P::template operand_size<typename P::element>(n, n) } -> std::same_as<std::size_t>;
  { P::reserve(w, memory) } -> std::same_as<typename P::operand>;
  P::store_row(operand, n, static_cast<const float*>(memory));
  { P::convert(e, w, memory) } -> std::same_as<typename P::operand>;
  { P::convert(e, x, memory) } -> std::same_as<typename P::operand>;
  P::multiply(e, operand, weight, epilogue);
};

/// In what numbers a frozen model computes.
namespace precision {

/// Weights, activations and sums in f32.
struct f32 {
  using weight = kernels::packed;
  using element = float;
  using table = float;
  template <int>
  using attended = float;
  using operand = matrix<const float>;

  [[nodiscard]] static constexpr std::size_t weight_size(std::size_t k, std::size_t out) noexcept {
    return kernels::packed_size(k, out);
  }
  template <executor E>
  [[nodiscard]] static weight pack(const E& e, matrix<const float> w, float* memory) noexcept {
    return kernels::pack_transposed(e, w, memory);
  }
  template <class>
  [[nodiscard]] static constexpr std::size_t operand_size(std::size_t, std::size_t) noexcept {
    return 0;
  }
  [[nodiscard]] static operand reserve(matrix<const float> x, float*) noexcept { return x; }
  static void store_row(const operand&, std::size_t, const float*) noexcept {}
  template <executor E>
  [[nodiscard]] static operand convert(const E&, matrix<const float> x, float*) noexcept {
    return x;
  }
  template <executor E, class Epilogue>
  static void multiply(const E& e, const operand& x, const weight& w, const Epilogue& epilogue) noexcept {
    kernels::gemm(e, x, w, epilogue);
  }
};

}  // namespace precision
}  // namespace bert
