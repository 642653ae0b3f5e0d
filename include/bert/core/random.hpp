// Counter-based random numbers: every draw is a pure function of a key and an index.
// Layer: core. Test: tests/unit/core/random_test.cpp. Paper: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
#ifndef BERT_CORE_RANDOM_HPP
#define BERT_CORE_RANDOM_HPP

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <string_view>
#include <utility>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// Philox4x32-10: 128 bits of counter and 64 bits of key in, 128 random bits out.
[[nodiscard]] constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t key) noexcept {
  auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ k0, static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return counter;
}

/// The purpose of a random stream; part of its key, so that no two purposes share draws.
enum class draw : std::uint32_t {
  initial_weights,
  masking,
  dropout,
  shuffling,
  sentence_pairs,
  splitting,
  user,
  perturbation,
  mixing,
  augmentation
};

/// A stream of random numbers that depends only on (seed, purpose, two indices), not on threads or on draws from other streams.
/// Satisfies uniform_random_bit_generator.
class random_stream {
 public:
  using result_type = std::uint32_t;

  constexpr random_stream(std::uint64_t seed, draw purpose, std::uint64_t index = 0, std::uint32_t sub = 0) noexcept
      : key_(seed ^ (std::uint64_t{0x9E3779B97F4A7C15u} * (static_cast<std::uint64_t>(purpose) + 1))),
        counter_{0, sub, static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32)} {}

  static constexpr result_type min() noexcept { return 0; }
  static constexpr result_type max() noexcept { return 0xFFFFFFFFu; }

  constexpr result_type operator()() noexcept {
    if (used_ == 4) {
      block_ = philox(counter_, key_);
      ++counter_[0];
      used_ = 0;
    }
    return block_[used_++];
  }

  /// Uniform in [0, 1), a multiple of 2^-24.
  constexpr float uniform() noexcept { return static_cast<float>((*this)() >> 8) * 0x1p-24f; }

  /// Uniform in [0, count); count > 0. Unbiased: Lemire's multiplication with rejection.
  constexpr std::uint32_t below(std::uint32_t count) noexcept {
    const std::uint32_t reject = (0u - count) % count;
    for (;;) {
      const std::uint64_t product = std::uint64_t{(*this)()} * count;
      if (static_cast<std::uint32_t>(product) >= reject) return static_cast<std::uint32_t>(product >> 32);
    }
  }

  /// Normal with mean 0 and standard deviation 1 (Box and Muller).
  float normal() noexcept {
    if (spare_ready_) {
      spare_ready_ = false;
      return spare_;
    }
    const double u = (static_cast<double>((*this)()) + 0.5) * 0x1p-32, v = static_cast<double>((*this)()) * 0x1p-32;
    const double radius = std::sqrt(-2.0 * std::log(u)), angle = 2.0 * std::numbers::pi * v;
    spare_ = static_cast<float>(radius * std::sin(angle));
    spare_ready_ = true;
    return static_cast<float>(radius * std::cos(angle));
  }

 private:
  std::uint64_t key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  unsigned used_ = 4;
  float spare_ = 0;
  bool spare_ready_ = false;
};

/// A key from a name: FNV-1a.
[[nodiscard]] constexpr std::uint64_t key_of(std::string_view name) noexcept {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return hash;
}

/// Fisher-Yates; the same order on every machine (that of std::shuffle is implementation-defined).
template <class T>
constexpr void shuffle(std::span<T> items, random_stream random) noexcept {
  for (std::size_t i = items.size(); i > 1; --i) {
    using std::swap;
    swap(items[i - 1], items[random.below(static_cast<std::uint32_t>(i))]);
  }
}

}  // namespace bert

#endif  // BERT_CORE_RANDOM_HPP
