// A random permutation of [0, count), computed entry by entry, without memory.
// Layer: data. Test: tests/unit/data/permutation_test.cpp. Paper: Black and Rogaway 2002, "Ciphers with arbitrary finite
// domains".
#ifndef BERT_DATA_PERMUTATION_HPP
#define BERT_DATA_PERMUTATION_HPP

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"

namespace bert::inline BERT_ISA::data {

/// order(0), …, order(count - 1) are 0, …, count - 1 in an order that `random` decides.
///
/// A Feistel network over the smallest 4^b >= count, repeated until the result is below count: fewer than four times on
/// average. It shuffles epochs: any step can be loaded first, and resuming has nothing to restore.
class permutation {
 public:
  permutation(std::uint64_t count, random_stream random) noexcept
      : count_(count), half_(static_cast<unsigned>(std::bit_width(count < 2 ? std::uint64_t{1} : count - 1) + 1) / 2) {
    for (auto& key : keys_) key = (std::uint64_t{random()} << 32) | random();
  }

  [[nodiscard]] std::uint64_t size() const noexcept { return count_; }
  /// `i` < size().
  [[nodiscard]] std::uint64_t operator()(std::uint64_t i) const noexcept {
    do i = once(i);
    while (i >= count_);
    return i;
  }

 private:
  // Three rounds suffice for a pseudorandom round function (Luby and Rackoff); this one only mixes well, hence six.
  static constexpr std::size_t rounds = 6;

  [[nodiscard]] std::uint64_t once(std::uint64_t i) const noexcept {
    const std::uint64_t mask = (std::uint64_t{1} << half_) - 1;
    std::uint64_t left = i >> half_, right = i & mask;
    for (const std::uint64_t key : keys_) {
      std::uint64_t mixed = (right + 1) * (key | 1);
      mixed = (mixed ^ (mixed >> 32) ^ key) * 0x9E3779B97F4A7C15u;
      const std::uint64_t next = left ^ ((mixed >> 32) & mask);
      left = right;
      right = next;
    }
    return (left << half_) | right;
  }

  std::uint64_t count_;
  unsigned half_;
  std::array<std::uint64_t, rounds> keys_{};
};

}  // namespace bert::data

#endif  // BERT_DATA_PERMUTATION_HPP
