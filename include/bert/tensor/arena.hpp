// One block of memory carved into buffers. The code that carves also counts, at compile time where sizes are constants.
// Layer: tensor. Test: tests/unit/tensor/arena_test.cpp
#ifndef BERT_TENSOR_ARENA_HPP
#define BERT_TENSOR_ARENA_HPP

#include <cstddef>
#include <type_traits>

#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"

namespace bert::inline BERT_ISA {

/// Hands out consecutive 64-byte aligned buffers from a block of floats. Without a block it only counts, so that
///
///     carver count;  workspace{count, shape};  buffer<float> block(count.used());
///     carver carve{block.data()};  workspace w{carve, shape};
///
/// sizes a workspace and lays it out by one description.
class carver {
 public:
  constexpr carver() = default;
  constexpr explicit carver(float* block) noexcept : block_(block) {}

  constexpr float* take(std::size_t floats) noexcept {
    float* piece = block_ == nullptr ? nullptr : block_ + used_;
    used_ += round_up(floats, alignment / sizeof(float));
    return piece;
  }
  /// A buffer of `count` elements of T, from the same block.
  template <class T>
  constexpr T* take(std::size_t count) noexcept {
    float* piece = take((count * sizeof(T) + sizeof(float) - 1) / sizeof(float));
    if constexpr (std::is_same_v<T, float>) return piece;
    else return piece == nullptr ? nullptr : reinterpret_cast<T*>(piece);  // a constant expression if it only counts
  }
  [[nodiscard]] constexpr std::size_t used() const noexcept { return used_; }

 private:
  float* block_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace bert

#endif  // BERT_TENSOR_ARENA_HPP
