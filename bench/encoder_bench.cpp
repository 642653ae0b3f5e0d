// Whole encoders in f32: GFLOP/s, tokens/s and share of the peak measured in this process.
//   encoder_bench --benchmark_filter=base/8x128/2
#include "bert/model/session.hpp"
#include "workloads.hpp"

namespace {

template <class A>
void encode(benchmark::State& state, std::size_t sequences, std::size_t tokens, std::size_t width) {
  const bert::execution::threads run{width};
  static const auto frozen = bert::freeze(bert::model<A>::random({.seed = 1}));
  const auto batch = bench::random_batch<A>(sequences, tokens);
  auto session = frozen.session(batch.shape(), run);
  session(batch);
  double peak = bench::peak_flops(run);
  bench::stopwatch watch;
  for (auto _ : state) watch.time([&] { benchmark::DoNotOptimize(session(batch).data()); });
  peak = bench::peak_flops(run);
  bench::report(state, watch, bench::encoder_flops<A>(batch), static_cast<double>(batch.tokens()), peak);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  using namespace bert::arch;
  for (const auto& [s, t] : {std::pair<std::size_t, std::size_t>{8, 128}, {1, 128}, {4, 512}, {1, 16}}) bench::add("base", s, t, encode<base_uncased>);
  for (const auto& [s, t] : {std::pair<std::size_t, std::size_t>{32, 64}, {32, 128}, {1, 32}}) bench::add("minilm_l6", s, t, encode<minilm_l6>);
  bench::add("tiny", 64, 64, encode<tiny>);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
