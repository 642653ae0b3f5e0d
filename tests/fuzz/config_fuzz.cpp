// Any bytes as config.json: an error that says where, or a configuration that survives writing and reading.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "bert/checkpoint/model_config.hpp"
#include "bert/model/presets.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto config = bert::model_config::parse(bert::io::parse_json(text, "config.json"), "config.json");
    (void)config.is<bert::arch::tiny>();
    try {
      config.check<bert::arch::tiny>();
    } catch (const bert::error&) {
    }
    const auto again = bert::model_config::parse(bert::io::parse_json(bert::io::to_text(config.to_json()), "again"), "again");
    if (again.vocab != config.vocab || again.hidden != config.hidden || again.labels != config.labels) std::abort();
  } catch (const bert::error& e) {
    if (std::string_view(e.what()).empty()) std::abort();
  }
  return 0;
}
