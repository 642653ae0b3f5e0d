// The number of cores by this process's affinity.
// Layer: tests.
// POSIX only: it changes the affinity mask by sched_setaffinity.
#include <doctest/doctest.h>
#include <sched.h>

#include "bert/core/cores.hpp"

using namespace bert::execution::detail;

TEST_CASE("affinity bounds the number of cores, and there is at least one") {
  cpu_set_t before;
  REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
  CHECK(cores_by_affinity() == static_cast<std::size_t>(CPU_COUNT(&before)));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &before)) {
      CPU_SET(cpu, &one);
      break;
    }
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(cores_by_affinity() == 1);
  REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
  CHECK(bert::execution::available_cores() >= 1);
}
