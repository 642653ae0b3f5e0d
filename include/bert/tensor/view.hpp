// Views: a pointer and a shape, each extent static or dynamic.
// Layer: tensor. Test: tests/unit/tensor/view_test.cpp
#ifndef BERT_TENSOR_VIEW_HPP
#define BERT_TENSOR_VIEW_HPP

#include <array>
#include <cassert>
#include <cstddef>
#include <span>
#include <type_traits>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// An extent known only at run time; also, in `dims`, a vocabulary size known only at run time.
inline constexpr int dynamic = -1;

/// Rows of `T` in memory, contiguous within a row, `stride` elements from one row to the next. The argument type of kernels.
template <class T>
struct matrix {
  T* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;

  constexpr matrix() = default;
  constexpr matrix(T* p, std::size_t r, std::size_t c) noexcept : data(p), rows(r), cols(c), stride(c) {}
  constexpr matrix(T* p, std::size_t r, std::size_t c, std::size_t s) noexcept : data(p), rows(r), cols(c), stride(s) {}
  template <class U>  // NOLINTNEXTLINE(google-explicit-constructor): adds const
  requires(std::is_same_v<const U, T>) constexpr matrix(matrix<U> m) noexcept
      : data(m.data), rows(m.rows), cols(m.cols), stride(m.stride) {}

  [[nodiscard]] constexpr T* row(std::size_t i) const noexcept { return data + i * stride; }
  [[nodiscard]] constexpr std::span<T> operator[](std::size_t i) const noexcept { return {row(i), cols}; }
  [[nodiscard]] constexpr T& operator()(std::size_t i, std::size_t j) const noexcept { return data[i * stride + j]; }
  /// Rows [first, first + count).
  [[nodiscard]] constexpr matrix block(std::size_t first, std::size_t count) const noexcept {
    return {row(first), count, cols, stride};
  }
  /// Columns [first, first + count).
  [[nodiscard]] constexpr matrix columns(std::size_t first, std::size_t count) const noexcept {
    return {data + first, rows, count, stride};
  }
};

/// A dense row-major view whose known extents are part of the type: `view<float, dynamic, 768>`.
template <class T, int... Extents>
class view {
 public:
  static constexpr std::size_t rank = sizeof...(Extents);
  static constexpr std::array<int, rank> static_extents{Extents...};
  static constexpr std::size_t open = ((Extents == dynamic ? 1u : 0u) + ... + 0u);

  constexpr view() = default;

  /// `open_extents` are the dynamic ones, in order.
  template <class... Sizes>
  requires(sizeof...(Sizes) == open &&
           (std::is_convertible_v<Sizes, std::size_t> && ...)) constexpr explicit view(T* data, Sizes... open_extents) noexcept
      : data_(data) {
    const std::array<std::size_t, open + 1> given{static_cast<std::size_t>(open_extents)..., 0};
    std::size_t next = 0;
    for (std::size_t i = 0; i < rank; ++i)
      shape_[i] = static_extents[i] == dynamic ? given[next++] : static_cast<std::size_t>(static_extents[i]);
  }

  // NOLINTBEGIN(google-explicit-constructor): adds const, or makes an extent dynamic
  template <class U, int... Others>
  requires(std::is_same_v<const U, T> && sizeof...(Others) == rank &&
           ((Others == Extents || Extents == dynamic) && ...)) constexpr view(const view<U, Others...>& other) noexcept
      : data_(other.data()), shape_(other.shape()) {}
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] constexpr T* data() const noexcept { return data_; }
  [[nodiscard]] constexpr const std::array<std::size_t, rank>& shape() const noexcept { return shape_; }
  [[nodiscard]] constexpr std::size_t extent(std::size_t axis) const noexcept { return shape_[axis]; }
  [[nodiscard]] constexpr std::size_t size() const noexcept {
    std::size_t n = 1;
    for (const auto e : shape_) n *= e;
    return n;
  }
  [[nodiscard]] constexpr std::size_t rows() const noexcept { return shape_[0]; }
  [[nodiscard]] constexpr std::span<T> flat() const noexcept { return {data_, size()}; }

  /// Row i of a matrix as a span; element i of a vector as a reference.
  [[nodiscard]] constexpr decltype(auto) operator[](std::size_t i) const noexcept {
    if constexpr (rank == 1) return static_cast<T&>(data_[i]);
    else
      return std::span<T>{data_ + i * (size() / (shape_[0] == 0 ? 1 : shape_[0])), size() / (shape_[0] == 0 ? 1 : shape_[0])};
  }
  [[nodiscard]] constexpr T& operator()(std::size_t i, std::size_t j) const noexcept requires(rank == 2) {
    return data_[i * shape_[1] + j];
  }
  [[nodiscard]] constexpr operator matrix<T>() const noexcept  // NOLINT: a kernel takes either
      requires(rank == 2) {
    return {data_, shape_[0], shape_[1]};
  }
  [[nodiscard]] constexpr matrix<T> as_matrix() const noexcept requires(rank == 2) { return {data_, shape_[0], shape_[1]}; }
  [[nodiscard]] constexpr auto begin() const noexcept { return data_; }
  [[nodiscard]] constexpr auto end() const noexcept { return data_ + size(); }

 private:
  T* data_ = nullptr;
  std::array<std::size_t, rank> shape_{};
};

}  // namespace bert

#endif  // BERT_TENSOR_VIEW_HPP
