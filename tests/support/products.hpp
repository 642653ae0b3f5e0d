// What the tests of matrix products share: operands, shapes, comparison of bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bert/core/memory.hpp"
#include "bert/core/random.hpp"
#include "bert/tensor/view.hpp"

namespace support {

/// Random numbers in [-1, 1), in the `gap` between rows too, where no kernel may read them.
struct operand {
  bert::buffer<float> memory;
  bert::matrix<float> view;

  operand(std::size_t rows, std::size_t cols, std::uint64_t seed, std::size_t gap = 0)
      : memory(rows * (cols + gap)), view(memory.data(), rows, cols, cols + gap) {
    bert::random_stream random(seed, bert::draw::user);
    for (auto& x : memory) x = random.uniform() * 2 - 1;
  }
  [[nodiscard]] bert::matrix<const float> read() const { return view; }
};

struct shape {
  std::size_t m, n, k;
};

[[nodiscard]] inline bool same_bits(bert::matrix<const float> a, bert::matrix<const float> b) {
  for (std::size_t i = 0; i < a.rows; ++i)
    if (std::memcmp(a.row(i), b.row(i), a.cols * sizeof(float)) != 0) return false;
  return true;
}

}  // namespace support
