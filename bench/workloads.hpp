// The batches of whole-model benchmarks that are not of equal lengths.
#pragma once

#include <cstddef>
#include <vector>

#include "bert/benchmark.hpp"

namespace bench {

using namespace bert::benchmark;

/// 64 sequences of 8 to 128 tokens, 40 on average, like sentences; short and long ones mixed.
[[nodiscard]] inline std::vector<std::size_t> ragged_lengths() {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::size_t s = i * 37 % 64;
    all.push_back(8 + 120 * s * s * (s + 17) / (63 * 63 * 80));
  }
  return all;
}

/// Random ids in sequences of these lengths.
template <class A>
[[nodiscard]] bert::token_batch ragged_batch() {
  const auto longest = random_batch(64, 128, A::vocab);
  bert::token_batch batch;
  const auto lengths = ragged_lengths();
  for (std::size_t s = 0; s < lengths.size(); ++s) batch.add(longest.ids().subspan(128 * s, lengths[s]));
  return batch;
}

}  // namespace bench
