// The weights of a file as `frozen` reads them, module by module, without a model in between.
// Layer: checkpoint. Test: tests/unit/checkpoint/stored_parameters_test.cpp
#ifndef BERT_CHECKPOINT_STORED_PARAMETERS_HPP
#define BERT_CHECKPOINT_STORED_PARAMETERS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "bert/checkpoint/weights.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/io/stored_tensor.hpp"
#include "bert/io/tensor_source.hpp"
#include "bert/model/session.hpp"
#include "bert/tensor/arena.hpp"

namespace bert::inline BERT_ISA::pipelines {

template <class Model, executor E>
class stored_parameters;

/// The parameters of a `Model`'s embeddings(), layer(l), pooler() and head<I>(); each result is valid until the next call.
///
/// An f32 tensor in row-major order is read in the mapped file. Others are converted into a scratch block that all modules
/// share; query, key and value are copied there, as a product reads them as one matrix. So each weight is read once and written
/// once, packed, and a base model takes 7 MB of scratch instead of 440 MB. The memory of mapped tensors is given back at the
/// next call.
template <class A, class... Heads, executor E>
class stored_parameters<model<A, Heads...>, E> {
  using Model = model<A, Heads...>;
  static constexpr std::size_t count = parameter_table<A, Heads...>().size();

 public:
  /// Throws as `load_weights` does; the functions below throw for a weight that is not finite. What `file` was made from must
  /// outlive the object.
  stored_parameters(const io::tensor_source& file, const open_sizes& sizes, const E& e)
      : where_(file.where()),
        sizes_(sizes),
        found_(match_weights<Model>(file, sizes)),
        in_scratch_(found_.table),
        executor_(e),
        word_(in_file(index::embeddings) ? 0 : found_.table[index::embeddings].count()) {
    std::size_t most = scratch_of(1, index::layers);
    for (std::size_t l = 0; l < A::layers; ++l) most = std::max(most, scratch_of(index::layer(l), index::layer(l + 1)));
    most = std::max({most, scratch_of(index::pooler, index::heads), scratch_of(index::heads, count)});
    scratch_ = buffer<float>(most);
  }

  [[nodiscard]] const open_sizes& sizes() const noexcept { return sizes_; }

  [[nodiscard]] module_parameters<const float> embeddings() {
    read_one(index::embeddings, word_.span());
    read(1, index::layers);
    first_read_ = index::embeddings;
    auto p = module(index::embeddings, index::layers);
    p.set(0, word().data);
    return p;
  }
  [[nodiscard]] module_parameters<const float> layer(std::size_t l) {
    read(index::layer(l), index::layer(l + 1));
    return module(index::layer(l), index::per_layer);
  }
  [[nodiscard]] module_parameters<const float> pooler() {
    read(index::pooler, index::heads);
    return module(index::pooler, index::heads - index::pooler);
  }
  template <std::size_t I>
  [[nodiscard]] module_parameters<const float> head() {
    constexpr std::size_t first = Model::template first_of_head<I>;
    constexpr std::size_t tensors = Model::template head_at<I>::template parameters<A>().size();
    read(first, first + tensors);
    return module(first, tensors);
  }

 private:
  using index = table_index<A>;

  [[nodiscard]] module_parameters<const float> module(std::size_t first, std::size_t tensors) const noexcept {
    module_parameters<const float> p(std::span<const parameter>(found_.table).subspan(first, tensors), word());
    for (std::size_t i = 0; i < tensors; ++i) p.set(i, values(first + i));
    return p;
  }

  /// Whether tensor `i` can be read in the mapped file.
  [[nodiscard]] bool in_file(std::size_t i) const noexcept {
    const bool joined = found_.table[i].joined || (i + 1 < count && found_.table[i + 1].joined);
    const auto* t = found_.sources[i];
    return !joined && t != nullptr && t->type == io::dtype::f32 && t->strides.empty() &&
           reinterpret_cast<std::uintptr_t>(t->bytes.data()) % alignof(float) == 0;
  }

  /// Lays out tensors [first, last) in the scratch block. Returns the floats that they take.
  std::size_t scratch_of(std::size_t first, std::size_t last) noexcept {
    std::size_t next = 0;
    for (std::size_t i = first; i < last; ++i) {
      if (in_file(i) || found_.sources[i] == nullptr) continue;
      in_scratch_[i].offset = found_.table[i].joined ? next : round_up(next, alignment / sizeof(float));
      next = in_scratch_[i].offset + found_.table[i].count();
    }
    return next;
  }

  void read(std::size_t first, std::size_t last) {
    give_back();
    first_read_ = first;
    last_read_ = last;
    for (std::size_t i = first; i < last; ++i) {
      if (found_.sources[i] == nullptr) continue;
      const std::size_t floats = in_file(i) ? 0 : found_.table[i].count();
      read_one(i, scratch_.span().subspan(floats == 0 ? 0 : in_scratch_[i].offset, floats));
    }
  }
  /// Gives back the memory of the mapped tensors of the call before, which its caller has packed.
  void give_back() const noexcept {
    for (std::size_t i = first_read_; i < last_read_; ++i)
      if (in_file(i) && found_.sources[i]->mapped)
        io::system::give_back(found_.sources[i]->bytes.data(), found_.sources[i]->bytes.size());
  }
  /// Checks tensor `i`, and converts it to `out` unless it is read in the file. Called just before packing, which then finds it
  /// in the cache.
  void read_one(std::size_t i, std::span<float> out) const {
    if (in_file(i)) io::check_stored(*found_.sources[i], where_, executor_);
    else io::to_checked_floats(*found_.sources[i], where_, out, executor_);
  }

  [[nodiscard]] const float* values(std::size_t i) const noexcept {
    return in_file(i) ? reinterpret_cast<const float*>(found_.sources[i]->bytes.data())
                      : scratch_.data() + in_scratch_[i].offset;
  }
  [[nodiscard]] matrix<const float> table(std::size_t i) const noexcept {
    return {values(i), static_cast<std::size_t>(found_.table[i].rows), static_cast<std::size_t>(found_.table[i].cols)};
  }
  [[nodiscard]] matrix<const float> word() const noexcept {
    matrix<const float> t = table(index::embeddings);
    if (!word_.empty()) t.data = word_.data();
    return t;
  }

  const std::string& where_;
  open_sizes sizes_;
  matched_weights<count> found_;
  std::array<parameter, count> in_scratch_;  ///< the table with offsets into the scratch block
  E executor_;
  std::size_t first_read_ = 0, last_read_ = 0;  ///< the tensors of the last call
  buffer<float> word_, scratch_;  ///< word embeddings have a buffer of their own, as a masked-LM head reads them too
};

/// Packs the weights of a file for inference, without a model in between. `e` runs reading and packing.
template <class Model, class Precision, executor E>
[[nodiscard]] frozen<Model, Precision> freeze_weights(const io::tensor_source& file, const open_sizes& sizes, const E& e) {
  stored_parameters<Model, E> parameters(file, sizes, e);
  return frozen<Model, Precision>(e, parameters);
}

}  // namespace bert::pipelines

#endif  // BERT_CHECKPOINT_STORED_PARAMETERS_HPP
