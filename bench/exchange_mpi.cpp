// How fast ranks exchange gradients: the time of bert::distributed::mpi::add for several lengths beside that of a plain
// exchange of as many bytes, and of a gather. docs/scaling.md uses the figures.
//   mpirun -n 2 exchange_mpi [MEGABYTES…]
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <vector>

#include "bert/distributed/mpi.hpp"

namespace {

/// The shortest of `times` runs, in seconds, of the slowest rank.
template <class Run>
double best_of(int times, const Run& run) {
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < times; ++i) {
    MPI_Barrier(MPI_COMM_WORLD);
    const auto start = std::chrono::steady_clock::now();
    run();
    double mine = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), slowest = 0;
    MPI_Allreduce(&mine, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    best = std::min(best, slowest);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const bert::distributed::mpi ranks;
  const auto say = [&](const char* form, auto... values) {
    if (ranks.rank() == 0) std::printf(form, values...);
  };
  std::vector<std::size_t> megabytes;
  for (int i = 1; i < argc; ++i) megabytes.push_back(static_cast<std::size_t>(std::strtoul(argv[i], nullptr, 10)));
  if (megabytes.empty()) megabytes = {1, 16, 440};

  const std::array<std::uint64_t, 3> mine{};
  std::vector<std::uint64_t> all(mine.size() * ranks.size());
  constexpr int gathers = 1'000;
  say("%zu ranks\ngather of 24 bytes %.1f us\n", ranks.size(), 1e6 / gathers * best_of(3, [&] {
                                                                 for (int i = 0; i < gathers; ++i) ranks.gather(mine, all);
                                                               }));
  if (ranks.size() == 1) return 0;
  for (const std::size_t mb : megabytes) {
    const std::size_t n = mb * 1'000'000 / sizeof(float);
    std::vector<float> values(n, 1.0f), other(n);
    const int peer = static_cast<int>(ranks.rank() ^ 1u), count = static_cast<int>(n);
    const double both_ways = best_of(5, [&] {
      MPI_Sendrecv(values.data(), count, MPI_FLOAT, peer, 0, other.data(), count, MPI_FLOAT, peer, 0, MPI_COMM_WORLD,
                   MPI_STATUS_IGNORE);
    });
    const double one_way = best_of(5, [&] {  // there and back
      if (ranks.rank() % 2 == 0) {
        MPI_Send(values.data(), count, MPI_FLOAT, peer, 0, MPI_COMM_WORLD);
        MPI_Recv(other.data(), count, MPI_FLOAT, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      } else {
        MPI_Recv(other.data(), count, MPI_FLOAT, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Send(values.data(), count, MPI_FLOAT, peer, 0, MPI_COMM_WORLD);
      }
    });
    const double sum = best_of(5, [&] { ranks.add(values); });
    const double bytes = static_cast<double>(n * sizeof(float)), r = static_cast<double>(ranks.size());
    say("%zu MB: ping-pong %.2f GB/s, both ways at once %.2f GB/s each; add %.1f ms, %.2f GB/s sent by a rank, %.2f of the "
        "ping-pong\n",
        mb, 2e-9 * bytes / one_way, 1e-9 * bytes / both_ways, 1e3 * sum, 2e-9 * bytes * (r - 1) / r / sum,
        bytes * (r - 1) / r / sum * one_way / bytes);
  }
}
