// Hidden states and projections of the encoder that an objective reads, and to which it adds gradients.
// Layer: model. Test: tests/unit/model/taps_test.cpp
#ifndef BERT_MODEL_TAPS_HPP
#define BERT_MODEL_TAPS_HPP

#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// Layers whose hidden states or projections an objective reads, and to which it may add gradients:
///
///     bert::taps t = bert::taps::hidden(1) | bert::taps::hidden(3) | bert::taps::last_projections();
///
/// A tap costs the gradient of the tapped values and, for projections with recomputed activations, a copy.
class taps {
 public:
  constexpr taps() = default;

  /// The output of the embeddings (l = 0) or of layer l, from 1 to 63.
  [[nodiscard]] static constexpr taps hidden(std::size_t l) noexcept { return {std::uint64_t{1} << l, 0}; }
  /// The projections of layer l, from 0: q | k | v of layers::post_norm.
  [[nodiscard]] static constexpr taps projections(std::size_t l) noexcept { return {0, std::uint64_t{1} << l}; }

  /// The same of the last layer, of every layer, and for hidden states of the embeddings: of a model that is not known yet.
  [[nodiscard]] static constexpr taps last_hidden() noexcept { return {0, 0, true, false}; }
  [[nodiscard]] static constexpr taps last_projections() noexcept { return {0, 0, false, true}; }
  [[nodiscard]] static constexpr taps all_hidden() noexcept { return {~std::uint64_t{0}, 0}; }
  [[nodiscard]] static constexpr taps all_projections() noexcept { return {0, ~std::uint64_t{0}}; }

  /// The taps of a model of so many layers.
  [[nodiscard]] constexpr taps of(std::size_t layers) const noexcept {
    taps t = *this;
    if (last_hidden_) t = t | hidden(layers);
    if (last_projections_ && layers != 0) t = t | projections(layers - 1);
    t.last_hidden_ = t.last_projections_ = false;
    const auto below = [](std::size_t bits) { return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1; };
    t.hidden_ &= below(layers + 1);
    t.projections_ &= below(layers);
    return t;
  }

  [[nodiscard]] constexpr bool reads_hidden(std::size_t l) const noexcept { return (hidden_ >> l & 1) != 0; }
  [[nodiscard]] constexpr bool reads_projections(std::size_t l) const noexcept { return (projections_ >> l & 1) != 0; }
  [[nodiscard]] constexpr bool any() const noexcept { return *this != taps{}; }

  [[nodiscard]] friend constexpr taps operator|(taps a, taps b) noexcept {
    return {a.hidden_ | b.hidden_, a.projections_ | b.projections_, a.last_hidden_ || b.last_hidden_,
            a.last_projections_ || b.last_projections_};
  }
  constexpr bool operator==(const taps&) const = default;

 private:
  constexpr taps(std::uint64_t hidden, std::uint64_t projections, bool last_hidden = false,
                 bool last_projections = false) noexcept
      : hidden_(hidden), projections_(projections), last_hidden_(last_hidden), last_projections_(last_projections) {}

  std::uint64_t hidden_ = 0, projections_ = 0;
  bool last_hidden_ = false, last_projections_ = false;
};

}  // namespace bert

#endif  // BERT_MODEL_TAPS_HPP
