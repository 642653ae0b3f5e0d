// Random numbers of the beta distribution.
// Layer: core. Test: tests/unit/core/beta_test.cpp. Paper: Marsaglia and Tsang 2000, "A simple method for generating gamma
// variables".
#ifndef BERT_CORE_BETA_HPP
#define BERT_CORE_BETA_HPP

#include <cmath>

#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"

namespace bert::inline BERT_ISA {

namespace detail {

/// The logarithm of a gamma variable of shape a > 0: the variable itself underflows for small a.
[[nodiscard]] inline double log_gamma_variable(random_stream& random, double a) noexcept {
  const auto uniform = [&] { return (static_cast<double>(random()) + 0.5) * 0x1p-32; };  // in (0, 1)
  if (a < 1) {  // X of shape a + 1 and U uniform: X U^(1/a) has shape a
    const double log_u = std::log(uniform());
    return log_gamma_variable(random, a + 1) + log_u / a;
  }
  const double d = a - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = static_cast<double>(random.normal()), root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return std::log(d * v);
  }
}

}  // namespace detail

/// A number of the distribution Beta(a, b), a and b above 0: in [0, 1], density proportional to x^(a-1) (1 - x)^(b-1).
[[nodiscard]] inline double beta(random_stream& random, double a, double b) noexcept {
  const double x = detail::log_gamma_variable(random, a), y = detail::log_gamma_variable(random, b);
  return 1 / (1 + std::exp(y - x));
}

}  // namespace bert

#endif  // BERT_CORE_BETA_HPP
