// What a folder of sentence-transformers makes of a text's hidden states: poolings, Dense layers, unit length.
// Layer: pipeline. Test: tests/unit/pipeline/sentence_folder_test.cpp. Paper: Reimers and Gurevych 2019, "Sentence-BERT", 3.
#ifndef BERT_PIPELINE_SENTENCE_TRANSFORM_HPP
#define BERT_PIPELINE_SENTENCE_TRANSFORM_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bert/checkpoint/sentence_files.hpp"
#include "bert/checkpoint/weight_files.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/core/path.hpp"
#include "bert/heads/pooling.hpp"
#include "bert/heads/pooling_modes.hpp"
#include "bert/kernels/gemm/gemm.hpp"
#include "bert/kernels/rows/activation.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::pipelines {

/// z = f(W y + b) of sizes known at run time, read from the folder of a Dense module and packed.
class dense_layer {
 public:
  /// Throws bert::error naming the file and the tensor unless W is [outputs, inputs] and b [outputs], of finite numbers.
  template <executor E>
  dense_layer(const sentence_module& m, const E& e)
      : activation_(m.activation), block_(kernels::packed_size(m.inputs, m.outputs)), bias_(m.outputs) {
    const weight_files files(m.folder);
    const auto read = [&](const char* name, std::vector<std::size_t> shape, std::span<float> to) {
      const auto tensors = files.tensors();
      const auto t = std::find_if(tensors.begin(), tensors.end(), [&](const auto& x) { return x.name == name; });
      if (t == tensors.end()) throw_error({files.where(), cat("a tensor \"", name, '"'), "none of that name", {}});
      if (t->shape != shape)
        throw_error({cat(files.where(), ", tensor \"", name, '"'),
                     io::shape_text(shape) + ", as config.json says",
                     io::shape_text(t->shape),
                     {}});
      io::to_checked_floats(*t, files.where(), to, e);
    };
    buffer<float> weight(m.inputs * m.outputs);
    read("linear.weight", {m.outputs, m.inputs}, weight.span());
    if (m.bias) read("linear.bias", {m.outputs}, bias_.span());
    packed_ = kernels::pack_transposed(e, matrix<const float>{weight.data(), m.outputs, m.inputs}, block_.data());
  }

  dense_layer(dense_layer&&) noexcept = default;
  dense_layer(const dense_layer&) = delete;  // packed_ points into block_

  [[nodiscard]] std::size_t outputs() const noexcept { return bias_.size(); }

  /// Writes `z` [S, outputs] from `y` [S, inputs]. A row of z depends on its row of y alone.
  template <executor E>
  void run(const E& e, matrix<const float> y, matrix<float> z) const noexcept {
    kernels::gemm(e, y, packed_, kernels::epilogue::bias{z, bias_.data()});
    if (activation_ == "tanh") kernels::activate<kernels::tanh_activation>(e, z, z);
    else if (activation_ == "relu") kernels::activate<kernels::relu>(e, z, z);
    else if (activation_ == "gelu") kernels::activate<kernels::gelu_erf>(e, z, z);
    else if (activation_ == "sigmoid")
      for (std::size_t i = 0; i < z.rows * z.cols; ++i) z.data[i] = 1 / (1 + std::exp(-z.data[i]));
  }

 private:
  std::string activation_;
  buffer<float> block_, bias_;
  kernels::packed packed_;
};

/// The modules of a folder behind its encoder, in their order.
class sentence_transform {
 public:
  /// `hidden`: the size of a token's vector. `unit`: whether the result has unit length even if no Normalize says so. Throws
  /// bert::error, naming the file, if the sizes of the modules do not follow on each other.
  template <executor E>
  sentence_transform(const sentence_settings& s, std::size_t hidden, bool unit, const E& e)
      : modes_(s.poolings), hidden_(hidden), outputs_(hidden * s.poolings.size()), unit_(unit) {
    for (const auto& m : s.modules) {
      if (m.what == sentence_module::kind::normalize) {
        steps_.emplace_back();
        continue;
      }
      if (m.inputs != outputs_)
        throw_error({path_text(m.folder / "config.json") + ", \"in_features\"",
                     cat(outputs_, ", the size of what is pooled"),
                     cat(m.inputs),
                     {}});
      outputs_ = steps_.emplace_back(std::in_place, m, e)->outputs();
    }
  }

  /// The size of what is pooled, and of a vector.
  [[nodiscard]] std::size_t pooled() const noexcept { return hidden_ * modes_.size(); }
  [[nodiscard]] std::size_t outputs() const noexcept { return outputs_; }

  /// Writes `y` [pooled()] from the hidden states `x` [T, H] of one text, whose first `skip` tokens are not pooled.
  void pool(matrix<const float> x, std::size_t skip, std::span<float> y) const noexcept {
    for (std::size_t i = 0; i < modes_.size(); ++i) pooling::pool(modes_[i], x, skip, y.subspan(i * hidden_, hidden_));
  }

  /// The vectors [S, outputs()] of what was pooled, `y` [S, pooled()].
  template <executor E>
  [[nodiscard]] buffer<float> finish(const E& e, buffer<float> y, std::size_t rows) const {
    std::size_t size = pooled();
    for (const auto& step : steps_) {
      if (!step) {
        normalize(e, {y.data(), rows, size});
        continue;
      }
      buffer<float> z(rows * step->outputs());
      step->run(e, matrix<const float>{y.data(), rows, size}, {z.data(), rows, step->outputs()});
      size = step->outputs();
      y = std::move(z);
    }
    if (unit_) normalize(e, {y.data(), rows, size});
    return y;
  }

 private:
  template <executor E>
  static void normalize(const E& e, matrix<float> y) noexcept {
    e.parallel_for(y.rows, [&](std::size_t s) { to_unit_length({y.row(s), y.cols}); });
  }

  std::vector<pooling::mode> modes_;
  std::size_t hidden_, outputs_;
  bool unit_;
  std::vector<std::optional<dense_layer>> steps_;  ///< a Dense, or none: Normalize
};

}  // namespace bert::pipelines

#endif  // BERT_PIPELINE_SENTENCE_TRANSFORM_HPP
