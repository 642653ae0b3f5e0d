// Steps of pretraining (masked LM at 15 % of the positions + next sentence, AdamW, clipping, no dropout): tokens/s, and the
// encoder's arithmetic, three times that of its forward pass, as a share of the peak measured in this process: the f32 peak, or
// the bf16 peak for products in bf16. The arithmetic counted is that of all rows in all layers, as in other libraries. After
// the last layer's attention only the rows that heads read are computed, a sixth of them, which saves 6 % of base, 18 % of mini
// and 35 % of tiny. "GB" is the peak memory of the process so far: run one row alone for its own.
//   training_bench --benchmark_filter=mini
#include "bert/benchmark.hpp"
#include "bert/model/presets.hpp"

int main(int argc, char** argv) {
  using namespace bert::benchmark;
  using namespace bert::precision;
  using namespace bert::arch;
  using keep = bert::activations::keep;
  using recompute = bert::activations::recompute;
  peaks();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const workload of_tiny{.sequences = 64, .name = "tiny"}, of_mini{.sequences = 32, .name = "mini"}, of_base{.name = "base"};
  training_step<tiny>(of_tiny);
  training_step<mini>(of_mini);
  training_step<base_uncased>(of_base);
  training_step<tiny, bf16>(of_tiny);
  training_step<mini, bf16>(of_mini);
  training_step<base_uncased, bf16>(of_base);
  training_step<mini, bf16x6>(of_mini);
  training_step<base_uncased, bf16x6>(of_base);
  training_step<base_uncased, f32, recompute>(of_base, "/f32-recompute");
  training_step<tiny, f32, keep, 16>(of_tiny, "/f32-16-leaves");
  training_step<base_uncased, f32, keep, 16>(of_base, "/f32-16-leaves");
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
