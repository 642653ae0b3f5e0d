// bert::distributed::mpi among real ranks: mpirun -n 1, 2, 4, 8 test_mpi. All ranks run the same cases; a check fails in any.
// Layer: tests.
#include "bert/distributed/mpi.hpp"

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/distributed/agree.hpp"
#include "bert/distributed/background.hpp"
#include "distributed/training.hpp"
#include "unit/io/scratch.hpp"

namespace {

const bert::distributed::mpi* job = nullptr;
const bert::distributed::mpi& ranks() { return *job; }

/// n floats of rank r, of magnitudes so different that the order of their sums shows.
std::vector<float> values_of(std::size_t r, std::size_t n) {
  bert::random_stream random(5, bert::draw::user, r);
  std::vector<float> out(n);
  for (auto& v : out) v = (random.uniform() - 0.5f) * std::ldexp(1.0f, static_cast<int>(random.below(20)));
  return out;
}

/// ((r0 + r1) + (r2 + r3)) + …
std::vector<float> tree_of_sums(std::size_t first, std::size_t count, std::size_t n) {
  if (count == 1) return values_of(first, n);
  auto sum = tree_of_sums(first, count / 2, n);
  const auto other = tree_of_sums(first + count / 2, count / 2, n);
  for (std::size_t i = 0; i < n; ++i) sum[i] += other[i];
  return sum;
}

bool same_in_all(const std::string& text) {
  for (const auto& other : bert::distributed::gathered_texts(ranks(), text))
    if (other != text) return false;
  return true;
}

}  // namespace

TEST_CASE("sums over ranks have the bits of the binary tree, for lengths around a message's and short ones") {
  constexpr std::size_t message = bert::distributed::mpi::message;
  for (const std::size_t n : std::initializer_list<std::size_t>{0, 1, 2, 3, 7, 1'000, 2 * message - 1, 2 * message,
                                                                2 * message + 1, 5 * message + 3}) {
    CAPTURE(n);
    auto sum = values_of(ranks().rank(), n);
    ranks().add(sum);
    const auto expected = tree_of_sums(0, ranks().size(), n);
    CHECK((n == 0 || std::memcmp(sum.data(), expected.data(), 4 * n) == 0));
  }
}

TEST_CASE("another order of sums has other bits, so that the case above tells orders apart") {
  if (ranks().size() < 4) return;
  std::vector<float> in_order(1'000);
  for (std::size_t r = 0; r < ranks().size(); ++r) {
    const auto more = values_of(r, in_order.size());
    for (std::size_t i = 0; i < in_order.size(); ++i) in_order[i] += more[i];
  }
  CHECK(in_order != tree_of_sums(0, ranks().size(), in_order.size()));
}

TEST_CASE("gather gives every rank the numbers of all, in the order of ranks") {
  const std::vector<std::uint64_t> mine{ranks().rank(), std::numeric_limits<std::uint64_t>::max() - ranks().rank()};
  std::vector<std::uint64_t> all(2 * ranks().size());
  ranks().gather(mine, all);
  for (std::size_t r = 0; r < ranks().size(); ++r) {
    CHECK(all[2 * r] == r);
    CHECK(all[2 * r + 1] == std::numeric_limits<std::uint64_t>::max() - r);
  }
  CHECK(ranks().on_this_machine() == ranks().size());  // these tests run on one
}

TEST_CASE("a job of all ranks in a communicator of the program's own is another with the same ranks") {
  const bert::distributed::mpi own(MPI_COMM_WORLD);
  CHECK(own.rank() == ranks().rank());
  std::vector<float> one{1};
  own.add(one);
  CHECK(one[0] == static_cast<float>(ranks().size()));
}

TEST_CASE("a fact that differs is refused by name, in the same words in every rank") {
  if (ranks().size() == 1) return;
  const auto last = ranks().size() - 1;
  const auto message = bert::testing::message_of([&] {
    bert::distributed::agree(ranks(), {{"seed", ranks().rank() == last ? "7" : "42"}, {"corpus", "x"}});
  });
  CHECK(message.find(bert::cat("rank ", last, " of ", ranks().size(), ": expected seed 42, as rank 0 has, found seed 7")) == 0);
  CHECK(same_in_all(message));
}

TEST_CASE("sums sent as bf16 have the same bits in all ranks, within the rounding of each exchange") {
  const auto narrow = ranks().over(bert::distributed::wire::bf16);
  constexpr std::size_t message = bert::distributed::mpi::message;
  for (const std::size_t n : std::initializer_list<std::size_t>{1, 1'000, 2 * message + 1}) {
    CAPTURE(n);
    auto sum = values_of(ranks().rank(), n);
    narrow.add(sum);
    CHECK(same_in_all(std::string(reinterpret_cast<const char*>(sum.data()), 4 * n)));
    const auto exact = tree_of_sums(0, ranks().size(), n);
    // A sum's error is at most 2^-8 of each number that was rounded: of each rank's sums on the way, and of the result.
    std::vector<float> sizes(n);
    for (std::size_t r = 0; r < ranks().size(); ++r) {
      const auto v = values_of(r, n);
      for (std::size_t i = 0; i < n; ++i) sizes[i] += std::abs(v[i]);
    }
    float worst = 0;
    for (std::size_t i = 0; i < n; ++i) worst = std::fmax(worst, std::abs(sum[i] - exact[i]) / sizes[i]);
    CHECK(std::isfinite(worst));
    CHECK(worst <= 0x1p-8f * (1.0f + static_cast<float>(std::bit_width(ranks().size()) - 1)));
    if (ranks().size() == 1) CHECK(worst == 0);
    else if (n > 1) CHECK(worst > 0x1p-14f);
  }
}

TEST_CASE("any number of ranks and threads trains to the bits of one replica") {
  const auto one = distributed::train(bert::training::alone{}, {});
  CHECK(one.error.empty());
  for (const std::size_t threads : {1u, 2u}) {
    const auto mine = distributed::train(ranks(), {.threads = threads});
    CHECK(mine.error.empty());
    CHECK(mine.weights == one.weights);
    const auto behind = distributed::train(bert::distributed::background(ranks()), {.threads = threads});
    CHECK(behind.error.empty());
    CHECK(behind.weights == one.weights);
  }
}

TEST_CASE("a gradient that is not a number in one rank stops all with one message, and no weight is changed") {
  const auto bad = ranks().size() / 2;
  const auto end =
      distributed::train(ranks(), {.poison = ranks().rank() == bad ? std::numeric_limits<float>::quiet_NaN() : 0.0f, .at = 3});
  CHECK(end.error.find("bert::trainer, step 3: expected a finite loss and gradient") == 0);
  CAPTURE(end.error);
  CHECK(same_in_all(end.error));
  CHECK(end.weights == distributed::train(bert::training::alone{}, {.stop_after = 2}).weights);
}

int main(int argc, char** argv) {
  const bert::distributed::mpi all;
  job = &all;
  doctest::Context context(argc, argv);
  return context.run();
}
