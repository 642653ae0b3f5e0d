// The golden files of tests/golden: architectures of their checkpoints, and their numbers.
// Layer: tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "bert/io/safetensors.hpp"
#include "bert/model/dims.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::testing {

struct golden_pretraining
    : architecture_of<dims{.vocab = 1'003, .hidden = 72, .layers = 2, .heads = 6, .intermediate = 200, .positions = 512}> {};
struct golden_classifier
    : architecture_of<dims{.vocab = 101, .hidden = 32, .layers = 1, .heads = 2, .intermediate = 48, .positions = 64}> {};
struct golden_tanh : architecture_of<dims{.vocab = 101,
                                          .hidden = 24,
                                          .layers = 2,
                                          .heads = 2,
                                          .intermediate = 40,
                                          .positions = 48,
                                          .norm_epsilon_exponent = -6},
                                     activation::gelu_tanh> {};
struct golden_relu : architecture_of<dims{.vocab = 97,
                                          .hidden = 40,
                                          .layers = 1,
                                          .heads = 5,
                                          .intermediate = 56,
                                          .positions = 32,
                                          .norm_epsilon_exponent = -5},
                                     activation::relu> {};
struct golden_encoder
    : architecture_of<dims{.vocab = 101, .hidden = 24, .layers = 2, .heads = 3, .intermediate = 30, .positions = 32}> {};

[[nodiscard]] inline std::filesystem::path golden_folder(const std::string& name) {
  return std::filesystem::path(BERT_SOURCE_DIR) / "tests" / "golden" / name;
}

/// golden.safetensors of one case; the layout is in tests/golden/README.md.
class golden {
 public:
  explicit golden(const std::string& name) : folder_(golden_folder(name)), file_(folder_ / "golden.safetensors") {}

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] const io::safetensors& file() const { return file_; }
  [[nodiscard]] std::vector<float> floats(const std::string& name) const {
    std::vector<float> out(file_.at(name).size());
    io::to_floats(file_.at(name), out);
    return out;
  }
  [[nodiscard]] std::vector<std::int32_t> ints(const std::string& name) const {
    std::vector<std::int32_t> out(file_.at(name).size());
    std::memcpy(out.data(), file_.at(name).bytes.data(), out.size() * sizeof(std::int32_t));
    return out;
  }
  /// The sequences under `prefix` ("eval", "train.0", …) with their scored positions.
  [[nodiscard]] token_batch batch(const std::string& prefix) const {
    token_batch out;
    const auto ids = ints(prefix + ".ids");
    const auto& segments = file_.at(prefix + ".segments").bytes;
    std::size_t start = 0;
    for (const std::int32_t length : ints(prefix + ".lengths")) {
      const auto n = static_cast<std::size_t>(length);
      out.add(std::span(ids).subspan(start, n), std::span(reinterpret_cast<const segment_id*>(segments.data()) + start, n));
      start += n;
    }
    for (const std::int32_t position : ints(prefix + ".scored")) out.score(static_cast<std::size_t>(position));
    return out;
  }
  [[nodiscard]] training_batch labelled(const std::string& prefix) const {
    training_batch out;
    out.tokens = batch(prefix);
    out.labels = ints(prefix + ".labels");
    return out;
  }

 private:
  std::filesystem::path folder_;
  io::safetensors file_;
};

/// max |a - b|, infinite if the sizes differ or a number is none.
[[nodiscard]] inline double largest_difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    most = d <= most ? most : std::isnan(d) ? HUGE_VAL : d;
  }
  return most;
}

[[nodiscard]] inline double length_of(std::span<const float> a) {
  double sum = 0;
  for (const float x : a) sum += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(sum);
}

/// |a - b|, the Euclidean length; infinite if the sizes differ.
[[nodiscard]] inline double distance(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += d * d;
  }
  return std::sqrt(sum);
}

}  // namespace bert::testing
