// A BERT: an architecture with any number of heads, and its weights in one flat block.
// Layer: model. Test: tests/unit/model/model_test.cpp
#ifndef BERT_MODEL_MODEL_HPP
#define BERT_MODEL_MODEL_HPP

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/layers/embeddings.hpp"
#include "bert/layers/module.hpp"
#include "bert/layers/pooler.hpp"
#include "bert/layers/post_norm.hpp"
#include "bert/layers/step_noise.hpp"
#include "bert/model/initialization.hpp"
#include "bert/model/parameters.hpp"

namespace bert::inline BERT_ISA {

/// A head declares its tensors and whether it reads the pooler. Optional flags: `reads_scored` (it reads the scored positions),
/// `reads_longest` (`batch_shape::longest` sizes its buffers), `reads_all_rows` = false (in training it reads only scored rows
/// and each sequence's first). It has three types for architecture A: `packed` (weights for inference), `workspace` (buffers of
/// a session) and `tape` (buffers of a training step). See docs/architecture.md, "How to add a head".
template <class H, class A>
concept head_for = requires {
  H::template parameters<A>().size();
  { H::reads_pooler } -> std::convertible_to<bool>;
  typename H::template packed<A>;
  typename H::template workspace<A>;
  typename H::template tape<A>;
};

/// A list of types, such as a model's heads.
template <class... Heads>
struct type_list {};

namespace detail {
using serial = execution::serial;

/// The calls of frozen, session and tape, each of which checks its own. Heads take any executor; checked is the serial one.
template <class H, class A>
concept packs = std::constructible_from < typename H::template packed<A>,
const serial&, carver&, const module_parameters<const float>&,
    const open_sizes& > &&requires(carver& c, const open_sizes& sizes) {
  H::template packed<A>::carve(c, sizes);
};
template <class H, class A>
concept runs =
    std::constructible_from<typename H::template workspace<A>, carver&, const batch_shape&, const open_sizes&>&& requires(
        typename H::template workspace<A>& w, const typename H::template workspace<A>& done,
        const typename H::template packed<A>& p, const encoded& in) {
  w.run(serial{}, p, in);
  done.output();
};
template <class H, class A>
concept trains =
    std::constructible_from<typename H::template tape<A>, carver&, const batch_shape&, const open_sizes&>&& requires(
        typename H::template tape<A>& t, const module_parameters<const float>& p, const module_parameters<float>& g,
        const encoded& in, const matrix<float>& d, const layers::step_noise& noise) {
  t.forward(serial{}, p, in, noise);
  t.backward(serial{}, p, g, in, d, d, noise);
};

template <class Head>
inline constexpr bool reads_longest = requires {
  requires Head::reads_longest;
};

template <class T, class... Ts>
inline constexpr std::size_t index_of = [] {
  std::size_t i = 0;
  (void)((std::same_as<T, Ts> ? false : (++i, true)) && ...);
  return i;
}();
}  // namespace detail

/// The offset of a tensor that a block does not hold.
inline constexpr std::size_t not_trained = static_cast<std::size_t>(-1);

/// The modules of a model in a block with the model's layout, or in a block of gradients, where an untrained parameter takes no
/// memory: `offsets[i]` is the offset of tensor i of the table, or `not_trained`.
template <class A, class T>
class block_view {
 public:
  block_view(std::span<const parameter> table, T* block, std::span<const std::string> labels = {}) noexcept
      : table_(table), block_(block), labels_(labels) {}
  /// `tied`, unless nullptr, replaces the token embeddings, or their gradient, for heads that share them.
  block_view(std::span<const parameter> table, T* block, std::span<const std::size_t> offsets, T* tied = nullptr) noexcept
      : table_(table), block_(block), offsets_(offsets), tied_(tied) {}

  [[nodiscard]] module_parameters<T> embeddings() const noexcept { return module(index::embeddings, index::layers); }
  [[nodiscard]] module_parameters<T> layer(std::size_t l) const noexcept { return module(index::layer(l), index::per_layer); }
  [[nodiscard]] module_parameters<T> pooler() const noexcept { return module(index::pooler, index::heads - index::pooler); }
  /// `count` tensors from `first` on, as of a head.
  [[nodiscard]] module_parameters<T> module(std::size_t first, std::size_t count) const noexcept {
    module_parameters<T> p(table_.subspan(first, count), word());
    p.labels = labels_;
    for (std::size_t i = 0; i < count; ++i) p.set(i, at(first + i));
    return p;
  }
  /// Tensor i of the table, or nullptr.
  [[nodiscard]] T* at(std::size_t i) const noexcept {
    if (offsets_.empty()) return block_ + table_[i].offset;
    return offsets_[i] == not_trained ? nullptr : block_ + offsets_[i];
  }
  /// Tensor i of the table, or an empty span.
  [[nodiscard]] std::span<T> values(std::size_t i) const noexcept { return {at(i), at(i) == nullptr ? 0 : table_[i].count()}; }
  [[nodiscard]] std::span<const parameter> table() const noexcept { return table_; }

