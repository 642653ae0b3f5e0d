// Learning-rate schedules: linear, cosine and constant, each after a linear warm-up.
// Layer: training. Test: tests/unit/training/schedules_test.cpp. Paper: Devlin et al. 2019, A.2.
#pragma once

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

}  // namespace bert::schedules
