// Any bytes as vocab.txt: an error that says where, or a vocabulary whose longest matches are the definition's.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bert::text;
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  try {
    const auto v = vocabulary::parse(file, "vocab.txt");
    const wordpiece match(v, 20);
    // Words of the file's own bytes.
    for (std::size_t i = 0; i + 1 < size; i += 7) {
      std::string_view word = file.substr(i, 1 + data[i] % 20);
      if (utf8::first_invalid(word) != std::string_view::npos) continue;
      bert::token_id ids[32];
      const std::size_t n = match.match(word.data(), word.size(), ids);
      std::vector<bert::token_id> wanted;
      for (std::string_view rest = word; !rest.empty();) {
        std::size_t take = rest.size();
        for (; take > 0; --take) {
          const auto id = v.id((wanted.empty() ? "" : "##") + std::string(rest.substr(0, take)));
          // The matcher reads "##x" as a continuation piece anywhere: '#' is always a word of its own.
          const bool hash = wanted.empty() && take > 2 && rest.starts_with("##");
          if (id && !hash) {
            wanted.push_back(*id);
            break;
          }
        }
        if (take == 0) {
          wanted.clear();
          break;
        }
        rest.remove_prefix(take);
      }
      if (wanted != std::vector<bert::token_id>(ids, ids + n)) std::abort();
    }
    const tokenizer t(v);
    (void)t.encode(file);
  } catch (const bert::error& e) {
    if (std::string_view(e.what()).empty()) std::abort();
  }
  return 0;
}
