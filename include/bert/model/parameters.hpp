// The parameter table: every tensor of a model with its name, shape, role and offset in the flat block.
// Layer: model. Test: tests/unit/model/parameters_test.cpp
#ifndef BERT_MODEL_PARAMETERS_HPP
#define BERT_MODEL_PARAMETERS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/layers/parameter.hpp"
#include "bert/model/dims.hpp"

namespace bert::inline BERT_ISA {

/// Indices in a model's table at which the modules of architecture A begin: embeddings, each layer, pooler, then heads in
/// order.
template <class A>
struct table_index {
  static constexpr std::size_t embeddings = 0;
  static constexpr std::size_t layers = A::embedding_module::template parameters<A>().size();
  static constexpr std::size_t per_layer = A::layer_module::template parameters<A>().size();
  static constexpr std::size_t pooler = layers + per_layer * static_cast<std::size_t>(A::layers);
  static constexpr std::size_t heads = pooler + A::pooler_module::template parameters<A>().size();

  [[nodiscard]] static constexpr std::size_t layer(std::size_t l) noexcept { return layers + per_layer * l; }
};

/// The table of a model: its architecture's tensors, then each head's. Open sizes are not yet resolved.
template <class A, class... Heads>
constexpr auto parameter_table() {
  constexpr std::size_t count = table_index<A>::heads + (Heads::template parameters<A>().size() + ... + 0);
  std::array<parameter, count> table{};
  std::size_t i = 0;
  const auto append = [&](const auto& tensors, module_kind kind, int layer = -1) {
    for (const auto& p : tensors) {
      table[i] = p;
      table[i].module = kind;
      table[i++].layer = layer;
    }
  };
  append(A::embedding_module::template parameters<A>(), module_kind::embeddings);
  for (int l = 0; l < A::layers; ++l) append(A::layer_module::template parameters<A>(), module_kind::layer, l);
  append(A::pooler_module::template parameters<A>(), module_kind::pooler);
  (append(Heads::template parameters<A>(), module_kind::head), ...);
  return table;
}

/// Resolves open sizes and sets offsets: tensors of known size first, so that their offsets depend on the type alone.
template <std::size_t N>
constexpr std::array<parameter, N> resolve(std::array<parameter, N> table, open_sizes sizes) noexcept {
  std::size_t next = 0;
  for (const bool open : {false, true})
    for (auto& p : table) {
      if (p.open() != open) continue;
      p.offset = p.joined ? next : round_up(next, alignment / sizeof(float));
      next = p.offset + parameter{.stem = {}, .rows = sizes.of(p.rows), .cols = sizes.of(p.cols)}.count();
    }
  for (auto& p : table) p.rows = sizes.of(p.rows), p.cols = sizes.of(p.cols);
  return table;
}

/// Floats that a resolved table spans, gaps included.
template <std::size_t N>
[[nodiscard]] constexpr std::size_t block_size(const std::array<parameter, N>& table) noexcept {
  std::size_t end = 0;
  for (const auto& p : table) end = std::max(end, p.offset + p.count());
  return round_up(end, alignment / sizeof(float));
}

/// Parameters in a resolved table, gaps not counted.
template <std::size_t N>
[[nodiscard]] constexpr std::size_t count_parameters(const std::array<parameter, N>& table) noexcept {
  std::size_t n = 0;
  for (const auto& p : table) n += p.count();
  return n;
}

namespace detail {

/// The first name that two tensors of a table share; empty if there is none. Compares the first layer only, as all layers have
/// its names.
template <std::size_t N>
[[nodiscard]] constexpr fact::tensor_name repeated_name(const std::array<parameter, N>& table) noexcept {
  for (std::size_t i = 0; i < N; ++i) {
    if (table[i].layer > 0) continue;
    for (std::size_t j = 0; j < i; ++j)
      if (table[i].layer == table[j].layer && table[i].stem == table[j].stem) {
        fact::tensor_name name;
        std::copy_n(table[i].stem.begin(), std::min(table[i].stem.size(), sizeof(name.text) - 1), name.text);
        return name;
      }
  }
  return {};
}

/// `Name` as a fact for a diagnostic.
template <fact::tensor_name Name, class = std::make_index_sequence<std::string_view(Name.text).size()>>
struct repeated_fact;
template <fact::tensor_name Name, std::size_t... I>
struct repeated_fact<Name, std::index_sequence<I...>> {
  using type = fact::repeated_tensor<Name, Name.text[I]...>;
};

}  // namespace detail

}  // namespace bert

#endif  // BERT_MODEL_PARAMETERS_HPP
