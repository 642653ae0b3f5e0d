#include <bert/text.hpp>
#include <iostream>

int main() {
  const bert::text::tokenizer tokenizer(
      bert::text::vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "word", "##s"}));
  for (const auto id : tokenizer.encode("A word, words").ids()) std::cout << id << ' ';
  std::cout << '\n';
}
