// One tensor of a module: its name, shape, role and offset in a model's block of parameters.
// Layer: layers. Test: tests/unit/model/parameters_test.cpp
#ifndef BERT_LAYERS_PARAMETER_HPP
#define BERT_LAYERS_PARAMETER_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// A parameter's role for the optimizer: weight decay skips `bias` and `norm`.
enum class role : std::uint8_t { weight, bias, norm, embedding };

/// How a parameter is initialized.
enum class initialization : std::uint8_t { normal, zeros, ones };

/// Which kind of module a parameter belongs to.
enum class module_kind : std::uint8_t { embeddings, layer, pooler, head };

/// Rows or columns whose number is known only when a model is constructed.
inline constexpr int vocabulary_rows = -1;
inline constexpr int label_rows = -2;

/// The sizes of open rows and columns.
struct open_sizes {
  int vocab = 0;
  int labels = 0;

  /// `size`, or the size that it stands for if it is open.
  [[nodiscard]] constexpr int of(int size) const noexcept {
    return size == vocabulary_rows ? vocab : size == label_rows ? labels : size;
  }
};

/// One tensor: a matrix [rows, cols], or a vector [rows] if `cols` is 0.
struct parameter {
  std::string_view stem;  ///< Hugging Face name; in a layer, without "bert.encoder.layer.<n>."
  int rows = 0;
  int cols = 0;
  bert::role role = bert::role::weight;
  initialization initial = initialization::normal;
  bool joined = false;                     ///< contiguous with the tensor before: query, key and value form one matrix
  module_kind module = module_kind::head;  ///< set by `parameter_table`, as are the members below
  int layer = -1;                          ///< index of the layer, or -1 outside layers
  std::size_t offset = 0;                  ///< in floats; a multiple of 16 unless joined

  [[nodiscard]] constexpr std::size_t count() const noexcept {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols == 0 ? 1 : cols);
  }
  /// Whether the number of rows or columns is open.
  [[nodiscard]] constexpr bool open() const noexcept { return rows < 0 || cols < 0; }
  /// The name in BertForPreTraining; BertModel's is the same without the leading "bert.".
  [[nodiscard]] std::string name() const {
    return layer < 0 ? std::string(stem) : "bert.encoder.layer." + std::to_string(layer) + "." + std::string(stem);
  }
};

}  // namespace bert

#endif  // BERT_LAYERS_PARAMETER_HPP
