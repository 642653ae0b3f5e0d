// Any bytes as a file of torch.save, in either form: an error or tensors whose every element can be read, never a crash.
// Layer: tests. Build: clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude
// tests/fuzz/zip_checkpoint_fuzz.cpp
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "bert/io/pytorch_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const bert::io::pytorch_file file(std::as_bytes(std::span(data, size)), "input");
    std::size_t budget = std::size_t{1} << 22;  // tensors may share their bytes, so that all of them may be large
    for (const bert::io::stored_tensor& t : file.tensors()) {
      if (t.bytes.size() > size || t.size() > size) std::abort();
      if (t.size() > budget) break;
      budget -= t.size();
      std::vector<float> out(t.size());
      try {
        bert::io::to_floats(t, out);
        bert::io::check_stored(t, "input");
      } catch (const bert::error&) {
      }
    }
  } catch (const bert::error&) {
  }
  return 0;
}
