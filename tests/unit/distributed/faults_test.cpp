// What goes wrong in one replica, and the state that replicas write. Replicas are threads here; mpi_test.cpp has ranks.
// Layer: tests.
#include <doctest/doctest.h>

#include <cstddef>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "distributed/training.hpp"
#include "support/in_process.hpp"
#include "unit/io/scratch.hpp"

using namespace bert::testing;
using support::in_process;
using support::in_replicas;

TEST_CASE("a gradient that is not finite in one replica stops all with one message, and no weight is changed") {
  for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    for (const std::size_t bad : {0u, 3u}) {
      std::vector<distributed::outcome> ends(4);
      in_replicas(4, [&](const in_process& mine) {
        ends[mine.rank()] = distributed::train(mine, {.poison = mine.rank() == bad ? wrong : 0.0f, .at = 3});
      });
      const auto two_steps = distributed::train(bert::training::alone{}, {.stop_after = 2});
      for (const auto& end : ends) {
        CHECK(end.error.find("bert::trainer, step 3: expected a finite loss and gradient") == 0);
        CHECK(end.error == ends[0].error);
        CHECK(end.weights == two_steps.weights);
      }
    }
}

TEST_CASE("replicas write one state, the bytes of one replica's, and any number of them goes on from it to the same weights") {
  const scratch dir;
  const auto whole = distributed::train(bert::training::alone{}, {});
  CHECK(distributed::train(bert::training::alone{}, {.stop_after = 2, .keep = dir / "1"}).error.empty());
  for (const std::size_t n : {2u, 4u}) {
    const auto path = dir / std::to_string(n);
    // Replicas other than 0 are asked for another file, which is not written.
    in_replicas(n, [&](const in_process& mine) {
      const auto other = dir / ("other-" + std::to_string(n));
      CHECK(distributed::train(mine, {.stop_after = 2, .keep = mine.rank() == 0 ? path : other}).error.empty());
      CHECK_FALSE(std::filesystem::exists(other));
    });
    CHECK(slurp(path) == slurp(dir / "1"));
    for (const std::size_t then : {1u, 2u, 4u}) {
      const auto copy = dir / (std::to_string(n) + "-then-" + std::to_string(then));
      std::filesystem::copy_file(path, copy);
      in_replicas(then, [&](const in_process& mine) {
        const auto end = distributed::train(mine, {.keep = copy});
        CHECK(end.first_step == 3);
        CHECK(end.weights == whole.weights);
      });
    }
  }
}
