// Any bytes as a tokenizer.json or a tokenizer_config.json: an error that says where, or a tokenizer that works.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "bert/checkpoint/tokenizer_files.hpp"
#include "bert/core/error.hpp"
#include "bert/text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view file(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    bert::text::tokenizer_options options;
    const auto json = bert::io::parse_json(file, "file");
    if (data[0] % 2 == 0) {
      auto vocabulary = bert::pipelines::detail::read_tokenizer_json(json, "tokenizer.json", options);
      const bert::text::tokenizer t(std::move(vocabulary), options);
      (void)t.decode(t.encode(file).ids());
    } else {
      bert::pipelines::detail::read_tokenizer_config(json, "tokenizer_config.json", options);
      const bert::text::tokenizer t(bert::text::vocabulary::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\n"), options);
      (void)t.decode(t.encode(file).ids());
    }
  } catch (const bert::error& e) {
    if (std::string_view(e.what()).empty()) std::abort();
  }
  return 0;
}
