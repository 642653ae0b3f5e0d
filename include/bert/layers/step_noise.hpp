// The dropout of one training step.
// Layer: layers. Test: tests/unit/layers/post_norm_test.cpp. Paper: Srivastava et al. 2014.
#pragma once

#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/kernels/rows/dropout.hpp"

namespace bert::inline BERT_ISA::layers {

/// Dropout of one training step; every site in the network derives its own key.
struct step_noise {
  float hidden = 0;
  float attention = 0;
  std::uint64_t key = 0;

  [[nodiscard]] constexpr kernels::dropout hidden_at(std::uint64_t site) const noexcept { return {hidden, mix(site)}; }
  [[nodiscard]] constexpr kernels::dropout attention_at(std::uint64_t site) const noexcept { return {attention, mix(site)}; }

 private:
  // splitmix64's finaliser
  [[nodiscard]] constexpr std::uint64_t mix(std::uint64_t site) const noexcept {
    std::uint64_t z = key + (site + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
};

}  // namespace bert::layers
