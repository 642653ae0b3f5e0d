// Tensors against a list of their shapes, dtypes, checksums and first values, as another program wrote it.
// Layer: tests.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "bert/io/json.hpp"
#include "bert/io/stored_tensor.hpp"

namespace bert::testing {

/// A tensor's elements one after another, as they are stored.
[[nodiscard]] inline std::string row_major(const io::stored_tensor& t) {
  std::string out(t.size() * io::bytes_of(t.type), '\0');
  io::copy_elements(t, 0, t.size(), reinterpret_cast<std::byte*>(out.data()));
  return out;
}

/// zlib's CRC-32, bit by bit.
[[nodiscard]] inline std::uint32_t crc32(const std::string& bytes) {
  std::uint32_t crc = ~0u;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1u) != 0 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

/// Checks that `tensors` are those of the list, no more and no fewer.
inline void check_listed(std::span<const io::stored_tensor> tensors, const std::filesystem::path& list) {
  const auto expected = io::read_json(list);
  const std::map<std::string, io::dtype> types{{"float32", io::dtype::f32}, {"int64", io::dtype::i64}};
  CHECK(tensors.size() == expected.size());
  for (const io::stored_tensor& t : tensors) {
    CAPTURE(t.name);
    REQUIRE(expected.contains(t.name));
    const auto& right = expected.at(t.name);
    CHECK(t.type == types.at(right.at("dtype").get<std::string>()));
    CHECK(t.shape == right.at("shape").get<std::vector<std::size_t>>());
    CHECK(crc32(row_major(t)) == right.at("crc32").get<std::uint32_t>());
    const auto first = right.at("first").get<std::vector<double>>();
    if (t.type != io::dtype::f32) continue;
    std::vector<float> values(t.size());
    io::to_floats(t, values);
    for (std::size_t i = 0; i < first.size(); ++i) CHECK(values[i] == static_cast<float>(first[i]));
  }
}

}  // namespace bert::testing
