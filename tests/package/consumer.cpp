// A user's program: finds the headers, compiles, links, runs.
#include <array>
#include <cstdio>

#include "bert/core/execution.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/version.hpp"

static_assert(bert::version == FOUND_VERSION, "the package's version is that of its headers");

int main() {
  bert::token_batch batch;
  batch.add(std::array{101, 7592, 102});
  int sum = 0;
  bert::execution::serial{}.parallel_for(batch.tokens(), [&](std::size_t i) { sum += batch.ids()[i]; });
  std::printf("%d\n", sum);
  return sum == 7795 ? 0 : 1;
}
