// Which earlier weights of a training teach its later ones.
// Layer: objectives. Test: tests/unit/objectives/self_distil_test.cpp
#ifndef BERT_OBJECTIVES_TEACHER_HPP
#define BERT_OBJECTIVES_TEACHER_HPP

#include <cstdint>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::objectives {

/// `mean`: one model of the mean of the last weights (SDA); `votes`: the last weights, a model each, whose logits are averaged
/// (SDV); `moving_average`: one model of an exponential moving average.
enum class teacher_kind : std::uint8_t { mean, votes, moving_average };

/// What an objective with `teacher()` returns: the trainer keeps these weights beside the model's and in the state file.
struct teacher_options {
  teacher_kind kind = teacher_kind::mean;
  unsigned last = 5;     ///< of mean and votes: the weights of so many steps, each a copy in memory; 0: no teacher
  float decay = 0.999f;  ///< of moving_average: the share that is kept; (1 + t) / (10 + t) in step t, if that is less
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_TEACHER_HPP
