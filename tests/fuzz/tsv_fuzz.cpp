// Any bytes as a TSV file: an error that says where, or examples whose labels are those of the set.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "bert/core/error.hpp"
#include "bert/data/tsv.hpp"
#include "bert/text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bert::text::tokenizer tokenizer(bert::text::vocabulary::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\n"));
  if (size == 0) return 0;
  static const int file = ::memfd_create("tsv", 0);  // a file in memory
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, data + 1, size - 1, 0) != static_cast<ssize_t>(size - 1)) std::abort();
  bert::data::tsv_options options{.max_tokens = 16};
  if (data[0] % 4 == 1) options.second_column = 1;
  if (data[0] % 4 == 2) options.label_column = "label";
  try {
    const auto set = bert::data::tsv(path, tokenizer, options);
    if (set.size() == 0 || set.names().size() < 2) std::abort();
    const auto batches = set.batches(4);
    bert::training_batch batch;
    for (std::uint64_t i = 0; i < batches.batches_per_epoch(); ++i) batches.load(i, batch);
  } catch (const bert::error& e) {
    if (std::string_view(e.what()).empty()) std::abort();
  }
  return 0;
}
