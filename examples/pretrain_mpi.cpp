// pretrain on several machines, or as several processes of one: each rank trains on a part of every batch.
//   mpirun -n 4 pretrain_mpi --text corpus.txt --arch base --steps 100000 --batch 256 --keep run.state --out folder
// The command line is pretrain's; --batch is of all ranks together. 1, 2, 4, 8 and 16 ranks write the same bytes, and so does
// `pretrain --leaves 16`. docs/scaling.md describes how to start it.
#include "bert/distributed/background.hpp"
#include "bert/distributed/mpi.hpp"
#include "pretrain/program.hpp"
#include "ranks.hpp"

int main(int argc, char** argv) {
  return support::run_ranks("pretrain_mpi", [&](const bert::distributed::mpi& ranks) {
    pretraining::settings s;
    s.threads = support::threads_of_a_rank(ranks);
    s.leaves = 16;
    return pretraining::run("pretrain_mpi", s, argc, argv, ranks, [](const pretraining::settings& of, const auto& all) {
      using namespace bert::distributed;  // NOLINT
      return background(all.over(of.wire == "bf16" ? wire::bf16 : wire::f32), of.no_overlap ? overlap::off : overlap::on);
    });
  });
}
