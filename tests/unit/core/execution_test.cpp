#include "bert/core/execution.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <vector>

#include "support/sanitizers.hpp"

namespace {

static_assert(bert::executor<bert::execution::serial>);
static_assert(bert::executor<bert::execution::threads>);

// Whether each iteration of a loop over `count` ran exactly once.
template <class E>
bool each_once(const E& e, std::size_t count) {
  std::vector<int> calls(count, 0);  // one writer per element: ThreadSanitizer would find a race
  e.parallel_for(count, [&](std::size_t i) { ++calls[i]; });
  for (const int n : calls)
    if (n != 1) return false;
  return true;
}

TEST_CASE("every iteration runs exactly once, whatever the executor and the count") {
  CHECK(each_once(bert::execution::serial{}, 100));
  for (const std::size_t width : {1u, 2u, 3u, 8u}) {
    const bert::execution::threads threads(width);
    CHECK(threads.width() == width);
    for (const std::size_t count : {0u, 1u, 2u, 7u, 1000u}) CHECK(each_once(threads, count));
  }
}

TEST_CASE("what the iterations wrote is seen after each of many consecutive loops") {
  const bert::execution::threads threads(4);
  std::vector<std::size_t> values(64, 0);
  for (int round = 0; round < 2000; ++round) threads.parallel_for(values.size(), [&](std::size_t i) { values[i] += i; });
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == 2000 * i);
}

TEST_CASE("threads that went to sleep wake up for the next loop") {
  const bert::execution::threads threads(3);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // forty times as long as a thread spins
    CHECK(each_once(threads, 50));
  }
}

TEST_CASE("copies of an executor share its threads, and the last copy joins them") {
  bert::execution::threads a(2);
  {
    const auto b = a;
    CHECK(each_once(b, 10));
    a = bert::execution::threads(3);
    CHECK(each_once(b, 10));
  }
  CHECK(each_once(a, 10));
}

TEST_CASE("two user threads that share one executor both finish all their iterations") {
  const bert::execution::threads shared(2);
  std::array<int, 2> failures{};
  std::thread other([&] {
    for (int round = 0; round < 300; ++round) failures[0] += each_once(shared, 40) ? 0 : 1;
  });
  for (int round = 0; round < 300; ++round) failures[1] += each_once(shared, 40) ? 0 : 1;
  other.join();
  CHECK(failures[0] == 0);
  CHECK(failures[1] == 0);
}

TEST_CASE("a loop within a loop runs on the thread that calls it") {
  const bert::execution::threads threads(2);
  std::array<int, 8> good{};
  threads.parallel_for(good.size(), [&](std::size_t i) { good[i] = each_once(threads, 10) ? 1 : 0; });
  for (const int g : good) CHECK(g == 1);
}

TEST_CASE("a loop ends while a worker is kept from its core: a worker that has not begun is not waited for") {
  const bert::execution::threads threads(bert::execution::available_cores() + 2);
  const auto begin = std::chrono::steady_clock::now();
  for (int round = 0; round < 2000; ++round)
    if (!each_once(threads, 3)) FAIL("an iteration ran twice or never");
  // If each of the 2,000 rounds waited for all workers, it would take a scheduler's time slice: 8 s in total.
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(4));
}

TEST_CASE("sixty-four threads, most of them without a core, run every iteration once, also after they slept") {
  const bert::execution::threads threads(64);
  CHECK(threads.beyond_cores() == 64 - std::min<std::size_t>(64, bert::execution::available_cores()));
  for (int round = 0; round < 300; ++round) {
    if (round % 100 == 99) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    CHECK(each_once(threads, 200));
  }
}

TEST_CASE("the default is a thread for every core that the process may use") {
  CHECK(bert::execution::threads{}.width() == bert::execution::available_cores());
  CHECK(bert::execution::threads{}.beyond_cores() == 0);
}

TEST_CASE("0 threads, or thousands, are refused") {
  CHECK_THROWS_AS(bert::execution::threads(0), bert::error);
  CHECK_THROWS_AS(bert::execution::threads(4097), bert::error);
}

}  // namespace
