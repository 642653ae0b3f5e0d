// One tensor of a module: its name, shape, role and place in a model's block of parameters.
// Layer: layers. Test: tests/unit/model/parameters_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// What a parameter is to an optimizer: weight decay spares `bias` and `norm`.
enum class role : std::uint8_t { weight, bias, norm, embedding };

/// How a parameter is initialized.
enum class initialization : std::uint8_t { normal, zeros, ones };

/// Which kind of module a parameter belongs to.
enum class module_kind : std::uint8_t { embeddings, layer, pooler, head };

/// Rows or columns that are known only when a model is made.
inline constexpr int vocabulary_rows = -1;
inline constexpr int label_rows = -2;

/// What stands for the open rows and columns.
struct open_sizes {
  int vocab = 0;
  int labels = 0;

  /// `size` itself, or what stands for it.
  [[nodiscard]] constexpr int of(int size) const noexcept {
    return size == vocabulary_rows ? vocab : size == label_rows ? labels : size;
  }
};

/// One tensor. `rows` x `cols`, or a vector of `rows` where `cols` is 0.
struct parameter {
  std::string_view stem;  ///< Hugging Face name; inside a layer, what follows "bert.encoder.layer.<n>."
  int rows = 0;
  int cols = 0;
  bert::role role = bert::role::weight;
  initialization initial = initialization::normal;
  bool joined = false;                     ///< follows the one before without a gap: query, key and value make one matrix
  module_kind module = module_kind::head;  ///< set by the table of a model, as are all below
  int layer = -1;                          ///< of a layer's parameter, else -1
  std::size_t offset = 0;                  ///< in floats from the start of the block; a multiple of 16 unless joined

  [[nodiscard]] constexpr std::size_t count() const noexcept {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols == 0 ? 1 : cols);
  }
  /// Whether a number of rows or columns is still open.
  [[nodiscard]] constexpr bool open() const noexcept { return rows < 0 || cols < 0; }
  /// The name in BertForPreTraining; BertModel's is the same without the leading "bert.".
  [[nodiscard]] std::string name() const {
    return layer < 0 ? std::string(stem) : "bert.encoder.layer." + std::to_string(layer) + "." + std::string(stem);
  }
};

}  // namespace bert
