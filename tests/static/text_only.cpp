// A program that only tokenizes: what it costs to compile is bounded by the test compile_cost.text.
#include <iostream>

#include "bert/text.hpp"

int main(int argc, char** argv) {
  const auto t = bert::text::tokenizer::open(argv[argc - 1]);
  for (const auto& piece : t.tokens("Hello, world")) std::cout << piece << '\n';
}
