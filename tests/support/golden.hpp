// Reads the committed golden files: a checkpoint's weights by name, batches, expected numbers.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bert/io/safetensors.hpp"
#include "bert/model/model.hpp"
#include "support/largest.hpp"

namespace golden {

[[nodiscard]] inline std::filesystem::path folder(std::string_view name) {
  return std::filesystem::path(__FILE__).parent_path().parent_path() / "golden" / name;
}

[[nodiscard]] inline std::vector<float> floats(const bert::io::safetensors& file, const std::string& name) {
  std::vector<float> out(file.at(name).size());
  bert::io::to_floats(file.at(name), out);
  return out;
}

template <class T>
[[nodiscard]] std::vector<T> integers(const bert::io::safetensors& file, const std::string& name) {
  const auto& tensor = file.at(name);
  std::vector<T> out(tensor.size());
  REQUIRE(tensor.bytes.size() == out.size() * sizeof(T));
  std::memcpy(out.data(), tensor.bytes.data(), tensor.bytes.size());
  return out;
}

/// The batch under `prefix` ("eval", "train.0"), with its scored positions.
[[nodiscard]] inline bert::token_batch batch(const bert::io::safetensors& file, const std::string& prefix) {
  const auto ids = integers<std::int32_t>(file, prefix + ".ids");
  const auto segments = integers<std::uint8_t>(file, prefix + ".segments");
  bert::token_batch b;
  std::size_t at = 0;
  for (const auto length : integers<std::int32_t>(file, prefix + ".lengths")) {
    const auto n = static_cast<std::size_t>(length);
    b.add(std::span(ids).subspan(at, n), std::span(segments).subspan(at, n));
    at += n;
  }
  if (file.find(prefix + ".scored") != nullptr)
    for (const auto position : integers<std::int32_t>(file, prefix + ".scored")) b.score(static_cast<std::size_t>(position));
  return b;
}

/// The name in the file of the parameter that a model calls `name`: as it is, without "bert.", or with gamma and beta.
[[nodiscard]] inline std::string stored_name(const bert::io::safetensors& file, const std::string& name,
                                             const std::string& prefix = {}) {
  std::string old = name;
  if (const auto at = old.find("LayerNorm.weight"); at != std::string::npos) old.replace(at, 16, "LayerNorm.gamma");
  if (const auto at = old.find("LayerNorm.bias"); at != std::string::npos) old.replace(at, 14, "LayerNorm.beta");
  for (const std::string& candidate : {name, old})
    for (const std::size_t skip : {std::size_t{0}, std::size_t{5}})
      if (candidate.size() > skip && file.find(prefix + candidate.substr(skip)) != nullptr)
        return prefix + candidate.substr(skip);
  return {};
}

/// A model with the weights of tests/golden/<name>; parameters that the file lacks stay zero.
template <class Model>
[[nodiscard]] Model load(std::string_view name, int vocab = 0) {
  const bert::io::safetensors file(folder(name) / "model.safetensors");
  auto model = Model::blank(vocab);
  for (const auto& p : model.table())
    if (const auto stored = stored_name(file, p.name()); !stored.empty()) bert::io::to_floats(file.at(stored), model.values(p));
  return model;
}

using support::largest_difference;

/// |a - b| / |b|
[[nodiscard]] inline double relative_difference(std::span<const float> a, std::span<const float> b) {
  REQUIRE(a.size() == b.size());
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += d * d;
    norm += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(difference) / std::max(std::sqrt(norm), 1e-30);
}

}  // namespace golden
