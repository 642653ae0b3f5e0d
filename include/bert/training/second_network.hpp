// A second model that an objective trains beside the trainer's own, for example ELECTRA's generator.
// Layer: training. Test: tests/unit/guide/own_passes_test.cpp. Paper: Clark et al. 2020, "ELECTRA".
#ifndef BERT_TRAINING_SECOND_NETWORK_HPP
#define BERT_TRAINING_SECOND_NETWORK_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/training/groups.hpp"
#include "bert/training/optimizer.hpp"

namespace bert::inline BERT_ISA::training {

/// Whether an objective has a second trained model: `second_model()` returns a reference to it.
template <class Objective>
inline constexpr bool has_second_model = requires(const Objective& o) {
  o.second_model();
};

/// Takes the place of second_network for an objective without a second model.
struct no_second_network {
  static constexpr bool trained = false;
  template <class Objective>
  explicit no_second_network(const Objective&) noexcept {}
  template <class Objective, class Optimizer>
  no_second_network(const Objective&, const Optimizer&) noexcept {}
};

/// An objective's second model in the trainer: gradients, the optimizer's state, the tensors to update. All of its parameters
/// are trained, with the trainer's optimizer and schedule.
template <class Model, optim::optimizer Optimizer>
class second_network {
 public:
  static constexpr bool trained = true;

  template <class Objective>
  explicit second_network(const Objective& o, const Optimizer& optimizer = {})
      : model_(&o.second_model()),
        layout_(layout_of<typename Model::architecture>(model_->table(), optim::one_group{})),
        gradients_(layout_.size),
        updates_(*model_, layout_, gradients_.span()),
        state_(optim::make_state(optimizer, layout_.size, updates_.tensors())) {
    for (const auto& [name, values] : state_.blocks()) names_.push_back(std::string("second.") + name);
  }
  second_network(const second_network&) = delete;
  second_network& operator=(const second_network&) = delete;

  [[nodiscard]] Model& model() const noexcept { return *model_; }
  [[nodiscard]] std::span<float> gradients() noexcept { return gradients_.span(); }
  [[nodiscard]] block_view<typename Model::architecture, float> gradient_view() noexcept {
    return {model_->table(), gradients_.data(), layout_.offsets};
  }
  template <executor E>
  void clear(const E& e) noexcept {
    kernels::clear(e, gradients_.span());
  }
  template <executor E>
  [[nodiscard]] double squared_norm(const E& e) const noexcept {
    return kernels::squared_norm(e, gradients_.span());
  }
  template <executor E>
  void update(const E& e, const Optimizer& optimizer, float rate, float head_rate, double norm, std::uint64_t step) {
    optimizer.apply(e, optim::update{updates_.at_rates(rate, head_rate), norm, step}, state_);
  }
  /// Appends the blocks of the state file: "second.parameters" and the optimizer's, their names after "second.".
  void add_blocks(std::vector<optim::state_block>& to) noexcept {
    to.emplace_back("second.parameters", model_->block());
    std::size_t i = 0;
    for (const auto& [name, values] : state_.blocks()) to.emplace_back(names_[i++].c_str(), values);
  }

 private:
  Model* model_;
  gradient_layout<std::tuple_size_v<typename Model::table_type>> layout_;
  buffer<float> gradients_;
  update_list updates_;
  typename Optimizer::state state_;
  std::vector<std::string> names_;
};

namespace detail {
template <class Objective, class Optimizer>
struct second_network_of {
  using type = no_second_network;
};
template <class Objective, class Optimizer>
requires has_second_model<Objective>
struct second_network_of<Objective, Optimizer> {
  using type = second_network<std::remove_reference_t<decltype(std::declval<const Objective&>().second_model())>, Optimizer>;
};
}  // namespace detail

template <class Objective, class Optimizer>
using second_network_of = typename detail::second_network_of<Objective, Optimizer>::type;

}  // namespace bert::training

#endif  // BERT_TRAINING_SECOND_NETWORK_HPP
