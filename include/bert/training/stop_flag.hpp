// A flag by which another thread or a signal handler ends a loop.
// Layer: training. Test: tests/unit/training/trainer_test.cpp
#ifndef BERT_TRAINING_STOP_FLAG_HPP
#define BERT_TRAINING_STOP_FLAG_HPP

#include <atomic>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::training {

/// An atomic flag in a class that can be copied; a copy starts unset.
class stop_flag {
 public:
  stop_flag() = default;
  stop_flag(const stop_flag&) noexcept {}
  stop_flag& operator=(const stop_flag&) noexcept { return *this; }
  ~stop_flag() = default;

  void ask() noexcept { asked_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool asked() const noexcept { return asked_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> asked_{false};
};

}  // namespace bert::training

#endif  // BERT_TRAINING_STOP_FLAG_HPP
