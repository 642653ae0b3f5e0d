// The poolings of sentence-transformers, chosen at run time: what a folder names in 1_Pooling/config.json.
// Layer: heads. Test: tests/unit/heads/pooling_modes_test.cpp. Paper: Reimers and Gurevych 2019, "Sentence-BERT", 3.
#ifndef BERT_HEADS_POOLING_MODES_HPP
#define BERT_HEADS_POOLING_MODES_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/heads/pooling.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA {

namespace pooling {

/// A mode in place of a policy: an embedder takes the folder's. See bert::embedder.
struct from_folder {};

/// In the order in which several are put end to end in one vector.
enum class mode : std::uint8_t { cls, max, mean, mean_sqrt_len, weightedmean, lasttoken };

inline constexpr std::array<std::string_view, 6> mode_names{"cls", "max", "mean", "mean_sqrt_len", "weightedmean", "lasttoken"};

[[nodiscard]] constexpr std::string_view name_of(mode m) noexcept { return mode_names[static_cast<std::size_t>(m)]; }

/// The mode of a name: "cls" as well as "cls_token", and so on.
[[nodiscard]] constexpr std::optional<mode> mode_named(std::string_view name) noexcept {
  for (const std::string_view ending : {std::string_view("_tokens"), std::string_view("_token")})
    if (name.ends_with(ending)) {
      name.remove_suffix(ending.size());
      break;
    }
  for (std::size_t i = 0; i < mode_names.size(); ++i)
    if (mode_names[i] == name) return static_cast<mode>(i);
  return std::nullopt;
}

/// cls: y[h] = x[0,h].  lasttoken: x[T-1,h].  Over the tokens t >= skip, of which there is one at least:
/// max: max x[t,h].  mean: sum x[t,h] / n.  mean_sqrt_len: sum x[t,h] / sqrt(n).  weightedmean: sum (t+1) x[t,h] / sum (t+1)
///
/// Writes `y` [H] from `x` [T, H]. `skip` < T: the tokens of a prompt that are left out.
inline void pool(mode m, matrix<const float> x, std::size_t skip, std::span<float> y) noexcept {
  const auto rest = x.block(skip, x.rows - skip);
  switch (m) {
    case mode::cls: return cls::pool(x, y);
    case mode::max: return max::pool(rest, y);
    case mode::mean: return mean::pool(rest, y);
    case mode::lasttoken: std::copy_n(x.row(x.rows - 1), y.size(), y.begin()); return;
    case mode::mean_sqrt_len: {
      mean::pool(rest, y);
      const float root = std::sqrt(static_cast<float>(rest.rows));
      for (float& value : y) value *= root;
      return;
    }
    case mode::weightedmean: {
      std::fill(y.begin(), y.end(), 0.0f);
      float all = 0;
      for (std::size_t t = 0; t < rest.rows; ++t) {
        const auto weight = static_cast<float>(skip + t + 1);
        all += weight;
        for (std::size_t h = 0; h < y.size(); ++h) y[h] += weight * rest(t, h);
      }
      for (float& value : y) value /= all;
      return;
    }
  }
}

}  // namespace pooling

}  // namespace bert

#endif  // BERT_HEADS_POOLING_MODES_HPP
