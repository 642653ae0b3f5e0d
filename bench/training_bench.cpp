// Steps of pretraining (masked LM at 15 % of the positions + next sentence, AdamW, clipping, no dropout): tokens/s, and the
// encoder's arithmetic, three times that of its forward pass, as a share of the peak measured in this process: the f32 peak, or
// the bf16 peak for products in bf16. The arithmetic counted is that of all rows in all layers, as in other libraries. After
// the last layer's attention only the rows that heads read are computed, a sixth of them, which saves 6 % of base, 18 % of mini
// and 35 % of tiny. "GB" is the peak memory of the process so far: run one row alone for its own.
//   training_bench --benchmark_filter=mini
#include <sys/resource.h>

#include "bert/objectives/joint.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/next_sentence.hpp"
#include "bert/training/trainer.hpp"
#include "peak_row.hpp"
#include "workloads.hpp"

namespace {

/// One random batch, repeated.
template <class A>
struct one_batch {
  bert::training_batch batch;

  one_batch(std::size_t sequences, std::size_t tokens) {
    batch.tokens = bench::random_batch<A>(sequences, tokens);
    for (std::size_t s = 0; s < sequences; ++s) {
      batch.labels.push_back(static_cast<std::int32_t>(s % 2));
      batch.keys.push_back(s);
    }
    batch.parts.assign(batch.tokens.tokens(), bert::word_part::begins);
    batch.vocabulary = {.mask = 103, .size = A::vocab};
  }
  [[nodiscard]] bert::batch_shape capacity() const { return batch.tokens.shape(); }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return 1; }
  void load(std::uint64_t, bert::training_batch& out) const { out = batch; }
};

template <class A, class Precision = bert::precision::f32, class Activations = bert::activations::keep, std::size_t Leaves = 1>
void train(benchmark::State& state, std::size_t sequences, std::size_t tokens, std::size_t width) {
  using objective = bert::objectives::joint<bert::objectives::masked_lm<>, bert::objectives::next_sentence>;
  const bert::execution::threads run{width};
  auto model = bert::model_for<A, objective>::random({.seed = 1});
  const one_batch<A> batches(sequences, tokens);
  bert::trainer trainer{model,
                        objective{},
                        bert::optim::adamw{},
                        bert::schedules::constant{.peak = 1e-4f, .total = 1'000'000},
                        bert::training_options{.dropout = 0, .attention_dropout = 0, .leaves = Leaves},
                        run,
                        Activations{},
                        Precision{}};
  const auto peak_of = [&] {
    if constexpr (std::same_as<Precision, bert::precision::f32>) return bench::peak_flops(run);
    else return bench::peak_bf16_flops(run);
  };
  auto steps = trainer.over(batches);
  auto step = steps.begin();
  double peak = peak_of();
  bench::stopwatch watch;
  for (auto _ : state) watch.time([&] { ++step; });
  peak = peak_of();
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  state.counters["GB"] = static_cast<double>(used.ru_maxrss) * 1024e-9;
  bench::report(state, watch, 3 * bench::encoder_flops<A>(batches.batch.tokens),
                static_cast<double>(batches.batch.tokens.tokens()), peak);
}

}  // namespace

int main(int argc, char** argv) {
  bench::add_peaks();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  bench::add("tiny", 64, 128, train<bert::arch::tiny>);
  bench::add("mini", 32, 128, train<bert::arch::mini>);
  bench::add("base", 8, 128, train<bert::arch::base_uncased>);
  using keep = bert::activations::keep;
  using recompute = bert::activations::recompute;
  using namespace bert::precision;
  bench::add("tiny", 64, 128, train<bert::arch::tiny, bf16, keep>, "/bf16");
  bench::add("mini", 32, 128, train<bert::arch::mini, bf16, keep>, "/bf16");
  bench::add("base", 8, 128, train<bert::arch::base_uncased, bf16, keep>, "/bf16");
  bench::add("base", 8, 128, train<bert::arch::base_uncased, f32, recompute>, "/f32-recompute");
  bench::add("tiny", 64, 128, train<bert::arch::tiny, f32, keep, 16>, "/f32-16-leaves");
  bench::add("base", 8, 128, train<bert::arch::base_uncased, f32, keep, 16>, "/f32-16-leaves");
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
