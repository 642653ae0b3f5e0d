// Parameter groups: each parameter's learning rate, weight decay, and whether it is frozen.
// Layer: training. Test: tests/unit/training/groups_test.cpp. Paper: Clark et al. 2020, "ELECTRA" (layer-wise rates).
#ifndef BERT_TRAINING_GROUPS_HPP
#define BERT_TRAINING_GROUPS_HPP

#include <array>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/model/model.hpp"
#include "bert/model/tape.hpp"
#include "bert/training/optimizer.hpp"

namespace bert::inline BERT_ISA::optim {

/// How a parameter is trained.
struct group {
  float rate = 1;       ///< its learning rate, as a multiple of the schedule's
  float decay = 1;      ///< its weight decay, as a multiple of the optimizer's
  bool frozen = false;  ///< not trained: no gradient, no moments, no backward pass below the lowest trained parameter
};

/// A function from a parameter and the number of encoder layers to the parameter's group. It is constexpr, so that the memory
/// of gradients and moments is a constant.
template <class G>
concept parameter_groups = std::copy_constructible<G> && requires(const G& g, const parameter& p, int layers) {
  { g(p, layers) } -> std::convertible_to<group>;
  { g.describe() } -> std::convertible_to<std::string>;
};

/// Every parameter learns at the schedule's rate.
struct one_group {
  [[nodiscard]] constexpr group operator()(const parameter& p, int) const noexcept { return {.decay = decay_of(p.role)}; }
  [[nodiscard]] std::string describe() const { return {}; }
};

/// rate = factor^(n - d),  d = 0 for the embeddings, l + 1 for layer l of n, and n for pooler and heads
///
/// The top layer, the pooler and the heads learn at the full rate, lower layers more slowly. The `frozen` lowest layers are not
/// trained; with `frozen` of 1 or more, neither are the embeddings.
struct layer_decay {
  float factor = 1;
  int frozen = 0;

  [[nodiscard]] constexpr group operator()(const parameter& p, int layers) const noexcept {
    const int depth = p.module == module_kind::embeddings ? 0 : p.module == module_kind::layer ? p.layer + 1 : layers;
    group g{.decay = decay_of(p.role),
            .frozen = frozen > 0 && p.module != module_kind::pooler && p.module != module_kind::head && depth <= frozen};
    for (int i = depth; i < layers; ++i) g.rate *= factor;
    return g;
  }
  [[nodiscard]] std::string describe() const { return cat("layer_decay factor=", factor, " frozen=", frozen); }
};

}  // namespace bert::optim

namespace bert::inline BERT_ISA::training {

/// The offset of each parameter's gradient in a block that holds those of trained parameters alone.
template <std::size_t N>
struct gradient_layout {
  std::array<std::size_t, N> offsets{};  ///< of each tensor of the table, or `not_trained`
  std::array<optim::group, N> groups{};
  std::size_t size = 0;  ///< floats
  int lowest = 0;        ///< the lowest layer with a trained parameter, -1 for the embeddings, the number of layers for none
  std::size_t parameters = 0;  ///< trained ones
};

/// Lays out the gradients of a model's resolved table under `groups`. Where all parameters are trained, offsets are the
/// model's.
template <class A, std::size_t N, optim::parameter_groups Groups>
[[nodiscard]] constexpr gradient_layout<N> layout_of(const std::array<parameter, N>& table, Groups groups) noexcept {
  gradient_layout<N> out;
  bool all = true;
  out.lowest = A::layers;
  for (std::size_t i = 0; i < N; ++i) {
    out.groups[i] = groups(table[i], A::layers);
    if (out.groups[i].frozen) {
      all = false;
      continue;
    }
    out.parameters += table[i].count();
    if (table[i].module == module_kind::embeddings) out.lowest = lowest_is_embeddings;
    else if (table[i].module == module_kind::layer && table[i].layer < out.lowest) out.lowest = table[i].layer;
  }
  if (all) {
    for (std::size_t i = 0; i < N; ++i) out.offsets[i] = table[i].offset;
    out.size = block_size(table);
    return out;
  }
  // Joined tensors stay adjacent if one of them is trained: a product writes their gradients as one matrix.
  for (std::size_t i = 0, end = 0; i < N; i = end) {
    bool trained = !out.groups[i].frozen;
    for (end = i + 1; end < N && table[end].joined; ++end) trained = trained || !out.groups[end].frozen;
    if (trained) out.size = round_up(out.size, alignment / sizeof(float));
    for (std::size_t j = i; j < end; ++j) {
      out.offsets[j] = trained ? out.size : not_trained;
      if (trained) out.size += table[j].count();
    }
  }
  out.size = round_up(out.size, alignment / sizeof(float));
  return out;
}

/// The tensors of a model that a step updates, each with its multiple of the schedule's rate.
class update_list {
 public:
  /// `gradients` are laid out by `layout`.
  template <class Model, std::size_t N>
  update_list(Model& model, const gradient_layout<N>& layout, std::span<float> gradients) {
    for (std::size_t i = 0; i < N; ++i) {
      const parameter& p = model.table()[i];
      // A pooler that no head reads has no gradient, so it must not decay.
      if (layout.groups[i].frozen || (!Model::reads_pooler && p.module == module_kind::pooler)) continue;
      tensors_.push_back({.parameter = &p,
                          .values = model.values(p),
                          .gradient = gradients.subspan(layout.offsets[i], p.count()),
                          .offset = layout.offsets[i],
                          .decay = layout.groups[i].decay});
      rates_.push_back(layout.groups[i].rate);
    }
  }

  [[nodiscard]] std::span<const optim::trained_tensor> tensors() const noexcept { return tensors_; }
  /// All of them, each at its multiple of `rate`, or of `head_rate` in the pooler and the heads.
  [[nodiscard]] std::span<const optim::trained_tensor> at_rates(float rate, float head_rate) noexcept {
    return at_rates(rate, head_rate, [](const parameter&) { return false; });
  }
  /// The same without those that are `frozen(parameter)` in this step.
  template <class Frozen>
  [[nodiscard]] std::span<const optim::trained_tensor> at_rates(float rate, float head_rate, const Frozen& frozen) noexcept {
    chosen_.reserve(tensors_.size());
    chosen_.clear();
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const parameter& p = *tensors_[i].parameter;
      if (frozen(p)) continue;
      const bool above = p.module == module_kind::pooler || p.module == module_kind::head;
      chosen_.push_back(tensors_[i]);
      chosen_.back().rate = (above ? head_rate : rate) * rates_[i];
    }
    return chosen_;
  }

 private:
  std::vector<optim::trained_tensor> tensors_, chosen_;
  std::vector<float> rates_;
};

}  // namespace bert::training

namespace bert::inline BERT_ISA {

/// Bytes of the gradients and of the optimizer's moments, `moments` floats a trained parameter, in training `Model`.
template <class Model, optim::parameter_groups Groups = optim::one_group>
[[nodiscard]] constexpr std::size_t gradient_bytes(const Groups& groups = {}, std::size_t moments = 2,
                                                   open_sizes sizes = {.vocab = Model::architecture::vocab}) noexcept {
  return training::layout_of<typename Model::architecture>(Model::table_of(sizes), groups).size * (1 + moments) * sizeof(float);
}

}  // namespace bert

#endif  // BERT_TRAINING_GROUPS_HPP
