#include "bert/kernels/rows/sequence_mean.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "support/kernels/arrays.hpp"

using namespace bert;
using namespace bert::test;

namespace {
const std::vector<std::size_t> starts{0, 1, 8, 10, 43};

template <class E>
arrays<float> run(const E& e, std::size_t cols) {
  const auto in = random_arrays<float>({43 * cols, 4 * cols}, 3);
  arrays<float> out{array<float>(4 * cols), array<float>(in[0])};
  kernels::sequence_mean(e, starts, matrix<const float>{in[0].data(), 43, cols}, matrix<float>{out[0].data(), 4, cols});
  kernels::sequence_mean_backward(e, starts, matrix<const float>{in[1].data(), 4, cols},
                                  matrix<float>{out[1].data(), 43, cols});
  return out;
}
}  // namespace

TEST_CASE("the mean of a sequence and its gradient, added to what is there, are those of plain loops") {
  for (const std::size_t cols : {1u, 7u, 16u, 40u}) {
    CAPTURE(cols);
    const auto in = random_arrays<float>({43 * cols, 4 * cols}, 3);
    const auto out = run(execution::serial{}, cols);
    for (std::size_t s = 0; s < 4; ++s)
      for (std::size_t j = 0; j < cols; ++j) {
        double sum = 0;
        const auto count = static_cast<double>(starts[s + 1] - starts[s]);
        for (std::size_t n = starts[s]; n < starts[s + 1]; ++n) {
          sum += static_cast<double>(in[0][n * cols + j]);
          const double d = static_cast<double>(in[0][n * cols + j]) + static_cast<double>(in[1][s * cols + j]) / count;
          CHECK(static_cast<double>(out[1][n * cols + j]) == doctest::Approx(d).epsilon(1e-5).scale(1));
        }
        CHECK(static_cast<double>(out[0][s * cols + j]) == doctest::Approx(sum / count).epsilon(1e-5).scale(1));
      }
  }
}

TEST_CASE("threads change no bit of the mean or its gradient") {
  const auto alone = run(execution::serial{}, 300), together = run(execution::threads{3}, 300);
  for (std::size_t i = 0; i < 2; ++i)
    CHECK(std::memcmp(alone[i].data(), together[i].data(), alone[i].size() * sizeof(float)) == 0);
}
