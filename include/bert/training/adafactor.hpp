// Adafactor: of a matrix it keeps two vectors where Adam keeps two matrices.
// Layer: training. Test: tests/unit/training/optimizers_test.cpp. Paper: Shazeer and Stern 2018, "Adafactor: adaptive learning
// rates with sublinear memory cost".
#ifndef BERT_TRAINING_ADAFACTOR_HPP
#define BERT_TRAINING_ADAFACTOR_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/optimizer/adafactor.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/training/optimizer.hpp"

namespace bert::inline BERT_ISA::optim {

/// Whether a tensor's rate is multiplied by its root mean square, which makes rates those of relative changes (1e-3 to 1e-2).
enum class parameter_scale : std::uint8_t { off, on };

/// b = 1 - t^-decay_exponent in step t = 1, 2, …;  v <- b v + (1 - b) (g^2 + epsilon);  u = g / sqrt(v)
/// p <- p - rate (u / max(1, rms(u) / threshold) + weight_decay p)
///
/// Of a matrix, v is rows (x) columns / mean(rows), the mean squares of its rows and columns, so that the state takes R + C
/// floats in place of Adam's 2 R C. No momentum. With `parameter_scale::on` the rate is multiplied by max(floor, rms(p)).
struct adafactor {
  float decay_exponent = 0.8f;
  float epsilon = 1e-30f;
  float floor = 1e-3f;
  float threshold = 1.0f;
  float weight_decay = 0;
  float clip_norm = 0;
  parameter_scale scale = parameter_scale::off;

  /// The mean squares: of a matrix its rows' and its columns', of a vector its elements'.
  struct state {
    explicit state(std::span<const trained_tensor> tensors) {
      std::size_t size = 0;
      for (const auto& t : tensors) {
        places.emplace_back(t.offset, size);
        size += floats_of(*t.parameter);
      }
      std::sort(places.begin(), places.end());
      v = buffer<float>(size);
    }
    [[nodiscard]] std::array<state_block, 1> blocks() noexcept { return {{{"v", v.span()}}}; }
    [[nodiscard]] std::span<float> of(const trained_tensor& t) noexcept {
      const auto at = std::lower_bound(places.begin(), places.end(), std::pair<std::size_t, std::size_t>(t.offset, 0));
      return v.span().subspan(at->second, floats_of(*t.parameter));
    }
    [[nodiscard]] static std::size_t floats_of(const bert::parameter& p) noexcept {
      return static_cast<std::size_t>(p.rows) + static_cast<std::size_t>(p.cols);
    }
    buffer<float> v;
    std::vector<std::pair<std::size_t, std::size_t>> places;  ///< offset of a tensor in the gradients, and of its floats here
  };

  template <executor E>
  void apply(const E& e, const update& u, state& s) const noexcept {
    const double steps = static_cast<double>(u.step + 1);
    kernels::adafactor_step each{
        .beta2 = static_cast<float>(1.0 - std::pow(steps, -static_cast<double>(decay_exponent))),
        .epsilon = epsilon,
        .threshold = threshold,
        .gradient_scale = clip_scale(u.gradient_norm, clip_norm),
    };
    for (const trained_tensor& t : u.tensors) {
      each.rate = t.rate;
      if (scale == parameter_scale::on) {
        const double squares = kernels::squared_norm(e, std::span<const float>(t.values));
        const double rms = std::sqrt(squares / static_cast<double>(t.values.size()));
        each.rate *= static_cast<float>(std::max(static_cast<double>(floor), rms));
      }
      each.decay = weight_decay * t.decay;
      const std::span<float> v = s.of(t);
      const auto rows = static_cast<std::size_t>(t.parameter->rows), cols = static_cast<std::size_t>(t.parameter->cols);
      if (cols == 0) kernels::adafactor(e, each, t.gradient, v, t.values);
      else
        kernels::adafactor(e, each, matrix<const float>{t.gradient.data(), rows, cols}, v.first(rows), v.subspan(rows),
                           matrix<float>{t.values.data(), rows, cols});
    }
  }

  /// The hyper-parameters that a resumed run must share.
  [[nodiscard]] std::string describe() const {
    return cat("adafactor decay_exponent=", decay_exponent, " epsilon=", epsilon, " threshold=", threshold,
               " weight_decay=", weight_decay, " clip_norm=", clip_norm,
               scale == parameter_scale::on ? cat(" floor=", floor) : std::string());
  }
};

}  // namespace bert::optim

#endif  // BERT_TRAINING_ADAFACTOR_HPP
