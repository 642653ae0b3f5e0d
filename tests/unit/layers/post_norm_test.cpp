// Dropout sites. The layer's arithmetic is compared with transformers in tests/unit/training/golden_test.cpp.
#include "bert/layers/post_norm.hpp"

#include <doctest/doctest.h>

#include <set>

TEST_CASE("every site of a network has its own dropout key, and another step has other keys") {
  std::set<std::uint64_t> keys;
  for (const std::uint64_t step : {1u, 2u})
    for (std::uint64_t site = 0; site < 100; ++site)
      keys.insert(bert::layers::step_noise{0.1f, 0.1f, step}.hidden_at(site).key);
  CHECK(keys.size() == 200);
  const bert::layers::step_noise noise{0.1f, 0.2f, 9};
  CHECK(noise.hidden_at(3).rate == 0.1f);
  CHECK(noise.attention_at(3, 4).rate == 0.2f);
}
