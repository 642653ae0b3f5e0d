// One block of memory carved into buffers; the same code that carves also counts, at compile time where it can.
// Layer: tensor. Test: tests/unit/tensor/arena_test.cpp
#pragma once

#include <cstddef>

#include "bert/core/memory.hpp"

namespace bert {

/// Hands out consecutive 64-byte aligned pieces of a block of floats. Without a block it only counts, so that
///
///     carver count;  workspace{count, shape};  buffer<float> block(count.used());
///     carver carve{block.data()};  workspace w{carve, shape};
///
/// sizes and lays out a workspace with one description of it.
class carver {
 public:
  constexpr carver() = default;
  constexpr explicit carver(float* block) noexcept : block_(block) {}

  constexpr float* take(std::size_t floats) noexcept {
    float* piece = block_ == nullptr ? nullptr : block_ + used_;
    used_ += round_up(floats, alignment / sizeof(float));
    return piece;
  }
  [[nodiscard]] constexpr std::size_t used() const noexcept { return used_; }

 private:
  float* block_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace bert
