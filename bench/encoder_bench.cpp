// Whole encoders: GFLOP/s, tokens/s and share of the same precision's peak, measured in this process. "roofline" of short
// batches is the rate at which they read the weights, as a share of the read bandwidth measured in this process.
//   encoder_bench --benchmark_filter=base/8x128/2
//   encoder_bench --benchmark_filter=base/8x128/bf16/2
//   encoder_bench --benchmark_filter=/int8/
#include "bert/model/presets.hpp"
#include "workloads.hpp"

namespace {

using namespace bert::precision;

template <class A, class P>
void ragged(const char* name) {
  bench::add_rows(name + bench::suffix_of<P>(), {1, 2}, [](benchmark::State& state, const bench::threads& run) {
    static const auto frozen = bert::freeze<P>(bert::model<A>::random({.seed = 1}));
    const auto batch = bench::ragged_batch<A>();
    auto session = frozen.session(batch.shape(), run);
    session(batch);
    bench::time_calls<P>(state, run, {bert::operations<A>(batch).total(), 0, static_cast<double>(batch.tokens())},
                         [&] { benchmark::DoNotOptimize(session(batch).data()); });
  });
}

template <class A, class... P>
void encoders(const char* name, std::size_t sequences, std::size_t tokens) {
  (bench::encoder<A, P>({.sequences = sequences, .tokens = tokens, .name = name}), ...);
}

}  // namespace

int main(int argc, char** argv) {
  bench::peaks();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  using namespace bert::arch;
  for (const auto& [s, t] : {std::pair<std::size_t, std::size_t>{8, 128}, {1, 128}, {4, 512}, {1, 16}})
    encoders<base_uncased, f32, bf16, int8, bf16x3, bf16x6>("base", s, t);
  ragged<base_uncased, f32>("base/ragged");
  ragged<base_uncased, bf16>("base/ragged");
  ragged<base_uncased, int8>("base/ragged");
  for (const auto& [s, t] : {std::pair<std::size_t, std::size_t>{32, 64}, {32, 128}, {1, 32}})
    encoders<minilm_l6, f32, bf16, int8>("minilm_l6", s, t);
  encoders<tiny, f32, bf16, int8>("tiny", 64, 64);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
