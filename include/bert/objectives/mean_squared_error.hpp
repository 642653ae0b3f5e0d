// The squared error of a model's regression head.
// Layer: objectives. Test: tests/unit/objectives/value_loss_test.cpp. Paper: Devlin et al. 2019.
#ifndef BERT_OBJECTIVES_MEAN_SQUARED_ERROR_HPP
#define BERT_OBJECTIVES_MEAN_SQUARED_ERROR_HPP

#include "bert/core/isa.hpp"
#include "bert/objectives/value_loss.hpp"

namespace bert::inline BERT_ISA::objectives {

/// loss = mean_s (y[s] - value_s)^2 of the model's regression head
struct mean_squared_error : detail::value_loss<mean_squared_error> {
  static constexpr const char* where = "bert::objectives::mean_squared_error";

  [[nodiscard]] static detail::value_slope loss_of(float difference) noexcept {
    return {static_cast<double>(difference) * static_cast<double>(difference), 2.0f * difference};
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_MEAN_SQUARED_ERROR_HPP
