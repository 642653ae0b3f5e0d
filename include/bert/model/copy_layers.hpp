// A shallower model that starts from layers of a deeper one.
// Layer: model. Test: tests/unit/model/copy_layers_test.cpp. Paper: Sanh et al. 2019, "DistilBERT".
#ifndef BERT_MODEL_COPY_LAYERS_HPP
#define BERT_MODEL_COPY_LAYERS_HPP

#include <algorithm>
#include <cstddef>
#include <span>

#include "bert/core/ensure.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/model/model.hpp"

namespace bert::inline BERT_ISA {

/// Copies `from`'s embeddings, pooler and heads to `to`, and layer `layers[l]` of `from` to layer l of `to`, counted from 0.
/// Without `layers`, every k-th: l k of the depths' ratio k, rounded down. Tensors that `from` lacks stay as they are.
///
///     auto student = bert::model<bert::arch::distilled, bert::heads::masked_lm>::random({.stddev = 0.02f, .seed = 1, .vocab =
///     n}); bert::copy_layers(teacher, student);                                          // 6 of 12: 0, 2, 4, 6, 8, 10
///     bert::copy_layers(teacher, student, std::array<std::size_t, 6>{0, 2, 4, 7, 9, 11});    // DistilBERT's
///
/// Both must have one hidden and one intermediate size and equally many heads. Throws bert::error unless `layers` has one layer
/// of `from` for each of `to`, and where the vocabularies differ.
template <class A, class... Heads, class B, class... Others>
void copy_layers(const model<A, Heads...>& from, model<B, Others...>& to, std::span<const std::size_t> layers = {}) {
  static_assert(
      ensure < A::hidden == B::hidden && A::intermediate == B::intermediate && A::heads == B::heads, facts < A, B >>,
      "bert::copy_layers: both models need one hidden size, intermediate size and number of heads; change the smaller one's "
      "dims, or distil into it by a projection (bert::objectives::hidden_states)");
  if (from.sizes().vocab != to.sizes().vocab)
    throw_error({"bert::copy_layers", cat("a vocabulary of ", from.sizes().vocab, " pieces, as the model that is copied"),
                 cat(to.sizes().vocab), "use the same vocabulary"});
  const auto fits = [](std::size_t l) { return l < std::size_t{A::layers}; };
  if (!layers.empty() && (layers.size() != std::size_t{B::layers} || !std::all_of(layers.begin(), layers.end(), fits)))
    throw_error({"bert::copy_layers",
                 cat(B::layers, " layers, each below ", A::layers),
                 cat(layers.size(), " layers, the largest ", *std::max_element(layers.begin(), layers.end())),
                 {}});
  for (const auto& tensor : to.table()) {
    int source = tensor.layer;
    if (tensor.layer >= 0) {
      const auto l = static_cast<std::size_t>(tensor.layer);
      source = static_cast<int>(layers.empty() ? l * std::size_t{A::layers} / std::size_t{B::layers} : layers[l]);
    }
    for (const auto& other : from.table())
      if (other.stem == tensor.stem && other.layer == source && other.rows == tensor.rows && other.cols == tensor.cols)
        std::copy_n(from.values(other).data(), other.count(), to.values(tensor).data());
  }
}

}  // namespace bert

#endif  // BERT_MODEL_COPY_LAYERS_HPP