 private:
  using index = table_index<A>;

  [[nodiscard]] matrix<T> word() const noexcept {
    return {tied_ == nullptr ? at(0) : tied_, static_cast<std::size_t>(table_[0].rows),
            static_cast<std::size_t>(table_[0].cols)};
  }

  std::span<const parameter> table_;
  T* block_;
  std::span<const std::size_t> offsets_;
  T* tied_ = nullptr;
  std::span<const std::string> labels_ = {};  ///< names of open labels, for the heads
};

/// Weights only. Only a trainer changes them, so threads may share a model.
template <class A, class... Heads>
class model {
  static_assert(
      ensure<bert::architecture<A>, facts<A>>,
      "bert::model: the first argument must be an architecture; derive a struct from bert::architecture_of<bert::dims{...}>");
  static_assert(
      (ensure<head_for<Heads, A>, facts<A, Heads>> && ...),
      "bert::model: every argument after the first must be a head; take one from bert::heads or satisfy bert::head_for");
  static constexpr auto repeated = detail::repeated_name(parameter_table<A, Heads...>());
  static_assert(
      ensure<(repeated == fact::tensor_name{}), facts<typename detail::repeated_fact<repeated>::type>>,
      "bert::model: two tensors have one name, which the file of weights could not tell apart; give one of the two heads "
      "tensors of another name");
  static_assert(((Heads::template parameters<A>().size() <= module_parameters<float>::most) && ... &&
                 (table_index<A>::per_layer <= module_parameters<float>::most)),
                "bert::model: a module may have at most bert::module_parameters::most tensors");

 public:
  using architecture = A;
  using heads = type_list<Heads...>;
  using table_type = decltype(parameter_table<A, Heads...>());

  static constexpr bool reads_pooler = (Heads::reads_pooler || ... || false);
  /// Whether `batch_shape::longest` sizes a head's buffers; a capacity then bounds each sequence, too.
  static constexpr bool reads_longest = (detail::reads_longest<Heads> || ... || false);
  static constexpr std::size_t head_count = sizeof...(Heads);
  template <class Head>
  static constexpr bool has_head = (std::same_as<Head, Heads> || ... || false);

  /// The number of parameters, if the type has all sizes.
  static constexpr std::size_t parameters = [] {
    static_assert(A::vocab != dynamic, "bert::model::parameters: the vocabulary is open; ask a model for count()");
    return count_parameters(resolve(parameter_table<A, Heads...>(), {.vocab = A::vocab, .labels = 0}));
  }();

  /// The table for given sizes, without constructing a model.
  [[nodiscard]] static constexpr table_type table_of(const open_sizes& sizes) noexcept {
    return resolve(parameter_table<A, Heads...>(), sizes);
  }

  [[nodiscard]] static model random(const random_options& options = {}) {
    model m{sizes_of(options.vocab, options.labels), options.labels};
    for (const auto& p : m.table_) m.fill(p, options);
    return m;
  }

  /// All weights zero, for a loader to fill through `values`.
  [[nodiscard]] static model blank(int vocab = 0, std::vector<std::string> labels = {}) {
    const auto sizes = sizes_of(vocab, labels);
    return model{sizes, std::move(labels)};
  }

  /// The same encoder with other heads: tensors of both models are kept, the others are initialized by `options`.
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

  /// What the tensors do not tell of the heads that have a static fingerprint(), such as an embedding's pooling.
  [[nodiscard]] static named_facts fingerprint() {
    named_facts facts;
    std::size_t number = 0;
    const auto add = [&]<class Head>(std::type_identity<Head>) {
      ++number;
      if constexpr (requires { named_facts(Head::fingerprint()); })
        for (const auto& [name, value] : Head::fingerprint())
          facts.emplace_back(head_count == 1 ? name : name + " in head " + std::to_string(number), value);
    };
    (add(std::type_identity<Heads>{}), ...);
    return facts;
  }

  template <std::size_t I>
  using head_at = std::tuple_element_t<I, std::tuple<Heads...>>;
  /// The index of a head of the model.
  template <class Head>
  static constexpr std::size_t index_of_head = [] {
    static_assert(ensure<has_head<Head>, facts<Head, model>>,
                  "bert::model: the model has no such head; name it among the arguments of bert::model");
    return detail::index_of<Head, Heads...>;
  }();

