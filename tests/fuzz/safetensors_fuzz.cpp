// Any bytes as a safetensors file: an error or tensors whose every byte can be read, never a crash.
// Layer: tests. Build: clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/safetensors_fuzz.cpp
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "bert/io/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const bert::io::safetensors file(std::as_bytes(std::span(data, size)), "input");
    std::size_t bytes = 0;
    for (const bert::io::stored_tensor& tensor : file.tensors()) {
      bytes += tensor.bytes.size();
      if (file.find(tensor.name) != &tensor) std::abort();
      std::vector<float> out(tensor.size());
      try {
        bert::io::to_floats(tensor, out);
      } catch (const bert::error&) {
      }
    }
    if (bytes > size) std::abort();
  } catch (const bert::error&) {
  }
  return 0;
}
