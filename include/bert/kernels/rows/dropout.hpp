// Dropout: a mask that is a pure function of a key, a row and a column, recomputed in the backward pass and never stored.
// Layer: kernels. Test: tests/unit/kernels/rows/dropout_test.cpp. Paper: Srivastava et al. 2014, "Dropout".
#ifndef BERT_KERNELS_ROWS_DROPOUT_HPP
#define BERT_KERNELS_ROWS_DROPOUT_HPP

#include <array>
#include <cstddef>
#include <cstdint>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// One application of dropout: every element of a matrix is dropped with probability `rate`, as a function of its row and
/// column.
///
/// Philox would cost forty multiplications for four elements; the two rounds of a 32-bit mixer cost three for one. A mask needs
/// no more than independent neighbors. Each use has its own key.
struct dropout {
  float rate = 0;  ///< in [0, 1)
  std::uint64_t key = 0;
  std::uint64_t first_row = 0;  ///< the index of row 0 in the whole batch: a slice drops what the whole would

  [[nodiscard]] constexpr bool active() const noexcept { return rate > 0.0f; }
  /// The factor of kept elements, so that the mean stays.
  [[nodiscard]] constexpr float scale() const noexcept { return 1.0f / (1.0f - rate); }
  /// An element is dropped if its 31 random bits are below this.
  [[nodiscard]] constexpr std::int32_t threshold() const noexcept {
    return static_cast<std::int32_t>(static_cast<double>(rate) * 0x1p31);
  }

  /// Whether the element at (row, col) is kept.
  [[nodiscard]] constexpr bool keep(std::uint64_t row, std::uint32_t col) const noexcept {
    return number(row_key(row), col) >= threshold();
  }
  /// `scale()` for kept elements and 0 for dropped ones, of columns [col, col + lanes) in the row with this key.
  [[nodiscard]] simd factors(std::uint32_t key_of_row, std::uint32_t col) const noexcept {
    std::array<float, lanes> out;
    const std::int32_t below = threshold();
    const float survives = scale();
    for (std::size_t l = 0; l < lanes; ++l)
      out[l] = number(key_of_row, col + static_cast<std::uint32_t>(l)) < below ? 0.0f : survives;
    return load(out.data());
  }
  /// The same for one column and the rows whose keys are at `keys_of_rows`, one per lane.
  [[nodiscard]] simd factors(const std::uint32_t* keys_of_rows, std::uint32_t col) const noexcept {
    std::array<float, lanes> out;
    const std::int32_t below = threshold();
    const float survives = scale();
    for (std::size_t l = 0; l < lanes; ++l) out[l] = number(keys_of_rows[l], col) < below ? 0.0f : survives;
    return load(out.data());
  }

  /// The key of `row`: a full mix of all 128 bits of key and row.
  [[nodiscard]] constexpr std::uint32_t row_key(std::uint64_t row) const noexcept {
    std::uint64_t z = (first_row + row + 1) * 0x9E3779B97F4A7C15u ^ key;  // the finalizer of SplitMix64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<std::uint32_t>(z >> 32);
  }

 private:
  /// The 31 random bits of one element, by the two-multiplication mixer that C. Wellons' search found least biased.
  static constexpr std::int32_t number(std::uint32_t key_of_row, std::uint32_t col) noexcept {
    std::uint32_t x = key_of_row + col * 0x9E3779B9u;  // odd: the columns of a row never collide
    x = (x ^ (x >> 16)) * 0x7FEB352Du;
    x = (x ^ (x >> 15)) * 0x846CA68Bu;
    return static_cast<std::int32_t>((x ^ (x >> 16)) >> 1);
  }
};

/// x *= factors; in place: forward on values, backward on gradients with the same mask. Rate 0 leaves `x` unchanged.
template <executor E>
void apply_dropout(const E& e, dropout d, matrix<float> x) noexcept {
  if (!d.active()) return;
  for_each_row(e, x.rows, x.cols, [&](std::size_t m) {
    for_each_register(x.cols, [row = x.row(m), key = d.row_key(m), d](std::size_t i, auto extent) {
      store(row + i, load(row + i, extent) * d.factors(key, static_cast<std::uint32_t>(i)), extent);
    });
  });
}

/// out = residual + branch * factors; writes `out` [M, N], which may be either of the two.
template <executor E>
void add_residual(const E& e, dropout d, matrix<const float> branch, matrix<const float> residual, matrix<float> out) noexcept {
  for_each_row(e, out.rows, out.cols, [&](std::size_t m) {
    const float *from = branch.row(m), *past = residual.row(m);
    float* to = out.row(m);
    if (!d.active())
      return for_each_register(out.cols, [=](std::size_t i, auto extent) {
        store(to + i, load(past + i, extent) + load(from + i, extent), extent);
      });
    for_each_register(out.cols, [=, key = d.row_key(m)](std::size_t i, auto extent) {
      store(to + i, fma(load(from + i, extent), d.factors(key, static_cast<std::uint32_t>(i)), load(past + i, extent)), extent);
    });
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ROWS_DROPOUT_HPP
