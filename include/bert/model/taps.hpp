// Hidden states and projections of the encoder that an objective reads, and to which it adds gradients.
// Layer: model. Test: tests/unit/model/taps_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// Layers whose hidden states or projections an objective reads, and to which it may add gradients:
///
///     bert::taps t = bert::taps::hidden(1) | bert::taps::hidden(3) | bert::taps::projections(3);
///
/// A tap costs the gradient of the tapped values and, for projections with recomputed activations, a copy.
class taps {
 public:
  constexpr taps() = default;

  /// The output of the embeddings (l = 0) or of layer l, from 1 to 63.
  [[nodiscard]] static constexpr taps hidden(std::size_t l) noexcept { return {std::uint64_t{1} << l, 0}; }
  /// The projections of layer l, from 0: q | k | v of layers::post_norm.
  [[nodiscard]] static constexpr taps projections(std::size_t l) noexcept { return {0, std::uint64_t{1} << l}; }

  [[nodiscard]] constexpr bool reads_hidden(std::size_t l) const noexcept { return (hidden_ >> l & 1) != 0; }
  [[nodiscard]] constexpr bool reads_projections(std::size_t l) const noexcept { return (projections_ >> l & 1) != 0; }
  [[nodiscard]] constexpr bool any() const noexcept { return (hidden_ | projections_) != 0; }

  [[nodiscard]] friend constexpr taps operator|(taps a, taps b) noexcept {
    return {a.hidden_ | b.hidden_, a.projections_ | b.projections_};
  }
  constexpr bool operator==(const taps&) const = default;

 private:
  constexpr taps(std::uint64_t hidden, std::uint64_t projections) noexcept : hidden_(hidden), projections_(projections) {}

  std::uint64_t hidden_ = 0, projections_ = 0;
};

}  // namespace bert
