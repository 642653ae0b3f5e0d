// Tensors by name and where they are from: what a reader of a model needs to know of a file, or of several.
// Layer: io. Test: tests/unit/checkpoint/weight_files_test.cpp
#ifndef BERT_IO_TENSOR_SOURCE_HPP
#define BERT_IO_TENSOR_SOURCE_HPP

#include <concepts>
#include <span>
#include <string>

#include "bert/core/isa.hpp"
#include "bert/io/stored_tensor.hpp"

namespace bert::inline BERT_ISA::io {

/// What gives stored tensors, and a name for itself in errors: `safetensors`, `pytorch_file`, `tensorflow_checkpoint`,
/// `bert::weight_files`.
template <class T>
concept gives_tensors = requires(const T& t) {
  { t.tensors() } -> std::convertible_to<std::span<const stored_tensor>>;
  { t.where() } -> std::same_as<const std::string&>;
};

/// The tensors of any of these. Owns nothing: what it was made from must outlive it.
class tensor_source {
 public:
  template <gives_tensors Files>
  tensor_source(const Files& files) noexcept : tensors_(files.tensors()), where_(&files.where()) {}  // NOLINT(*-explicit-*)

  [[nodiscard]] std::span<const stored_tensor> tensors() const noexcept { return tensors_; }
  /// The file or files, as errors name them.
  [[nodiscard]] const std::string& where() const noexcept { return *where_; }

 private:
  std::span<const stored_tensor> tensors_;
  const std::string* where_;
};

}  // namespace bert::io

#endif  // BERT_IO_TENSOR_SOURCE_HPP
