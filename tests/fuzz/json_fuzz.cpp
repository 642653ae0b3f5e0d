// Any bytes as JSON: an error that says where, or a value that survives writing and reading.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "bert/io/json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto value = bert::io::parse_json(text, "input");
    const auto copy = value;
    if (!(copy == value)) std::abort();
    if (!(bert::io::parse_json(value.dump(), "again") == value)) std::abort();
    if (!(bert::io::parse_json(bert::io::to_text(value), "again") == value)) std::abort();
  } catch (const bert::error& e) {
    if (std::string_view(e.what()).empty()) std::abort();
  }
  return 0;
}
