// Any bytes as a CoNLL file: an error that says where, or a set.
#include <cstddef>
#include <cstdint>

#if __has_include("bert/data/conll.hpp")
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "bert/core/error.hpp"
#include "bert/data/conll.hpp"
#include "bert/labels/bio.hpp"
#include "bert/text.hpp"

struct conll_tags : bert::labels::bio<"PER", "LOC"> {};

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bert::text::tokenizer tokenizer(bert::text::vocabulary::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\n"));
  static const int file = ::memfd_create("conll", 0);  // a file in memory
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
  try {
    (void)bert::data::conll<conll_tags>(path, tokenizer);
  } catch (const bert::error& e) {
    if (std::string_view(e.what()).empty()) std::abort();
  }
  return 0;
}
#else
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t*, std::size_t) { return 0; }
#endif
