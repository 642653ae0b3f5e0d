// Any bytes as the index of a TensorFlow checkpoint, its checksums made right: an error or variables that fit their sizes.
// Layer: tests. Build: clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/tensorflow_fuzz.cpp
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "bert/checkpoint/tensorflow_names.hpp"
#include "bert/io/tensorflow_checkpoint.hpp"

namespace {

void read(std::span<const std::byte> bytes) {
  const std::string where = "input";
  try {
    const bert::io::tensorflow_index index(bytes, where);
    for (const auto& v : index.variables()) {
      std::uint64_t size = bert::io::bytes_of(v.type);
      for (const std::size_t extent : v.shape) size *= extent;
      if (size != v.size || v.shard >= index.shards()) std::abort();
      (void)bert::pipelines::tensor_of_variable({v.name, v.type, v.shape, {}});
    }
  } catch (const bert::error&) {
  }
}

/// Gives the block of a handle its checksum, if it lies in the file.
void repair(std::vector<std::byte>& file, bert::io::byte_reader& in) {
  const std::uint64_t offset = in.varint(), size = in.varint();
  if (offset > file.size() || size > file.size() - offset || file.size() - offset - size < 5) return;
  const auto first = static_cast<std::size_t>(offset), length = static_cast<std::size_t>(size) + 1;
  const std::uint32_t sum = bert::masked_crc32c(std::span<const std::byte>(file).subspan(first, length));
  std::memcpy(file.data() + first + length, &sum, sizeof sum);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  read(bytes);
  // A changed byte breaks a checksum, behind which nothing would be tried: so the same with the checksums of the first block,
  // of the metaindex and of the index made right, and bytes alone as a block of a table.
  if (size >= 48) {
    std::vector<std::byte> file(bytes.begin(), bytes.end());
    const std::string where = "input";
    try {
      const std::vector<std::byte> footer(file.end() - 48, file.end());
      bert::io::byte_reader in(footer, where);
      repair(file, in);
      repair(file, in);
      const std::vector<std::byte> copy = file;
      bert::io::byte_reader index(footer, where);
      (void)index.varint(), (void)index.varint();
      const std::uint64_t offset = index.varint(), length = index.varint();
      if (offset < copy.size() && length <= copy.size() - offset && length > 3) {
        bert::io::byte_reader block(std::span(copy).subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(length)),
                                    where);
        (void)block.varint();
        const std::uint64_t own = block.varint();
        (void)block.varint();
        block.take(own);
        repair(file, block);
      }
    } catch (const bert::error&) {
    }
    read(file);
  }
  std::vector<std::byte> file(bytes.begin(), bytes.end());
  const auto append = [&](const std::string& text) {
    for (const char c : text) file.push_back(static_cast<std::byte>(c));
  };
  const auto varint = [](std::uint64_t value) {
    std::string out;
    for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128);
    return out + static_cast<char>(value);
  };
  const auto seal = [&](std::size_t first) {
    append(std::string(1, '\0'));
    const std::uint32_t sum = bert::masked_crc32c(std::span<const std::byte>(file).subspan(first));
    append(std::string(reinterpret_cast<const char*>(&sum), sizeof sum));
  };
  seal(0);
  const std::string none(4, '\0'), one("\0\0\0\0\1\0\0\0", 8), handle = varint(0) + varint(size);
  const std::size_t meta = file.size();
  append(none), seal(meta);
  const std::size_t index = file.size();
  append(std::string("\0\1", 2) + varint(handle.size()) + "z" + handle + one), seal(index);
  std::string footer = varint(meta) + varint(4) + varint(index) + varint(file.size() - index - 5);
  footer.resize(40, '\0');
  append(footer + "\x57\xfb\x80\x8b\x24\x75\x47\xdb");
  read(file);
  return 0;
}