  /// The index in the table of head I's first tensor.
  template <std::size_t I>
  static constexpr std::size_t first_of_head = [] {
    std::size_t first = table_index<A>::heads, i = 0;
    ((first += i++ < I ? Heads::template parameters<A>().size() : 0), ...);
    return first;
  }();

  /// The indices in the table [first, end) of the module that tensor i belongs to: embeddings, a layer, the pooler, or a head.
  [[nodiscard]] static constexpr std::pair<std::size_t, std::size_t> module_of(std::size_t i) noexcept {
    using index = table_index<A>;
    if (i < index::layers) return {0, index::layers};
    if (i < index::pooler) {
      const std::size_t first = index::layers + (i - index::layers) / index::per_layer * index::per_layer;
      return {first, first + index::per_layer};
    }
    std::size_t first = index::pooler, end = index::heads;
    ((void)(i < end || (first = end, end += Heads::template parameters<A>().size(), true)), ...);
    return {first, end};
  }

  /// The whole block, gaps included.
  [[nodiscard]] std::span<float> block() noexcept { return block_.span(); }
  [[nodiscard]] std::span<const float> block() const noexcept { return block_.span(); }
  [[nodiscard]] std::span<float> values(const parameter& p) noexcept { return {block_.data() + p.offset, p.count()}; }
  [[nodiscard]] std::span<const float> values(const parameter& p) const noexcept {
    return {block_.data() + p.offset, p.count()};
  }

  /// The tensor with that name in BertForPreTraining. Throws bert::error if there is none.
  [[nodiscard]] std::span<const float> values(std::string_view name) const {
    for (const auto& p : table_)
      if (p.name() == name) return values(p);
    throw_error({"bert::model::values", "the name of a parameter", std::string(name), "see table() for the names"});
  }

  /// The modules in a block with this model's layout: its own, or one of gradients.
  template <class T>
  [[nodiscard]] block_view<A, T> view(T* block) const noexcept {
    return {table_, block, labels_};
  }
  // The model's own modules, as `freeze` reads them.
  [[nodiscard]] auto embeddings() const noexcept { return view(block_.data()).embeddings(); }
  [[nodiscard]] auto layer(std::size_t l) const noexcept { return view(block_.data()).layer(l); }
  [[nodiscard]] auto pooler() const noexcept { return view(block_.data()).pooler(); }
  template <std::size_t I>
  [[nodiscard]] auto head() const noexcept {
    return head<I>(view(block_.data()));
  }
  /// Head I in a view of a block.
  template <std::size_t I, class T>
  [[nodiscard]] static module_parameters<T> head(const block_view<A, T>& in) noexcept {
    return in.module(first_of_head<I>, head_at<I>::template parameters<A>().size());
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
        throw_error({"bert::model", cat("a vocabulary of ", A::vocab, " pieces, as the type says"), cat(vocab),
                     "use bert::open_vocabulary<…> for vocabularies of any size"});
      vocab = A::vocab;
    } else if (vocab <= 0) {
      throw_error({"bert::model", "the size of the vocabulary, which the architecture leaves open", cat(vocab),
                   "set random_options::vocab"});
    }
    constexpr bool open_labels = [] {
      for (const auto& p : parameter_table<A, Heads...>())
        if (p.rows == label_rows || p.cols == label_rows) return true;
      return false;
    }();
    if (open_labels && labels.empty())
      throw_error({"bert::model", "names of the labels, which the head leaves open", "none", "set random_options::labels"});
    return {vocab, static_cast<int>(labels.size())};
  }

  void fill(const parameter& p, const random_options& options) {
    const auto out = values(p);
    if (p.initial != initialization::normal) {
      std::fill(out.begin(), out.end(), p.initial == initialization::ones ? 1.0f : 0.0f);
      return;
    }
    const matrix<float> tensor{out.data(), static_cast<std::size_t>(p.rows), static_cast<std::size_t>(p.cols)};
    const bool neighbors = options.positions == position_initialization::neighbors;
    if (neighbors && p.stem == detail::position_table) return detail::initialize_positions(tensor, A::head_dim, options.stddev);
    random_stream stream(options.seed, draw::initial_weights, key_of(p.name()));
    for (float& x : out) x = options.stddev * stream.normal();
    if (neighbors && p.layer >= 0 && (p.stem == detail::query_weights || p.stem == detail::key_weights))
      detail::initialize_neighbors(tensor, static_cast<std::size_t>(p.layer), A::head_dim, p.stem == detail::key_weights);
  }

  open_sizes sizes_;
  std::vector<std::string> labels_;
  table_type table_;
  buffer<float> block_;
};

}  // namespace bert

#endif  // BERT_MODEL_MODEL_HPP
