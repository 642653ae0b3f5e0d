// Epilogues: what is applied to the sums of a matrix product before they are stored.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_test.cpp
#ifndef BERT_KERNELS_GEMM_EPILOGUE_HPP
#define BERT_KERNELS_GEMM_EPILOGUE_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/rows/activation.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// Whether new gradients are added to old ones or replace them: a step's first batch writes, further ones add. Writing saves
/// clearing 0.4 GB for bert-base and reading the zeros back.
enum class gradients : std::uint8_t { added, written };

}  // namespace bert::kernels

/// An epilogue is called with a row i, a first column j, one register of sums of that row, and the register's extent within the
/// row (`whole` or `first`). `acc` in the formulas is the product's element [i, j]. `fetch(i, j)` is called before the tile and
/// prefetches the memory that the call will touch, tile_cols columns from j on: stores that miss cost up to a tenth.
namespace bert::inline BERT_ISA::kernels::epilogue {

namespace detail {
/// Prefetches two registers of row i from column j on; they may lie past the row's end.
template <class T>
void fetch(const matrix<T>& m, std::size_t i, std::size_t j) noexcept {
  const auto* p = m.row(i) + j;
  for (std::size_t byte = 0; byte < 2 * lanes * sizeof(T); byte += alignment) prefetch(reinterpret_cast<const char*>(p) + byte);
}
}  // namespace detail

/// c = acc
struct store {
  matrix<float> c;  ///< writes [M, N]

  void fetch(std::size_t i, std::size_t j) const noexcept { detail::fetch(c, i, j); }
  template <class Extent>
  void operator()(std::size_t i, std::size_t j, simd acc, Extent extent) const noexcept {
    kernels::store(c.row(i) + j, acc, extent);
  }
};

/// c += acc, or c = acc if the gradient is the first of its step
struct add {
  matrix<float> c;  ///< adds or writes [M, N]
  gradients how = gradients::added;

  void fetch(std::size_t i, std::size_t j) const noexcept { detail::fetch(c, i, j); }
  template <class Extent>
  void operator()(std::size_t i, std::size_t j, simd acc, Extent extent) const noexcept {
    float* to = c.row(i) + j;
    kernels::store(to, how == gradients::added ? load(to, extent) + acc : acc, extent);
  }
};

/// c = acc + bias, in f32 or rounded to bf16
template <class T = float>
struct bias {
  matrix<T> c;                  ///< writes [M, N]
  const float* bias = nullptr;  ///< [N]

  void fetch(std::size_t i, std::size_t j) const noexcept { detail::fetch(c, i, j); }
  template <class Extent>
  void operator()(std::size_t i, std::size_t j, simd acc, Extent extent) const noexcept {
    kernels::store(c.row(i) + j, acc + load(bias + j, extent), extent);
  }
};
bias(matrix<float>, const float*)->bias<float>;
bias(matrix<bf16>, const float*)->bias<bf16>;

/// pre = acc + bias; c = Activation(pre), in f32 or rounded to bf16
template <class Activation, class T = float>
struct bias_activation {
  matrix<T> c;                  ///< writes [M, N]
  const float* bias = nullptr;  ///< [N]
  matrix<float> pre = {};       ///< writes [M, N] for the backward pass; may be empty

  void fetch(std::size_t i, std::size_t j) const noexcept {
    detail::fetch(c, i, j);
    if (pre.data != nullptr) detail::fetch(pre, i, j);
  }
  template <class Extent>
  void operator()(std::size_t i, std::size_t j, simd acc, Extent extent) const noexcept {
    const simd x = acc + load(bias + j, extent);
    if (pre.data != nullptr) kernels::store(pre.row(i) + j, x, extent);
    if constexpr (std::same_as<T, bf16>) kernels::store(c.row(i) + j, activated_for_bf16<Activation>(x), extent);
    else kernels::store(c.row(i) + j, Activation::forward(x), extent);
  }
};

/// c = acc + bias + residual
struct bias_residual {
  matrix<float> c;                    ///< writes [M, N]; may be the memory of `residual`
  const float* bias = nullptr;        ///< [N]
  matrix<const float> residual = {};  ///< [M, N]

  void fetch(std::size_t i, std::size_t j) const noexcept { detail::fetch(c, i, j), detail::fetch(residual, i, j); }
  template <class Extent>
  void operator()(std::size_t i, std::size_t j, simd acc, Extent extent) const noexcept {
    kernels::store(c.row(i) + j, acc + load(bias + j, extent) + load(residual.row(i) + j, extent), extent);
  }
};

/// c = acc + other
struct residual {
  matrix<float> c;                 ///< writes [M, N]; may be the memory of `other`
  matrix<const float> other = {};  ///< [M, N]

  void fetch(std::size_t i, std::size_t j) const noexcept { detail::fetch(c, i, j), detail::fetch(other, i, j); }
  template <class Extent>
  void operator()(std::size_t i, std::size_t j, simd acc, Extent extent) const noexcept {
    kernels::store(c.row(i) + j, acc + load(other.row(i) + j, extent), extent);
  }
};

/// c = acc * Activation'(pre); pre <- Activation(pre)
///
/// Overwrites `pre` with the activation's value, recomputed beside its derivative. A tape that keeps only `pre` is a quarter
/// smaller, and value and derivative share the costly half of GELU.
template <class Activation>
struct activation_gradient {
  matrix<float> c;    ///< writes [M, N]
  matrix<float> pre;  ///< [M, N], as `bias_activation` wrote it; overwritten

  void fetch(std::size_t i, std::size_t j) const noexcept { detail::fetch(c, i, j), detail::fetch(pre, i, j); }
  template <class Extent>
  void operator()(std::size_t i, std::size_t j, simd acc, Extent extent) const noexcept {
    float* at = pre.row(i) + j;
    const simd x = load(at, extent);
    kernels::store(c.row(i) + j, acc * Activation::gradient(x), extent);
    kernels::store(at, Activation::forward(x), extent);
  }
};

}  // namespace bert::kernels::epilogue

#endif  // BERT_KERNELS_GEMM_EPILOGUE_HPP
