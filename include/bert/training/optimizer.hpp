// The concept `optimizer`, and the update that the trainer gives one.
// Layer: training. Test: tests/unit/training/adamw_test.cpp, tests/unit/guide/own_optimizer_test.cpp
#ifndef BERT_TRAINING_OPTIMIZER_HPP
#define BERT_TRAINING_OPTIMIZER_HPP

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/layers/parameter.hpp"

namespace bert::inline BERT_ISA::optim {

/// Weights and embeddings decay, biases and norms do not.
[[nodiscard]] constexpr float decay_of(role r) noexcept { return r == role::weight || r == role::embedding ? 1.0f : 0.0f; }

/// A tensor that an optimizer updates.
struct trained_tensor {
  const bert::parameter* parameter = nullptr;
  std::span<float> values;
  std::span<const float> gradient;
  std::size_t offset = 0;  ///< of its elements in each block of the optimizer's state
  float rate = 0;          ///< its learning rate in this step
  float decay = 1;         ///< its weight decay, as a multiple of the optimizer's own
};

/// One update of all tensors that are trained.
struct update {
  std::span<const trained_tensor> tensors;
  double gradient_norm = 0;  ///< global, before clipping; finite
  std::uint64_t step = 0;    ///< from 0
};

/// A block of an optimizer's state, with its name in the state file.
using state_block = std::pair<const char*, std::span<float>>;

/// The factor of gradients that limits their norm to `clip_norm`; 0 does not limit.
[[nodiscard]] inline float clip_scale(double norm, float clip_norm) noexcept {
  const auto most = static_cast<double>(clip_norm);
  return clip_norm > 0 && norm > most ? static_cast<float>(most / norm) : 1.0f;
}

/// An optimizer is a value of hyper-parameters
///  - with a `state` type, made from the number of floats in a block of all trained parameters, or from the tensors that are
///    trained, or from the optimizer and both; its `blocks()` is an array of `state_block`, what a resumed run needs;
///  - whose `apply(executor, update, state)` changes `values` and the state, not the gradients;
///  - whose `describe()` names the hyper-parameters that a resumed run must share.
template <class O>
concept optimizer = std::copy_constructible<O> &&
    (std::constructible_from<typename O::state, std::size_t> ||
     std::constructible_from<typename O::state, std::span<const trained_tensor>> ||
     std::constructible_from<typename O::state, const O&, std::size_t,
                             std::span<const trained_tensor>>)&&requires(const O& o, typename O::state& s, const update& u,
                                                                         const execution::serial& e) {
  o.apply(e, u, s);
  { o.describe() } -> std::convertible_to<std::string>;
  { s.blocks().size() } -> std::convertible_to<std::size_t>;
  { s.blocks()[0] } -> std::convertible_to<state_block>;
};

/// The state of an optimizer at the start of a run; `floats` are those of a block of all trained parameters.
template <optimizer O>
[[nodiscard]] typename O::state make_state(const O& o, std::size_t floats, std::span<const trained_tensor> tensors) {
  if constexpr (std::constructible_from<typename O::state, const O&, std::size_t, std::span<const trained_tensor>>)
    return typename O::state(o, floats, tensors);
  else if constexpr (std::constructible_from<typename O::state, std::span<const trained_tensor>>)
    return typename O::state(tensors);
  else return typename O::state(floats);
}

}  // namespace bert::optim

#endif  // BERT_TRAINING_OPTIMIZER_HPP
