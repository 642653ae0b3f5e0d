// Small writers of foreign formats: pickles, ZIP archives, LevelDB tables, for tests that need valid files and damaged ones.
// Layer: tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/crc32c.hpp"

namespace support {

[[nodiscard]] inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// A number, its least byte first.
template <class T>
[[nodiscard]] std::string little(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}
[[nodiscard]] inline std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128);
  return out + static_cast<char>(value);
}

/// Pickle instructions.
namespace opcode {
[[nodiscard]] inline std::string text(std::string_view s) {
  return 'X' + little(static_cast<std::uint32_t>(s.size())) + std::string(s);
}
[[nodiscard]] inline std::string integer(std::int64_t n) { return std::string("\x8a\x08", 2) + little(n); }
[[nodiscard]] inline std::string global(std::string_view module, std::string_view name) {
  return 'c' + std::string(module) + '\n' + std::string(name) + '\n';
}
[[nodiscard]] inline std::string tuple(const std::vector<std::int64_t>& numbers) {
  std::string out = "(";
  for (const auto n : numbers) out += integer(n);
  return out + 't';
}
}  // namespace opcode

/// A tensor of a pickled state_dict: a view of a storage.
struct pickled_tensor {
  std::string name, storage = "0", type = "FloatStorage";
  std::int64_t numel = 0, offset = 0;
  std::vector<std::int64_t> shape = {}, strides = {};
};

/// The pickle of a state_dict.
[[nodiscard]] inline std::string pickled(const std::vector<pickled_tensor>& tensors) {
  using namespace opcode;
  std::string out = "\x80\x02" + global("collections", "OrderedDict") + ")Rq" + '\0' + '(';
  for (const auto& t : tensors)
    out += text(t.name) + global("torch._utils", "_rebuild_tensor_v2") + "((" + text("storage") + global("torch", t.type) +
           text(t.storage) + text("cpu") + integer(t.numel) + "tQ" + integer(t.offset) + tuple(t.shape) + tuple(t.strides) +
           '\x89' + global("collections", "OrderedDict") + ")RtR";
  return out + "u}" + text("_metadata") + "Nsb.";
}

/// A ZIP archive of stored entries.
[[nodiscard]] inline std::string zipped(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out, directory;
  for (const auto& [name, data] : entries) {
    const auto size = little(static_cast<std::uint32_t>(data.size())), length = little(static_cast<std::uint16_t>(name.size()));
    const std::string offset = little(static_cast<std::uint32_t>(out.size()));
    out += "PK\3\4" + std::string(14, '\0') + size + size + length + std::string(2, '\0') + name + data;
    directory += "PK\1\2" + std::string(16, '\0') + size + size + length + std::string(12, '\0') + offset + name;
  }
  const auto count = little(static_cast<std::uint16_t>(entries.size()));
  return out + directory + "PK\5\6" + std::string(4, '\0') + count + count +
         little(static_cast<std::uint32_t>(directory.size())) + little(static_cast<std::uint32_t>(out.size())) +
         std::string(2, '\0');
}

using key_value = std::pair<std::string, std::string>;

/// A block of a table with a restart every 16 entries, its trailer included.
[[nodiscard]] inline std::string table_block(const std::vector<key_value>& entries, char compression = 0) {
  std::string out, before, restarts;
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& [key, value] = entries[i];
    std::size_t shared = 0;
    if (i % 16 == 0) restarts += little(static_cast<std::uint32_t>(out.size())), ++count;
    else
      while (shared < key.size() && shared < before.size() && key[shared] == before[shared]) ++shared;
    out += varint(shared) + varint(key.size() - shared) + varint(value.size()) + key.substr(shared) + value;
    before = key;
  }
  out += restarts + little(count) + compression;
  return out + little(bert::masked_crc32c(bytes_of(out)));
}

/// A table of one block of data for each list of entries.
[[nodiscard]] inline std::string table(const std::vector<std::vector<key_value>>& blocks, char compression = 0) {
  std::string out;
  std::vector<key_value> index;
  const auto add = [&](const std::string& block) {
    std::string handle = varint(out.size()) + varint(block.size() - 5);
    out += block;
    return handle;
  };
  for (const auto& entries : blocks) index.emplace_back(entries.back().first, add(table_block(entries, compression)));
  std::string footer = add(table_block({}));
  footer += add(table_block(index));
  footer.resize(40, '\0');
  return out + footer + little(std::uint64_t{0xdb4775248b80fb57});
}

/// BundleEntryProto of TensorFlow: of f32 unless another type is given.
[[nodiscard]] inline std::string bundle_entry(const std::vector<std::uint64_t>& shape, std::uint64_t offset, std::uint64_t size,
                                              std::uint32_t masked_crc, std::uint64_t type = 1, std::uint64_t shard = 0) {
  std::string dimensions;
  for (const auto extent : shape) {
    const std::string dimension = '\x08' + varint(extent);
    dimensions += '\x12' + varint(dimension.size()) + dimension;
  }
  return '\x08' + varint(type) + '\x12' + varint(dimensions.size()) + dimensions + '\x18' + varint(shard) + '\x20' +
         varint(offset) + '\x28' + varint(size) + '\x35' + little(masked_crc);
}
/// BundleHeaderProto.
[[nodiscard]] inline std::string bundle_header(std::uint64_t shards = 1, std::uint64_t endianness = 0) {
  return '\x08' + varint(shards) + '\x10' + varint(endianness) + std::string("\x1a\x02\x08\x01", 4);
}

}  // namespace support
