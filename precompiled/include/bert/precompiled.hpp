// Encoders compiled for several instruction sets; open() picks the fastest that the processor runs.
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

/// Instruction sets that the library can be compiled for; each includes those before it.
enum class level : std::uint8_t {
  v2,       ///< x86-64-v2: SSE4.2
  v3,       ///< x86-64-v3: AVX2 and FMA
  v4,       ///< x86-64-v4: AVX-512
  v4_vnni,  ///< x86-64-v4 with AVX512_VNNI
  v4_bf16,  ///< x86-64-v4 with AVX512_VNNI and AVX512_BF16
  v4_amx    ///< x86-64-v4 with AVX512_VNNI, AVX512_BF16 and AMX, where the system permits its tile registers
};

/// The level's name, such as "x86-64-v3".
[[nodiscard]] std::string_view name_of(level l) noexcept;

/// The levels that are compiled in and that this processor runs, the fastest last. On Intel's processors that is v4_vnni
/// before v4_bf16: bf16 products that widen to f32 are faster there. Detected once.
[[nodiscard]] std::span<const level> levels();

/// The precision of an encoder; BERT_PRECOMPILED_PRECISIONS lists those compiled in.
enum class precision : std::uint8_t { f32, bf16, int8 };

/// Pooling of a sentence's token vectors into one.
enum class pooling : std::uint8_t {
  mean,
  max,
  cls,
  folder  ///< by the folder's 1_Pooling/config.json; mean if it has none
};

struct options {
  precompiled::precision precision = precompiled::precision::f32;
  std::size_t threads = 1;                 ///< of an encoder
  std::optional<level> on = std::nullopt;  ///< forces a level, for comparison; default: the fastest
  std::size_t max_tokens = 0;              ///< truncates longer sentences; 0: the folder's limit
};

/// Token ids, [CLS] and [SEP] included; `segments` is empty (all 0) or has the length of `ids`.
struct sequence {
  std::span<const std::int32_t> ids;
  std::span<const std::uint8_t> segments = {};
};

/// A row-major matrix.
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

/// What the model of a folder does with text, by its config.json.
enum class task : std::uint8_t {
  embed,     ///< no head that is compiled in: sentence vectors
  classify,  ///< a class, several labels or a number of a text or a pair
  tag,       ///< entities of a text
  answer     ///< the part of a passage that answers a question
};

/// A part of a text, bytes [begin, end), and what it is.
struct entity {
  std::string type;
  float score = 0;
  std::size_t begin = 0, end = 0;
};

/// An answer in a passage, bytes [begin, end); empty if the passage holds none.
struct answer {
  std::string text;
  float score = 0;
  std::size_t begin = 0, end = 0;
};

class engine;

/// An encoder with its tokenizer, from a Hugging Face folder.
///
///     const auto encode = bert::precompiled::encoder::open("all-MiniLM-L6-v2");
///     const auto index = encode.embed(sentences);        // one row per sentence, of unit length
///
/// Immutable; copies share the weights, and threads may share an encoder. At one level, a sequence's rows have the same bits
/// whatever the rest of the batch; between levels they differ by rounding.
class encoder {
 public:
  /// Throws bert::error if the folder cannot be read, no compiled-in model has its sizes, a tensor's shape differs, or the
  /// precision or level is not available.
  [[nodiscard]] static encoder open(const std::filesystem::path& folder, const options& o = {});

  /// The last layer's output [tokens, dimension], sequences end to end. Throws bert::error for ids beyond the vocabulary and
  /// for empty or too long sequences.
  [[nodiscard]] rows hidden(std::span<const sequence> sequences) const;

  /// The same pooled to one row per sequence, of unit length. With `pooling::folder` throws bert::error if the folder asks for
  /// an unsupported module, such as Dense.
  [[nodiscard]] rows embed(std::span<const sequence> sequences, pooling how = pooling::folder) const;

  /// The same of text, with the folder's default prompt before it. Throws bert::error if the folder has no vocabulary.
  [[nodiscard]] rows embed(std::span<const std::string_view> sentences, pooling how = pooling::folder) const;
  [[nodiscard]] rows embed(std::span<const std::string> sentences, pooling how = pooling::folder) const;

  [[nodiscard]] level runs_on() const noexcept { return level_; }
  /// The model's name in BERT_PRECOMPILED_MODELS.
  [[nodiscard]] std::string_view model() const noexcept;
  /// Width of a row: the hidden size.
  [[nodiscard]] std::size_t dimension() const noexcept;

 private:
  encoder(std::shared_ptr<const engine> e, level l) : engine_(std::move(e)), level_(l) {}

  std::shared_ptr<const engine> engine_;
  level level_;
};

/// A fine-tuned model with its tokenizer, from a Hugging Face folder; config.json says what it does.
///
///     const auto triage = bert::precompiled::reader::open("sentiment");
///     const auto probabilities = triage.classify(texts);        // [texts, triage.labels().size()]
///
/// Immutable; copies share the weights, and threads may share a reader.
class reader {
 public:
  /// Throws bert::error as encoder::open does, and for heads that are not compiled in (BERT_PRECOMPILED_TASKS).
  [[nodiscard]] static reader open(const std::filesystem::path& folder, const options& o = {});

  [[nodiscard]] task does() const noexcept;
  /// Names of classes, labels or tags; empty if the model gives a number, an answer or vectors.
  [[nodiscard]] std::span<const std::string> labels() const noexcept;

  /// Probabilities [texts, labels] of classes (their sum is 1) or of labels (each by itself), or a column of numbers. `seconds`
  /// has the second text of each pair, or is empty. Throws bert::error if the model does something else.
  [[nodiscard]] rows classify(std::span<const std::string_view> texts, std::span<const std::string_view> seconds = {}) const;

  /// The entities of each text. Throws bert::error if the model is no tagger.
  [[nodiscard]] std::vector<std::vector<entity>> tag(std::span<const std::string_view> texts) const;

  /// Throws bert::error if the model does not find answers.
  [[nodiscard]] precompiled::answer answer(std::string_view question, std::string_view passage) const;

  /// As encoder::embed, for task::embed; else throws bert::error.
  [[nodiscard]] rows embed(std::span<const std::string_view> sentences, pooling how = pooling::folder) const;
  /// Width of a row of embed().
  [[nodiscard]] std::size_t dimension() const noexcept;

  [[nodiscard]] level runs_on() const noexcept { return level_; }
  [[nodiscard]] std::string_view model() const noexcept;

 private:
  reader(std::shared_ptr<const engine> e, level l) : engine_(std::move(e)), level_(l) {}

  std::shared_ptr<const engine> engine_;
  level level_;
};

}  // namespace bert::precompiled
