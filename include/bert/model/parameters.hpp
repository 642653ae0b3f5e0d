// The parameter table: every tensor of a model with its name, shape, role and place in the one flat block.
// Layer: model. Test: tests/unit/model/parameters_test.cpp
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/model/dims.hpp"

namespace bert::inline BERT_ISA {

/// What a parameter is to an optimiser: weight decay spares `bias` and `norm`.
enum class role { weight, bias, norm, embedding };

/// How a parameter is born.
enum class birth { normal, zeros, ones };

/// Rows that are known only when a model is made.
inline constexpr int vocabulary_rows = -1;
inline constexpr int label_rows = -2;

/// What stands for the open rows.
struct open_sizes {
  int vocab = 0;
  int labels = 0;
};

/// One tensor. `rows` x `cols`, or a vector of `rows` where `cols` is 0.
struct parameter {
  std::string_view stem;  ///< Hugging Face name; inside a layer, what follows "bert.encoder.layer.<n>."
  int rows = 0;
  int cols = 0;
  bert::role role = bert::role::weight;
  birth born = birth::normal;
  bool joined = false;  ///< follows the one before without a gap: query, key and value make one matrix
  int layer = -1;
  std::size_t offset = 0;  ///< in floats from the start of the block; a multiple of 16 unless joined

  [[nodiscard]] constexpr std::size_t count() const noexcept {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols == 0 ? 1 : cols);
  }
  /// The name in BertForPreTraining; BertModel's is the same without the leading "bert.".
  [[nodiscard]] std::string name() const {
    return layer < 0 ? std::string(stem) : "bert.encoder.layer." + std::to_string(layer) + "." + std::string(stem);
  }
};

/// Where the encoder's parameters stand in the table of every model.
namespace place {
inline constexpr std::size_t word = 0, position = 1, segment = 2, norm = 3, layers = 5, per_layer = 16;
template <class A>
inline constexpr std::size_t pooler = layers + per_layer* static_cast<std::size_t>(A::layers);
template <class A>
inline constexpr std::size_t heads = pooler<A> + 2;
}  // namespace place

namespace detail {

template <class A>
constexpr auto encoder_parameters() {
  constexpr int h = A::hidden, f = A::intermediate;
  using enum role;
  using enum birth;
  std::array<parameter, place::heads<A>> t{};
  std::size_t i = 0;
  t[i++] = {.stem = "bert.embeddings.word_embeddings.weight", .rows = vocabulary_rows, .cols = h, .role = embedding};
  t[i++] = {.stem = "bert.embeddings.position_embeddings.weight", .rows = A::positions, .cols = h, .role = embedding};
  t[i++] = {.stem = "bert.embeddings.token_type_embeddings.weight", .rows = A::segments, .cols = h, .role = embedding};
  t[i++] = {.stem = "bert.embeddings.LayerNorm.weight", .rows = h, .role = norm, .born = ones};
  t[i++] = {.stem = "bert.embeddings.LayerNorm.bias", .rows = h, .role = norm, .born = zeros};
  for (int l = 0; l < A::layers; ++l) {
    t[i++] = {.stem = "attention.self.query.weight", .rows = h, .cols = h, .layer = l};
    t[i++] = {.stem = "attention.self.key.weight", .rows = h, .cols = h, .joined = true, .layer = l};
    t[i++] = {.stem = "attention.self.value.weight", .rows = h, .cols = h, .joined = true, .layer = l};
    t[i++] = {.stem = "attention.self.query.bias", .rows = h, .role = bias, .born = zeros, .layer = l};
    t[i++] = {.stem = "attention.self.key.bias", .rows = h, .role = bias, .born = zeros, .joined = true, .layer = l};
    t[i++] = {.stem = "attention.self.value.bias", .rows = h, .role = bias, .born = zeros, .joined = true, .layer = l};
    t[i++] = {.stem = "attention.output.dense.weight", .rows = h, .cols = h, .layer = l};
    t[i++] = {.stem = "attention.output.dense.bias", .rows = h, .role = bias, .born = zeros, .layer = l};
    t[i++] = {.stem = "attention.output.LayerNorm.weight", .rows = h, .role = norm, .born = ones, .layer = l};
    t[i++] = {.stem = "attention.output.LayerNorm.bias", .rows = h, .role = norm, .born = zeros, .layer = l};
    t[i++] = {.stem = "intermediate.dense.weight", .rows = f, .cols = h, .layer = l};
    t[i++] = {.stem = "intermediate.dense.bias", .rows = f, .role = bias, .born = zeros, .layer = l};
    t[i++] = {.stem = "output.dense.weight", .rows = h, .cols = f, .layer = l};
    t[i++] = {.stem = "output.dense.bias", .rows = h, .role = bias, .born = zeros, .layer = l};
    t[i++] = {.stem = "output.LayerNorm.weight", .rows = h, .role = norm, .born = ones, .layer = l};
    t[i++] = {.stem = "output.LayerNorm.bias", .rows = h, .role = norm, .born = zeros, .layer = l};
  }
  t[i++] = {.stem = "bert.pooler.dense.weight", .rows = h, .cols = h};
  t[i++] = {.stem = "bert.pooler.dense.bias", .rows = h, .role = bias, .born = zeros};
  return t;
}

}  // namespace detail

/// The table of a model: the encoder's tensors, the pooler's, then each head's. Open rows still stand as they are.
template <class A, class... Heads>
constexpr auto parameter_table() {
  constexpr std::size_t count = place::heads<A> + (Heads::template parameters<A>().size() + ... + 0);
  std::array<parameter, count> table{};
  std::size_t i = 0;
  const auto append = [&](const auto& part) {
    for (const auto& p : part) table[i++] = p;
  };
  append(detail::encoder_parameters<A>());
  (append(Heads::template parameters<A>()), ...);
  return table;
}

/// Gives every tensor its rows and its offset: those of known size first, so that their offsets depend on the type alone.
template <std::size_t N>
constexpr std::array<parameter, N> resolve(std::array<parameter, N> table, open_sizes sizes) noexcept {
  std::size_t next = 0;
  for (const bool open : {false, true})
    for (auto& p : table) {
      if ((p.rows < 0) != open) continue;
      if (open) p.rows = p.rows == vocabulary_rows ? sizes.vocab : sizes.labels;
      p.offset = p.joined ? next : round_up(next, alignment / sizeof(float));
      next = p.offset + p.count();
    }
  return table;
}

/// Floats that a resolved table spans, gaps included.
template <std::size_t N>
[[nodiscard]] constexpr std::size_t block_size(const std::array<parameter, N>& table) noexcept {
  std::size_t end = 0;
  for (const auto& p : table)
    if (p.offset + p.count() > end) end = p.offset + p.count();
  return round_up(end, alignment / sizeof(float));
}

/// Parameters in a resolved table, gaps not counted.
template <std::size_t N>
[[nodiscard]] constexpr std::size_t count_parameters(const std::array<parameter, N>& table) noexcept {
  std::size_t n = 0;
  for (const auto& p : table) n += p.count();
  return n;
}

}  // namespace bert
