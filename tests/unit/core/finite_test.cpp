#include "bert/core/finite.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

TEST_CASE("the first NaN or infinity is found at any index, and the largest and smallest floats are neither") {
  using limits = std::numeric_limits<float>;
  for (const std::size_t size : {0u, 1u, 1023u, 1024u, 3000u}) {
    std::vector<float> values(size, limits::max());
    for (std::size_t i = 0; i < size; i += 2) values[i] = i % 4 == 0 ? -limits::max() : limits::denorm_min();
    CHECK(bert::first_not_finite(values) == bert::all_finite);
    for (const float bad : {limits::quiet_NaN(), -limits::quiet_NaN(), limits::infinity(), -limits::infinity()})
      for (std::size_t at = 0; at < size; at = at < 5 || size - at < 7 ? at + 1 : at + 501) {
        const float kept = values[at];
        values[at] = bad;
        CHECK(bert::first_not_finite(values) == at);
        values[size - 1] = bad;
        CHECK(bert::first_not_finite(values) == at);
        values[size - 1] = limits::max();
        values[at] = kept;
      }
  }
}
