// The dropout of one training step.
// Layer: layers. Test: tests/unit/layers/post_norm_test.cpp. Paper: Srivastava et al. 2014.
#ifndef BERT_LAYERS_STEP_NOISE_HPP
#define BERT_LAYERS_STEP_NOISE_HPP

#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/kernels/rows/dropout.hpp"

namespace bert::inline BERT_ISA::layers {

/// Rows of each kind before a slice of a batch, so that the dropout of a batch does not depend on how it is sliced.
struct rows_before {
  std::uint64_t sequences = 0;
  std::uint64_t tokens = 0;
  std::uint64_t chosen = 0;  ///< of the rows that the last layer computes, if not all
};

/// The dropout of one training step; every site of the network derives its own key.
struct step_noise {
  float hidden = 0;
  float attention = 0;
  std::uint64_t key = 0;
  rows_before before = {};

  /// For hidden vectors whose row 0 is row `first_row` of the whole batch.
  [[nodiscard]] constexpr kernels::dropout hidden_at(std::uint64_t site, std::uint64_t first_row) const noexcept {
    return {hidden, mix(site), first_row};
  }
  /// For hidden vectors of tokens.
  [[nodiscard]] constexpr kernels::dropout hidden_at(std::uint64_t site) const noexcept {
    return hidden_at(site, before.tokens);
  }
  /// For the attention probabilities of `heads` heads.
  [[nodiscard]] constexpr kernels::dropout attention_at(std::uint64_t site, std::size_t heads) const noexcept {
    return {attention, mix(site), before.tokens * heads};
  }

 private:
  // splitmix64's finalizer
  [[nodiscard]] constexpr std::uint64_t mix(std::uint64_t site) const noexcept {
    std::uint64_t z = key + (site + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
};

}  // namespace bert::layers

#endif  // BERT_LAYERS_STEP_NOISE_HPP
