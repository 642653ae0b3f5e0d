// A BERT: an architecture with any number of heads, its weights one flat block.
// Layer: model. Test: tests/unit/model/model_test.cpp
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/layers/embeddings.hpp"
#include "bert/layers/encoder_layer.hpp"
#include "bert/layers/pooler.hpp"
#include "bert/model/birth.hpp"
#include "bert/model/parameters.hpp"

namespace bert::inline BERT_ISA {

/// The tensors of one head in a block: `p[i]` points at the i-th entry of its `parameters()`.
template <class T>
struct head_parameters {
  T* block;
  const parameter* table;
  matrix<T> word;  ///< the token embeddings, to which a head may be tied

  [[nodiscard]] T* operator[](std::size_t i) const noexcept { return block + table[i].offset; }
  [[nodiscard]] matrix<T> weight(std::size_t i) const noexcept {
    return {(*this)[i], static_cast<std::size_t>(table[i].rows), static_cast<std::size_t>(table[i].cols)};
  }
};

/// What a head reads: the batch, the last layer's output [N, H] and, if it asks for it, the pooler's [S, H].
struct encoded {
  const token_batch& batch;
  matrix<const float> hidden;
  matrix<const float> pooled;
};

/// A head names its tensors, says whether it reads the pooler (and, with `reads_scored`, the scored positions; with
/// `reads_all_rows` = false, no others in training but each sequence's first), and brings three types for architecture A:
/// `packed` (weights for inference), `workspace` (buffers of a session) and `tape` (buffers of a training step).
/// docs/architecture.md shows how to write one.
template <class H, class A>
concept head_for = requires {
  H::template parameters<A>().size();
  { H::reads_pooler } -> std::convertible_to<bool>;
  typename H::template packed<A>;
  typename H::template workspace<A>;
  typename H::template tape<A>;
};

/// Heads, in the order of a model's arguments.
template <class... Heads>
struct type_list {};

namespace detail {
template <class T, class... Ts>
inline constexpr std::size_t index_of = [] {
  std::size_t i = 0;
  (void)((std::same_as<T, Ts> ? false : (++i, true)) && ...);
  return i;
}();
}  // namespace detail

/// Weights only. Immutable to everything but a trainer, so one model may serve many threads.
template <class A, class... Heads>
class model {
  static_assert(
      ensure<bert::architecture<A>, facts<A>>,
      "bert::model: the first argument must be an architecture; derive a struct from bert::architecture_of<bert::dims{...}>");
  static_assert(
      (ensure<head_for<Heads, A>, facts<A, Heads>> && ...),
      "bert::model: every argument after the first must be a head; take one from bert::heads or satisfy bert::head_for");

 public:
  using architecture = A;
  using heads = type_list<Heads...>;
  using table_type = decltype(parameter_table<A, Heads...>());

  static constexpr bool reads_pooler = (Heads::reads_pooler || ... || false);
  static constexpr std::size_t head_count = sizeof...(Heads);
  template <class Head>
  static constexpr bool has_head = (std::same_as<Head, Heads> || ... || false);

  /// Parameters of a model whose sizes are all part of its type.
  static constexpr std::size_t parameters = [] {
    static_assert(A::vocab != dynamic, "bert::model::parameters: the vocabulary is open; ask a model for count()");
    return count_parameters(resolve(parameter_table<A, Heads...>(), {.vocab = A::vocab, .labels = 0}));
  }();

  [[nodiscard]] static model random(const random_options& options = {}) {
    model m{sizes_of(options.vocab, options.labels), options.labels};
    for (const auto& p : m.table_) m.fill(p, options);
    return m;
  }

  /// All zero, for a loader to fill through `values`.
  [[nodiscard]] static model blank(int vocab = 0, std::vector<std::string> labels = {}) {
    const auto sizes = sizes_of(vocab, labels);
    return model{sizes, std::move(labels)};
  }

  /// The same encoder under other heads: tensors that both have are kept, the others are born from `options`.
  template <class... Others>
  [[nodiscard]] model<A, Others...> with_head(random_options options = {}) && {
    if (options.vocab == 0) options.vocab = sizes_.vocab;
    auto other = model<A, Others...>::random(options);
    for (const auto& to : other.table())
      for (const auto& from : table_)
        if (from.stem == to.stem && from.layer == to.layer && from.rows == to.rows && from.cols == to.cols)
          std::copy_n(values(from).data(), from.count(), other.values(to).data());
    return other;
  }
  template <class... Others>
  [[nodiscard]] model<A, Others...> with_head(random_options options = {}) const& {
    return model(*this).template with_head<Others...>(std::move(options));
  }

  [[nodiscard]] const table_type& table() const noexcept { return table_; }
  [[nodiscard]] const open_sizes& sizes() const noexcept { return sizes_; }
  [[nodiscard]] const std::vector<std::string>& label_names() const noexcept { return labels_; }
  [[nodiscard]] std::size_t count() const noexcept { return count_parameters(table_); }

  /// Where a head's tensors begin in the table.
  template <class Head>
  [[nodiscard]] static constexpr std::size_t first_of() noexcept {
    constexpr std::array<std::size_t, sizeof...(Heads)> counts{Heads::template parameters<A>().size()...};
    std::size_t first = place::heads<A>;
    for (std::size_t i = 0; i < detail::index_of<Head, Heads...>; ++i) first += counts[i];
    return first;
  }

