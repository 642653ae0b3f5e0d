// Policies over the weights of a training, beside its optimizer: averages, mixed or frozen weights.
// Layer: training. Test: tests/unit/training/weights_test.cpp
#ifndef BERT_TRAINING_WEIGHTS_HPP
#define BERT_TRAINING_WEIGHTS_HPP

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/model/model.hpp"
#include "bert/model/tape.hpp"
#include "bert/training/optimizer.hpp"

namespace bert::inline BERT_ISA::training {

/// A policy over the weights has `template <class Model> class kept`, its state, made from the policy and the model as the
/// training begins; derived from `unchanged_weights`, which has what a state may replace. `describe()` is what a resumed run
/// must share; empty for a policy that is off.
template <class P>
concept weight_policy = std::copy_constructible<P> && requires(const P& p) {
  requires P::acts_on_weights;
  { p.describe() } -> std::convertible_to<std::string>;
};

/// What happens to the weights where a policy says nothing.
template <class Model>
struct unchanged_weights {
  using gradient_view = block_view<typename Model::architecture, float>;

  /// What a resumed run needs beside the parameters.
  [[nodiscard]] static std::vector<optim::state_block> blocks() { return {}; }
  /// The model that the passes of step `step` are run with.
  template <executor E>
  [[nodiscard]] static const Model& before(const E&, const Model& m, std::uint64_t) noexcept {
    return m;
  }
  /// Changes the gradients of step `step` to those of the model's own weights.
  template <executor E>
  static void gradients(const E&, const gradient_view&, std::uint64_t) noexcept {}
  /// Follows the update of step `step`.
  template <executor E>
  static void after(const E&, const Model&, std::uint64_t) noexcept {}
  /// Whether a parameter is not trained in step `step`.
  [[nodiscard]] static bool frozen(const parameter&, std::uint64_t) noexcept { return false; }
  /// The lowest layer that is trained in step `step`, or `lowest_is_embeddings`.
  [[nodiscard]] static int lowest(std::uint64_t) noexcept { return lowest_is_embeddings; }
  /// The weights to evaluate and save after `done` steps, or nullptr for the model's own.
  [[nodiscard]] static const Model* result(std::uint64_t) noexcept { return nullptr; }
};

/// The policies over weights among a trainer's arguments, as a tuple.
template <class... Policies>
[[nodiscard]] auto weight_policies_among(const Policies&... policies) {
  [[maybe_unused]] const auto one = [](const auto& policy) {
    if constexpr (weight_policy<std::remove_cvref_t<decltype(policy)>>)
      return std::tuple<std::remove_cvref_t<decltype(policy)>>(policy);
    else return std::tuple<>();
  };
  return std::tuple_cat(one(policies)...);
}

/// The states of all policies over the weights of one training, in the order of the arguments.
template <class Model, class Tuple>
class weight_states;

template <class Model, class... Policies>
class weight_states<Model, std::tuple<Policies...>> {
 public:
  weight_states(const std::tuple<Policies...>& policies, const Model& m)
      : states_(
            std::apply([&](const auto&... p) { return std::tuple<state<Policies>...>(state<Policies>(p, m)...); }, policies)) {
    std::apply([&](const auto&... p) { (append(p.describe()), ...); }, policies);
  }

  void add_blocks(std::vector<optim::state_block>& to) {
    each([&](auto& s) {
      for (const auto& block : s.blocks()) to.push_back(block);
    });
  }
  template <executor E>
  [[nodiscard]] const Model& before(const E& e, const Model& m, std::uint64_t step) {
    const Model* with = &m;
    each([&](auto& s) { with = &s.before(e, *with, step); });
    return *with;
  }
  template <executor E>
  void gradients(const E& e, const typename unchanged_weights<Model>::gradient_view& g, std::uint64_t step) {
    each([&](auto& s) { s.gradients(e, g, step); });
  }
  template <executor E>
  void after(const E& e, const Model& m, std::uint64_t step) {
    each([&](auto& s) { s.after(e, m, step); });
  }
  [[nodiscard]] bool frozen(const parameter& p, std::uint64_t step) const noexcept {
    return std::apply([&](const auto&... s) { return (s.frozen(p, step) || ... || false); }, states_);
  }
  [[nodiscard]] int lowest(std::uint64_t step) const noexcept {
    int layer = lowest_is_embeddings;
    std::apply([&](const auto&... s) { ((layer = std::max(layer, s.lowest(step))), ...); }, states_);
    return layer;
  }
  [[nodiscard]] const Model* result(std::uint64_t done) const noexcept {
    const Model* found = nullptr;
    std::apply([&](const auto&... s) { ((found = found == nullptr ? s.result(done) : found), ...); }, states_);
    return found;
  }
  /// What a resumed run must share, with a space before it.
  [[nodiscard]] const std::string& describe() const noexcept { return text_; }

 private:
  template <class Policy>
  using state = typename Policy::template kept<Model>;

  template <class Body>
  void each(Body&& body) {
    std::apply([&](auto&... s) { (body(s), ...); }, states_);
  }
  void append(const std::string& text) {
    if (!text.empty()) text_ += ' ' + text;
  }

  std::tuple<state<Policies>...> states_;
  std::string text_;
};

}  // namespace bert::training

#endif  // BERT_TRAINING_WEIGHTS_HPP
