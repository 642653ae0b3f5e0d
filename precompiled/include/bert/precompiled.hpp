// Encoders compiled for several instruction sets, the best of which is picked when a folder is opened.
// Library: bert::precompiled. Test: tests/precompiled. Page: docs/shipping.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"

namespace bert::precompiled {

/// The instruction sets that code can be compiled for; each holds those before it.
enum class level : std::uint8_t {
  v2,       ///< x86-64-v2: SSE4.2
  v3,       ///< x86-64-v3: AVX2 and FMA
  v4,       ///< x86-64-v4: AVX-512
  v4_vnni,  ///< x86-64-v4 with AVX512_VNNI
  v4_bf16   ///< x86-64-v4 with AVX512_VNNI and AVX512_BF16
};

/// "x86-64-v3" and the like.
[[nodiscard]] std::string_view name_of(level l) noexcept;

/// The levels that this library was compiled for and this processor can run, the fastest last. On Intel's processors
/// v4_vnni comes after v4_bf16, if it is compiled in: products of bf16 that widen to f32 are faster there. Found out once.
[[nodiscard]] std::span<const level> levels();

/// In what numbers an encoder computes; a library holds those that it was compiled with.
enum class precision : std::uint8_t { f32, bf16, int8 };

/// One vector of a sentence from those of its tokens.
enum class pooling : std::uint8_t {
  mean,
  max,
  cls,
  folder  ///< what the folder says (1_Pooling/config.json); the mean where it says nothing
};

struct options {
  precision numbers = precision::f32;
  std::size_t threads = 1;                 ///< that an encoder computes with
  std::optional<level> on = std::nullopt;  ///< for comparison; the best if not given
  std::size_t max_tokens = 0;              ///< of a sentence, longer ones are cut; 0 = what the folder says
};

/// Ids of the model's vocabulary, [CLS] and [SEP] included; `segments` is empty (all 0) or as long as `ids`.
struct sequence {
  std::span<const std::int32_t> ids;
  std::span<const std::uint8_t> segments = {};
};

/// Rows of equal width, one after the other.
class rows {
 public:
  rows(std::size_t count, std::size_t width) : width_(width), values_(count * width) {}

  [[nodiscard]] std::size_t size() const noexcept { return width_ == 0 ? 0 : values_.size() / width_; }
  [[nodiscard]] std::size_t width() const noexcept { return width_; }
  [[nodiscard]] std::span<const float> operator[](std::size_t i) const noexcept { return values().subspan(i * width_, width_); }
  [[nodiscard]] std::span<float> operator[](std::size_t i) noexcept { return std::span(values_).subspan(i * width_, width_); }
  [[nodiscard]] std::span<const float> values() const noexcept { return values_; }

 private:
  std::size_t width_;
  std::vector<float> values_;
};

class engine;

/// An encoder with its tokenizer, from a Hugging Face folder.
///
///     const auto encode = bert::precompiled::encoder::open("all-MiniLM-L6-v2");
///     const auto index = encode.embed(sentences);        // a row a sentence, of unit length
///
/// Immutable: copies share the weights, and any number of threads may use one. A sequence's rows are the same bit for bit
/// whatever else is encoded with it, at one level; between levels they differ by rounding.
class encoder {
 public:
  /// Throws bert::error if the folder cannot be read, its sizes are of no model that was compiled in, a tensor disagrees, or
  /// the precision or the level is not there.
  [[nodiscard]] static encoder open(const std::filesystem::path& folder, const options& o = {});

  /// The last layer's output: a row a token, sequences end to end. Throws bert::error for ids beyond the vocabulary and
  /// sequences that are empty or too long.
  [[nodiscard]] rows hidden(std::span<const sequence> sequences) const;

  /// The same pooled to a row a sequence, of unit length. With `pooling::folder` throws bert::error where the folder does what
  /// cannot be done here, such as a Dense layer.
  [[nodiscard]] rows embed(std::span<const sequence> sequences, pooling how = pooling::folder) const;

  /// The same of text, behind the folder's default prompt if it has one. Throws bert::error if the folder holds no vocabulary.
  [[nodiscard]] rows embed(std::span<const std::string_view> sentences, pooling how = pooling::folder) const;
  [[nodiscard]] rows embed(std::span<const std::string> sentences, pooling how = pooling::folder) const;

  [[nodiscard]] level runs_on() const noexcept { return level_; }
  /// The name under which the model was compiled in.
  [[nodiscard]] std::string_view model() const noexcept;
  /// Numbers in a row.
  [[nodiscard]] std::size_t dimension() const noexcept;

 private:
  encoder(std::shared_ptr<const engine> e, level l) : engine_(std::move(e)), level_(l) {}

  std::shared_ptr<const engine> engine_;
  level level_;
};

}  // namespace bert::precompiled