  /// The whole block, gaps included.
  [[nodiscard]] std::span<float> block() noexcept { return block_.span(); }
  [[nodiscard]] std::span<const float> block() const noexcept { return block_.span(); }
  [[nodiscard]] std::span<float> values(const parameter& p) noexcept { return {block_.data() + p.offset, p.count()}; }
  [[nodiscard]] std::span<const float> values(const parameter& p) const noexcept {
    return {block_.data() + p.offset, p.count()};
  }

  /// The tensor of that name (BertForPreTraining's), or an error that names it.
  [[nodiscard]] std::span<const float> values(std::string_view name) const {
    for (const auto& p : table_)
      if (p.name() == name) return values(p);
    throw error({"bert::model::values", "the name of a parameter", std::string(name), "see table() for the names"});
  }

  // Typed pointers into a block laid out as this model's: the model's own, or one of gradients.
  template <class T>
  [[nodiscard]] layers::embedding_parameters<A, T> embedding(T* b) const noexcept {
    return {at<T>(b, place::word), at<T>(b, place::position), at<T>(b, place::segment), b + table_[place::norm].offset,
            b + table_[place::norm + 1].offset};
  }
  template <class T>
  [[nodiscard]] layers::encoder_layer_parameters<A, T> layer(T* b, std::size_t l) const noexcept {
    const auto p = [&](std::size_t i) { return b + table_[place::layers + place::per_layer * l + i].offset; };
    return {p(0), p(3), p(6), p(7), p(8), p(9), p(10), p(11), p(12), p(13), p(14), p(15)};
  }
  template <class T>
  [[nodiscard]] layers::pooler_parameters<A, T> pooler(T* b) const noexcept {
    return {at<T>(b, place::pooler<A>), b + table_[place::pooler<A> + 1].offset};
  }
  // The model's own, as `freeze` takes them.
  [[nodiscard]] auto embedding() const noexcept { return embedding(block_.data()); }
  [[nodiscard]] auto layer(std::size_t l) const noexcept { return layer(block_.data(), l); }
  [[nodiscard]] auto pooler() const noexcept { return pooler(block_.data()); }
  template <class Head>
  [[nodiscard]] auto head() const noexcept {
    return head<Head>(block_.data());
  }

  template <class Head, class T>
  [[nodiscard]] head_parameters<T> head(T* b) const noexcept {
    return {b, table_.data() + first_of<Head>(), at<T>(b, place::word)};
  }

 private:
  template <class, class...>
  friend class model;

  model(open_sizes sizes, std::vector<std::string> labels)
      : sizes_(sizes),
        labels_(std::move(labels)),
        table_(resolve(parameter_table<A, Heads...>(), sizes)),
        block_(block_size(table_)) {}

  static open_sizes sizes_of(int vocab, const std::vector<std::string>& labels) {
    if constexpr (A::vocab != dynamic) {
      if (vocab != 0 && vocab != A::vocab)
        throw error({"bert::model", cat("a vocabulary of ", A::vocab, " pieces, as the type says"), cat(vocab),
                     "use bert::open_vocabulary<…> for vocabularies of any size"});
      vocab = A::vocab;
    } else if (vocab <= 0) {
      throw error({"bert::model", "the size of the vocabulary, which the architecture leaves open", cat(vocab),
                   "set random_options::vocab"});
    }
    constexpr bool open_labels = [] {
      for (const auto& p : parameter_table<A, Heads...>())
        if (p.rows == label_rows) return true;
      return false;
    }();
    if (open_labels && labels.empty())
      throw error({"bert::model", "names of the labels, which the head leaves open", "none", "set random_options::labels"});
    return {vocab, static_cast<int>(labels.size())};
  }

  void fill(const parameter& p, const random_options& options) {
    const auto out = values(p);
    if (p.born != birth::normal) {
      std::fill(out.begin(), out.end(), p.born == birth::ones ? 1.0f : 0.0f);
      return;
    }
    const bool neighbours = options.positions == position_birth::neighbours;
    if (neighbours && &p == &table_[place::position])
      return detail::bear_positions(at<float>(block_.data(), place::position), A::head_dim, options.stddev);
    std::uint64_t name = 0xCBF29CE484222325u;  // FNV-1a of the name
    for (const char c : p.name()) name = (name ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    random_stream stream(options.seed, draw::initial_weights, name);
    for (float& x : out) x = options.stddev * stream.normal();
    // A layer's first two tensors are the weights of query and key.
    const auto index = static_cast<std::size_t>(&p - table_.data());
    const std::size_t in_layer =
        p.layer < 0 ? place::per_layer : index - place::layers - place::per_layer * static_cast<std::size_t>(p.layer);
    if (neighbours && in_layer < 2)
      detail::bear_neighbours(at<float>(block_.data(), index), static_cast<std::size_t>(p.layer), A::head_dim, in_layer == 1);
  }

  template <class T>
  [[nodiscard]] matrix<T> at(T* b, std::size_t i) const noexcept {
    return {b + table_[i].offset, static_cast<std::size_t>(table_[i].rows), static_cast<std::size_t>(table_[i].cols)};
  }

  open_sizes sizes_;
  std::vector<std::string> labels_;
  table_type table_;
  buffer<float> block_;
};

}  // namespace bert
