// Learning-rate schedules: linear, cosine, constant and inverse square root, each after a linear warm-up, and one cycle.
// Layer: training. Test: tests/unit/training/schedules_test.cpp. Papers: Devlin et al. 2019, A.2; Vaswani et al. 2017, 5.3;
// Smith and Topin 2019, "Super-convergence".
#ifndef BERT_TRAINING_SCHEDULES_HPP
#define BERT_TRAINING_SCHEDULES_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <numbers>
#include <string>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::schedules {

/// A learning rate for each step: `rate(step)` for step 0, 1, …, total - 1. `describe()` names what a resumed run must share.
template <class S>
concept schedule = std::copy_constructible<S> && requires(const S& s, std::uint64_t step) {
  { s.rate(step) } -> std::convertible_to<float>;
  { s.total } -> std::convertible_to<std::uint64_t>;
  { s.describe() } -> std::convertible_to<std::string>;
};

namespace detail {
/// The rate as a share of its peak: (step + 1) / warmup during warm-up, then 1.
[[nodiscard]] constexpr double warmup_share(std::uint64_t step, std::uint64_t warmup) noexcept {
  return step < warmup ? static_cast<double>(step + 1) / static_cast<double>(warmup) : 1.0;
}
[[nodiscard]] inline std::string describe(const char* name, float peak, std::uint64_t warmup, std::uint64_t total) {
  return cat(name, " peak=", peak, " warmup=", warmup, " total=", total);
}
/// The share of the steps after the warm-up that remain, from 1 down to 0.
[[nodiscard]] constexpr double remaining(std::uint64_t step, std::uint64_t warmup, std::uint64_t total) noexcept {
  if (step < warmup || total <= warmup) return 1.0;
  return step >= total ? 0.0 : static_cast<double>(total - step) / static_cast<double>(total - warmup);
}
}  // namespace detail

/// peak * (step + 1) / warmup while step < warmup, then peak * (total - step) / (total - warmup)
struct warmup_linear {
  float peak = 1e-4f;
  std::uint64_t warmup = 0;
  std::uint64_t total = 0;
  [[nodiscard]] constexpr float rate(std::uint64_t step) const noexcept {
    return static_cast<float>(static_cast<double>(peak) * detail::warmup_share(step, warmup) *
                              detail::remaining(step, warmup, total));
  }
  [[nodiscard]] std::string describe() const { return detail::describe("warmup_linear", peak, warmup, total); }
};

/// The same warm-up, then peak * (1 + cos(pi * (step - warmup) / (total - warmup))) / 2
struct warmup_cosine {
  float peak = 1e-4f;
  std::uint64_t warmup = 0;
  std::uint64_t total = 0;
  [[nodiscard]] float rate(std::uint64_t step) const noexcept {
    const double fall = (1.0 + std::cos(std::numbers::pi * (1.0 - detail::remaining(step, warmup, total)))) / 2.0;
    return static_cast<float>(static_cast<double>(peak) * detail::warmup_share(step, warmup) * fall);
  }
  [[nodiscard]] std::string describe() const { return detail::describe("warmup_cosine", peak, warmup, total); }
};

/// The same warm-up, then peak
struct constant {
  float peak = 1e-4f;
  std::uint64_t warmup = 0;
  std::uint64_t total = 0;
  [[nodiscard]] constexpr float rate(std::uint64_t step) const noexcept {
    return static_cast<float>(static_cast<double>(peak) * detail::warmup_share(step, warmup));
  }
  [[nodiscard]] std::string describe() const { return detail::describe("constant", peak, warmup, total); }
};

/// The same warm-up, then peak * sqrt(warmup / (step + 1)); without a warm-up as with one of 1
struct inverse_sqrt {
  float peak = 1e-4f;
  std::uint64_t warmup = 0;
  std::uint64_t total = 0;
  [[nodiscard]] float rate(std::uint64_t step) const noexcept {
    const auto from = static_cast<double>(std::max<std::uint64_t>(warmup, 1));
    const double fall = step < warmup ? 1.0 : std::sqrt(from / static_cast<double>(step + 1));
    return static_cast<float>(static_cast<double>(peak) * detail::warmup_share(step, warmup) * fall);
  }
  [[nodiscard]] std::string describe() const { return detail::describe("inverse_sqrt", peak, warmup, total); }
};

/// Half a cosine from peak / start_divisor up to peak at step warmup - 1, another down to peak / start_divisor /
/// final_divisor at step total - 1
///
/// PyTorch's OneCycleLR without its cycle of the momentum; its default warm-up is 0.3 of all steps. A warm-up of 0 or 1 starts
/// at the peak.
struct one_cycle {
  float peak = 1e-4f;
  std::uint64_t warmup = 0;
  std::uint64_t total = 0;
  float start_divisor = 25;
  float final_divisor = 1e4f;
  [[nodiscard]] float rate(std::uint64_t step) const noexcept {
    const double top = static_cast<double>(peak), start = top / static_cast<double>(start_divisor);
    const auto between = [](double from, double to, double share) {
      return to + (from - to) / 2.0 * (1.0 + std::cos(std::numbers::pi * share));
    };
    const std::uint64_t at_peak = warmup == 0 ? 0 : warmup - 1;
    if (step < at_peak)
      return static_cast<float>(between(start, top, static_cast<double>(step) / static_cast<double>(at_peak)));
    if (total <= at_peak + 1) return peak;
    const double share = static_cast<double>(step - at_peak) / static_cast<double>(total - 1 - at_peak);
    return static_cast<float>(between(top, start / static_cast<double>(final_divisor), std::min(share, 1.0)));
  }
  [[nodiscard]] std::string describe() const {
    return cat(detail::describe("one_cycle", peak, warmup, total), " start_divisor=", start_divisor,
               " final_divisor=", final_divisor);
  }
};

}  // namespace bert::schedules

#endif  // BERT_TRAINING_SCHEDULES_HPP
