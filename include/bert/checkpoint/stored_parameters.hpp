// The weights of a file as `frozen` takes them, part by part, without a model in between.
// Layer: checkpoint. Test: tests/unit/checkpoint/stored_parameters_test.cpp
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "bert/checkpoint/weights.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/io/safetensors.hpp"
#include "bert/model/session.hpp"
#include "bert/tensor/arena.hpp"

namespace bert::inline BERT_ISA::pipelines {

template <class Model, executor E>
class stored_parameters;

/// Hands out embedding(), layer(l), pooler() and head<Head>() of a `Model`; each is good until the next call.
///
/// A tensor in f32 is read where it lies in the mapped file. The others are converted into a scratch block that all parts
/// share, and so are copied query, key and value, which a file keeps apart and a product reads as one matrix. So what is frozen
/// is read once from the file and written once, and 7 MB of scratch stand in for the 440 MB of a base model.
template <class A, class... Heads, executor E>
class stored_parameters<model<A, Heads...>, E> {
  using Model = model<A, Heads...>;
  static constexpr std::size_t count = parameter_table<A, Heads...>().size();

 public:
  /// Throws as `load_weights` does; the functions below throw for a weight that is not finite. `file` must outlive this.
  stored_parameters(const io::safetensors& file, const open_sizes& sizes, const E& e)
      : where_(file.where()),
        sizes_(sizes),
        found_(match_weights<Model>(file, sizes)),
        placed_(found_.table),
        executor_(e),
        word_(in_place(place::word) ? 0 : found_.table[place::word].count()) {
    std::size_t most = scratch_of(place::word + 1, place::layers);
    for (std::size_t l = 0; l < A::layers; ++l) most = std::max(most, scratch_of(first_of_layer(l), first_of_layer(l + 1)));
    most = std::max({most, scratch_of(place::pooler<A>, place::heads<A>), scratch_of(place::heads<A>, count)});
    scratch_ = buffer<float>(most);
  }

  [[nodiscard]] const open_sizes& sizes() const noexcept { return sizes_; }

  [[nodiscard]] layers::embedding_parameters<A, const float> embedding() {
    check(place::word);
    if (!word_.empty()) io::to_floats(*found_.sources[place::word], word_.span(), executor_);
    read(place::word + 1, place::layers);
    return {word(), table(place::position), table(place::segment), values(place::norm), values(place::norm + 1)};
  }
  [[nodiscard]] layers::encoder_layer_parameters<A, const float> layer(std::size_t l) {
    const std::size_t first = first_of_layer(l);
    read(first, first_of_layer(l + 1));
    const auto p = [&](std::size_t i) { return values(first + i); };
    return {p(0), p(3), p(6), p(7), p(8), p(9), p(10), p(11), p(12), p(13), p(14), p(15)};
  }
  [[nodiscard]] layers::pooler_parameters<A, const float> pooler() {
    read(place::pooler<A>, place::heads<A>);
    return {table(place::pooler<A>), values(place::pooler<A> + 1)};
  }
  /// A head takes all its tensors from one block, so all are copied.
  template <class Head>
  [[nodiscard]] head_parameters<const float> head() {
    constexpr std::size_t first = Model::template first_of<Head>();
    read(first, first + Head::template parameters<A>().size());
    return {scratch_.data(), placed_.data() + first, word()};
  }

 private:
  static constexpr std::size_t first_of_layer(std::size_t l) noexcept { return place::layers + place::per_layer * l; }

  /// Whether tensor i can be read from the file as it is.
  [[nodiscard]] bool in_place(std::size_t i) const noexcept {
    const bool joined = found_.table[i].joined || (i + 1 < count && found_.table[i + 1].joined);
    const auto* t = found_.sources[i];
    return !joined && i < place::heads<A> && t != nullptr && t->type == io::dtype::f32 &&
           reinterpret_cast<std::uintptr_t>(t->bytes.data()) % alignof(float) == 0;
  }

  /// Lays out what tensors [first, last) need of the scratch block; its size.
  std::size_t scratch_of(std::size_t first, std::size_t last) noexcept {
    std::size_t next = 0;
    for (std::size_t i = first; i < last; ++i) {
      if (in_place(i) || found_.sources[i] == nullptr) continue;
      placed_[i].offset = found_.table[i].joined ? next : round_up(next, alignment / sizeof(float));
      next = placed_[i].offset + found_.table[i].count();
    }
    return next;
  }

  void read(std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      check(i);
      if (!in_place(i) && found_.sources[i] != nullptr)
        io::to_floats(*found_.sources[i], scratch_.span().subspan(placed_[i].offset, found_.table[i].count()), executor_);
    }
  }
  // Just before they are packed, so that packing finds them in the cache.
  void check(std::size_t i) const {
    if (found_.sources[i] != nullptr) io::check_finite(*found_.sources[i], where_, executor_);
  }

  [[nodiscard]] const float* values(std::size_t i) const noexcept {
    return in_place(i) ? reinterpret_cast<const float*>(found_.sources[i]->bytes.data()) : scratch_.data() + placed_[i].offset;
  }
  [[nodiscard]] matrix<const float> table(std::size_t i) const noexcept {
    return {values(i), static_cast<std::size_t>(found_.table[i].rows), static_cast<std::size_t>(found_.table[i].cols)};
  }
  [[nodiscard]] matrix<const float> word() const noexcept {
    matrix<const float> t = table(place::word);
    if (!word_.empty()) t.data = word_.data();
    return t;
  }

  const std::string& where_;
  open_sizes sizes_;
  matched_weights<count> found_;
  std::array<parameter, count> placed_;  ///< the table with offsets into the scratch block
  E executor_;
  buffer<float> word_, scratch_;  ///< the word embeddings apart, as a masked-LM head reads them too
};

/// The weights of a file packed for inference, never as a model. `e` runs reading and packing.
template <class Model, class Precision, executor E>
[[nodiscard]] frozen<Model, Precision> freeze_weights(const io::safetensors& file, const open_sizes& sizes, const E& e) {
  stored_parameters<Model, E> parameters(file, sizes, e);
  return frozen<Model, Precision>(e, parameters);
}

}  // namespace bert::pipelines
