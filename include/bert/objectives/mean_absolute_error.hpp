// The absolute error of a model's regression head.
// Layer: objectives. Test: tests/unit/objectives/value_loss_test.cpp
#ifndef BERT_OBJECTIVES_MEAN_ABSOLUTE_ERROR_HPP
#define BERT_OBJECTIVES_MEAN_ABSOLUTE_ERROR_HPP

#include <cmath>

#include "bert/core/isa.hpp"
#include "bert/objectives/value_loss.hpp"

namespace bert::inline BERT_ISA::objectives {

/// loss = mean_s |y[s] - value_s| of the model's regression head; the slope at 0 is 0, as in PyTorch's L1Loss
struct mean_absolute_error : detail::value_loss<mean_absolute_error> {
  static constexpr const char* where = "bert::objectives::mean_absolute_error";

  [[nodiscard]] static detail::value_slope loss_of(float difference) noexcept {
    return {std::abs(static_cast<double>(difference)), difference > 0 ? 1.0f : difference < 0 ? -1.0f : difference};
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_MEAN_ABSOLUTE_ERROR_HPP
