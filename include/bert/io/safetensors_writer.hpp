// Writes the safetensors format: the bytes are those of the reference writer.
// Layer: io. Test: tests/unit/io/safetensors_writer_test.cpp
#ifndef BERT_IO_SAFETENSORS_WRITER_HPP
#define BERT_IO_SAFETENSORS_WRITER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "bert/core/checksum.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/core/path.hpp"
#include "bert/io/atomic_file.hpp"
#include "bert/io/json_value.hpp"
#include "bert/io/safetensors.hpp"

namespace bert::inline BERT_ISA::io {

/// An f32 tensor in memory as a stored_tensor. Does not own the elements.
[[nodiscard]] inline stored_tensor stored(std::string name, std::span<const float> values, std::vector<std::size_t> shape) {
  return {std::move(name), dtype::f32, std::move(shape), std::as_bytes(values)};
}

/// Whether a file ends in a checksum of its bytes, as one more tensor, which `safetensors::verify_checksum` checks.
enum class checksums : std::uint8_t { none, at_end };

using safetensors_metadata = std::map<std::string, std::string>;

/// Gives the bytes of a tensor that is being written, row-major, in its dtype; they are valid until the next call.
using tensor_bytes = std::function<std::span<const std::byte>(const stored_tensor&)>;

/// Writes `tensors` to an open file, straight from their memory; the caller commits it.
///
/// Sorts tensors by dtype, wider ones first, then by name; pads the header with spaces to a multiple of 8 bytes. transformers
/// needs the {"format": "pt"} of `metadata`. With `bytes_of_tensor`, a tensor's own bytes are not looked at: it is asked for
/// each tensor's when they are due, so that one at a time is in memory. Throws bert::error naming the tensor, before anything
/// is written, if a name is given twice or bytes do not match dtype and shape; with path and reason if writing fails.
inline void write_safetensors(atomic_file& file, std::span<const stored_tensor> tensors,
                              const safetensors_metadata& metadata = {{"format", "pt"}}, checksums sums = checksums::none,
                              const tensor_bytes& bytes_of_tensor = {}) {
  checksum sum;
  std::uint64_t value = 0;
  const stored_tensor last{std::string(checksum_name), dtype::u8, {8}, std::as_bytes(std::span(&value, 1))};
  std::vector<const stored_tensor*> order;
  for (const stored_tensor& t : tensors) order.push_back(&t);
  std::sort(order.begin(), order.end(), [](const stored_tensor* a, const stored_tensor* b) {
    return std::tie(b->type, a->name) < std::tie(a->type, b->name);
  });
  if (sums == checksums::at_end) order.push_back(&last);

  std::string header = "{";
  if (!metadata.empty()) header += "\"__metadata__\":" + json(metadata).dump();
  std::uint64_t offset = 0;
  std::set<std::string_view> names;
  for (const stored_tensor* tensor : order) {
    const stored_tensor& t = *tensor;
    const std::string location = cat(path_text(file.path()), ", tensor \"", t.name, '"');
    if (t.name == "__metadata__" || !names.insert(t.name).second)
      throw_error({location, "every name once", "a name taken already", {}});
    std::size_t bytes = bytes_of(t.type);
    for (const std::size_t extent : t.shape) bytes *= extent;
    if (!bytes_of_tensor && bytes != t.bytes.size())
      throw_error({location, cat(bytes, " bytes for ", shape_text(t.shape)), cat(t.bytes.size()), {}});
    if (!bytes_of_tensor && !t.strides.empty()) throw_error({location, "a row-major tensor", "another order", {}});
    if (header.size() > 1) header += ',';
    header += json(t.name).dump() + ":{\"dtype\":\"" + std::string(name_of(t.type)) + "\",\"shape\":" + json(t.shape).dump() +
              ",\"data_offsets\":[" + std::to_string(offset) + ',' + std::to_string(offset + bytes) + "]}";
    offset += bytes;
  }
  header += '}';
  header.resize(round_up(header.size(), 8), ' ');

  const auto write = [&](std::span<const std::byte> bytes) {
    if (sums == checksums::none) return file.write(bytes);
    // In chunks of 1 MB, so that the write finds in the cache what the checksum has read.
    for (std::size_t chunk = 0; !bytes.empty(); bytes = bytes.subspan(chunk)) {
      chunk = std::min(bytes.size(), std::size_t{1} << 20);
      sum.add(bytes.first(chunk));
      file.write(bytes.first(chunk));
    }
  };
  const std::uint64_t length = header.size();
  write(std::as_bytes(std::span(&length, 1)));
  write(std::as_bytes(std::span(header)));
  for (const stored_tensor* t : order) {
    if (t == &last) value = sum.value();
    write(t == &last || !bytes_of_tensor ? t->bytes : bytes_of_tensor(*t));
  }
}

/// Writes them to `path`, atomically (see atomic_file).
inline void write_safetensors(const std::filesystem::path& path, std::span<const stored_tensor> tensors,
                              const safetensors_metadata& metadata = {{"format", "pt"}}, checksums sums = checksums::none) {
  atomic_file file(path);
  write_safetensors(file, tensors, metadata, sums);
  file.commit();
}

}  // namespace bert::io

#endif  // BERT_IO_SAFETENSORS_WRITER_HPP
