// Any bytes as a state file: an error that changes no block, or a state. The first byte says whether to correct the checksum,
// so that the checks after it are reached.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bert/core/checksum.hpp"
#include "bert/training/state.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::vector<std::byte> bytes(size - 1);
  if (size > 1) std::memcpy(bytes.data(), data + 1, size - 1);
  if (data[0] % 2 == 1 && bytes.size() >= 8) {
    bert::checksum sum;
    sum.add(std::span(bytes).first(bytes.size() - 8));
    const std::uint64_t value = sum.value();
    std::memcpy(bytes.data() + bytes.size() - 8, &value, 8);
  }
  std::vector<float> parameters(2, 7.0f), moments(1, 7.0f);
  const std::array<std::pair<const char*, std::span<float>>, 2> blocks{{{"parameters", parameters}, {"m", moments}}};
  try {
    const bert::io::safetensors file(bytes, "input");
    if (bert::training::detail::check_state(file, blocks, "run", 100) > 100) std::abort();
    for (const auto& [name, values] : blocks) bert::io::to_floats(file.at(name), values);
    if (bert::first_not_finite(parameters) != bert::all_finite) std::abort();
  } catch (const bert::error& e) {
    if (std::string(e.what()).empty()) std::abort();
    if (parameters[0] != 7.0f || parameters[1] != 7.0f || moments[0] != 7.0f) std::abort();
  }
  return 0;
}
