// Gradients of a whole model against central differences of its loss.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/model/tape.hpp"
#include "support/largest.hpp"

namespace support {

/// The largest error of the gradients in `out` against the slope of `loss()`, over all tensors but those named in `without`.
///
/// Each tensor of `m` moves along its own gradient, or along a random direction where the gradient is 0 or missing. Its error
/// is |slope - gradient| / max(|gradient|, floor), of two central differences, extrapolated to steps of length 0. `loss` is
/// double.
template <class A, class... Heads, class Loss>
[[nodiscard]] double slope_error(bert::model<A, Heads...>& m, const bert::block_view<A, float>& out, const Loss& loss,
                                 std::string_view without = {}, double floor = 0.02) {
  largest most;
  for (std::size_t i = 0; i < m.table().size(); ++i) {
    const bert::parameter& p = m.table()[i];
    if (!without.empty() && p.stem == without) continue;
    std::vector<double> along(p.count());
    double squares = 0;
    for (std::size_t k = 0; k < p.count() && out.at(i) != nullptr; ++k) {
      along[k] = static_cast<double>(out.at(i)[k]);
      squares += along[k] * along[k];
    }
    double gradient = std::sqrt(squares);
    if (gradient < 1e-6) {  // claimed to be 0
      bert::random_stream random(1, bert::draw::user, i);
      squares = 0;
      for (double& x : along) {
        x = static_cast<double>(random.normal());
        squares += x * x;
      }
      gradient = 0;
    }
    for (double& x : along) x /= std::sqrt(squares);
    const auto values = m.values(p);
    const std::vector<float> saved(values.begin(), values.end());
    const auto slope = [&](double h) {
      const auto moved = [&](double by) {
        for (std::size_t k = 0; k < saved.size(); ++k)
          values[k] = static_cast<float>(static_cast<double>(saved[k]) + by * along[k]);
        return loss();
      };
      return (moved(h) - moved(-h)) / (2 * h);
    };
    const double h = gradient > 1 ? 0.02 / gradient : 0.02;
    const double found = (4 * slope(h / 2) - slope(h)) / 3;
    std::copy(saved.begin(), saved.end(), values.begin());
    most.add(std::abs(found - gradient) / std::max(gradient, floor));
  }
  return most.value();
}

/// The same for a block of gradients laid out as the model.
template <class A, class... Heads, class Loss>
[[nodiscard]] double slope_error(bert::model<A, Heads...>& m, float* gradients, const Loss& loss, std::string_view without = {},
                                 double floor = 0.02) {
  return slope_error(m, m.view(gradients), loss, without, floor);
}

/// The largest |slope - gradient| of single elements, by central differences of `loss()`: some `samples` of each named tensor.
/// `gradient` is laid out as the model.
template <class A, class... Heads, class Loss>
[[nodiscard]] double element_slope_error(bert::model<A, Heads...>& m, const std::vector<float>& gradient,
                                         std::initializer_list<const char*> names, std::size_t samples, const Loss& loss) {
  largest worst;
  for (const char* name : names) {
    const auto offset = static_cast<std::size_t>(m.values(name).data() - m.block().data());
    for (std::size_t i = 0; i < m.values(name).size(); i += 1 + m.values(name).size() / samples) {
      float& w = m.block()[offset + i];
      const float kept = w, h = 5e-3f;
      w = kept + h;
      const double above = loss();
      w = kept - h;
      const double below = loss();
      w = kept;
      worst.add(std::abs((above - below) / (2 * static_cast<double>(h)) - static_cast<double>(gradient[offset + i])));
    }
  }
  return worst.value();
}

}  // namespace support
