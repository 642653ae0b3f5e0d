// Links files that include the single header before and after the others; itself includes the single one alone.
#include <cstdio>

#include "../../single_include/bert/text.hpp"
#include "program.hpp"

int main() {
  const bert::text::tokenizer t(bert::text::vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "word"}));
  std::printf("%zu %zu\n", single_first(t), split_first(t));
  return single_first(t) == 4 && split_first(t) == 4 ? 0 : 1;
}
