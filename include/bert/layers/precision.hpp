// Precisions: how a frozen model's linear layers are packed and run. The concept, and f32.
// Layer: layers. Test: tests/unit/layers/precision_test.cpp
#ifndef BERT_LAYERS_PRECISION_HPP
#define BERT_LAYERS_PRECISION_HPP

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
///     weight                      the packed W, a view of memory carved for it
///     weight_size(k, out)         size of that memory in floats
///     pack(e, w, memory)          packs w [out, K]
///
///     element                     dtype in which attention and activations write what only products read: float or bf16
///     attended<D>                 dtype of queries, keys and values of heads of D: float or bf16
///     table                       dtype of the embedding tables: float or bf16
///
///     operand                     x as products read it: x itself, or a rounded or quantized copy
///     operand_size<T>(n, k)       size in floats of that copy for x [N, K] of T, float or element; 0 without a copy
///     reserve(x, memory)          the operand of an x of floats whose rows are written later
///     store_row(operand, i, row)  stores row i: layer norm calls it while the row is in the first-level cache
///     convert(e, x, memory)       the operand of a complete x of floats or elements
///
///     multiply(e, operand, weight, epilogue)          epilogue(x W^T)
///     multiply(e, operand, weight, epilogue, then)    optional: also calls then(executor, first, last) for ranges of
///                                                     finished rows, while they are in a cache
///
/// The bits of a row of the result depend only on that row of x and on W, not on other rows or the executor.
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

/// The precisions of frozen models.
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

#endif  // BERT_LAYERS_PRECISION_HPP
