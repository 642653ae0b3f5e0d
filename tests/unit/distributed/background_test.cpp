// Sums in the background: the same bits, and the times. Replicas are threads here; mpi_test.cpp has ranks.
// Layer: tests.
#include "bert/distributed/background.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "distributed/training.hpp"
#include "support/in_process.hpp"

namespace {

using bert::distributed::background;
using support::in_process;
using support::in_replicas;

/// Counts its sums; the first `wrong` of them throw. Sums take a while.
struct counted : in_process {
  explicit counted(const in_process& r, int wrong = 0) : in_process(r), failures(wrong) {}
  void add(std::span<float> values) const {
    ++*sums;
    if (failures > 0) throw std::runtime_error("no network");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    in_process::add(values);
  }
  int failures;
  std::shared_ptr<std::atomic<int>> sums = std::make_shared<std::atomic<int>>(0);
};
static_assert(bert::training::background_reduction<background<counted>>);

}  // namespace

TEST_CASE("sums that begin one after the other are all there when finish returns") {
  in_replicas(4, [](const in_process& mine) {
    const background<counted> sums{counted(mine)};
    std::vector<float> values(300, 1.0f + static_cast<float>(mine.rank()));
    for (int again = 0; again < 3; ++again) {
      const std::span<float> all(values);
      sums.begin(all.subspan(200));
      sums.begin(all.subspan(10, 190));
      sums.begin(all.first(10));
      sums.finish();
      for (const float v : values) CHECK(v == (again == 0 ? 10.0f : again == 1 ? 40.0f : 160.0f));
    }
    const auto times = sums.times();
    CHECK(times.all >= 9 * 0.002);
    CHECK(times.exposed > 0);
  });
}

TEST_CASE("an exception of a sum comes out of finish, and the thread goes on") {
  in_replicas(2, [](const in_process& mine) {
    const background<counted> sums{counted(mine, 1)};
    std::vector<float> values(8, 1.0f);
    sums.begin(values);
    sums.begin(values);
    CHECK_THROWS_WITH_AS(sums.finish(), "no network", std::runtime_error);
    sums.begin(values);
    CHECK_THROWS_WITH_AS(sums.finish(), "no network", std::runtime_error);
  });
}

TEST_CASE("training with sums in the background, several a step, has the bits of one replica") {
  const auto one = distributed::train(bert::training::alone{}, {});
  const auto m = distributed::model_type::random({});
  const auto layout = bert::training::layout_of<support::pocket>(m.table(), bert::optim::one_group{});
  const auto buckets = bert::training::buckets_of<support::pocket>(m.table(), layout, m.table()[0].count()).size();
  CHECK(buckets > 1);
  for (const std::size_t n : {1u, 2u, 4u})
    in_replicas(n, [&](const in_process& mine) {
      const counted each(mine);
      const auto end = distributed::train(background<counted>{each}, {.threads = 2});
      CHECK(end.error.empty());
      CHECK(end.weights == one.weights);
      CHECK(*each.sums == (n == 1 ? 0 : 5 * static_cast<int>(buckets)));
      const background<counted> after(each, bert::distributed::overlap::off);
      CHECK(distributed::train(after, {}).weights == one.weights);
      CHECK(after.times().all == after.times().exposed);
    });
}
