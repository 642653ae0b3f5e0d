// Any bytes as a pickled state_dict, and as a file of torch.save before 1.6: an error or tensors whose elements can be read.
// Layer: tests. Build: clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/pickle_fuzz.cpp
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "bert/io/pytorch_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const std::string where = "input";
  try {
    bert::io::byte_reader in(bytes, where);
    bert::io::detail::state_dict pickled(in, where);
    // Storages of zeros, as large as the pickle says, up to a bound.
    std::vector<std::vector<std::byte>> memory;
    std::uint64_t total = 0;
    for (auto& [key, storage] : pickled.storages) {
      if (storage.size > (1u << 16) || (total += storage.size) > (1u << 20)) return 0;
      memory.emplace_back(static_cast<std::size_t>(storage.size) * bert::io::bytes_of(storage.type));
      storage.bytes = memory.back();
    }
    std::size_t budget = std::size_t{1} << 22;
    for (const auto& t : pickled.tensors()) {
      if (t.size() > budget) break;
      budget -= t.size();
      std::vector<std::byte> out(t.size() * bert::io::bytes_of(t.type));
      bert::io::copy_elements(t, 0, t.size(), out.data());
    }
  } catch (const bert::error&) {
  }
  try {
    const bert::io::pytorch_file file(bytes, where);
    for (const auto& t : file.tensors())
      if (t.bytes.size() > size || t.size() > size) std::abort();
  } catch (const bert::error&) {
  }
  return 0;
}
