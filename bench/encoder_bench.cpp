// Whole encoders: GFLOP/s, tokens/s and share of the same precision's peak, measured in this process. "read": the rate at which
// short batches read the weights, as a share of the read bandwidth measured in this process.
//   encoder_bench --benchmark_filter=base/8x128/2
//   encoder_bench --benchmark_filter=base/8x128/bf16/2
//   encoder_bench --benchmark_filter=/int8/
#include <type_traits>

#include "bert/layers/precision_split.hpp"
#include "bert/model/session.hpp"
#include "peak_row.hpp"
#include "workloads.hpp"

namespace {

template <class P>
double peak_of(const bert::execution::threads& run) {
  if constexpr (std::is_same_v<P, bert::precision::bf16>) return bench::peak_bf16_flops(run);
  else if constexpr (std::is_same_v<P, bert::precision::int8>) return bench::peak_int8_ops(run);
  else if constexpr (std::is_same_v<P, bert::precision::bf16x3>)
    return P::by_tiles() ? bench::peak_bf16_flops(run) / 3 : bench::peak_flops(run);
  else if constexpr (std::is_same_v<P, bert::precision::bf16x6>)
    return P::by_tiles() ? bench::peak_bf16_flops(run) / 6 : bench::peak_flops(run);
  else return bench::peak_flops(run);
}

template <class A, class P>
void encode_batch(benchmark::State& state, const bert::token_batch& batch, std::size_t width) {
  const bert::execution::threads run{width};
  static const auto frozen = bert::freeze<P>(bert::model<A>::random({.seed = 1}));
  auto session = frozen.session(batch.shape(), run);
  session(batch);
  double peak = peak_of<P>(run);
  bench::stopwatch watch;
  for (auto _ : state) watch.time([&] { benchmark::DoNotOptimize(session(batch).data()); });
  peak = peak_of<P>(run);
  bench::report(state, watch, bench::encoder_flops<A>(batch), static_cast<double>(batch.tokens()), peak);
  constexpr double bytes = sizeof(float) * static_cast<double>(P::weight_size(64, 64)) / (64 * 64);  // per weight
  if (batch.tokens() <= 64)
    state.counters["read"] = bytes * bench::encoder_weights<A> / watch.median() / bench::peak_bytes(run);
}

template <class A, class P = bert::precision::f32>
void encode(benchmark::State& state, std::size_t sequences, std::size_t tokens, std::size_t width) {
  encode_batch<A, P>(state, bench::random_batch<A>(sequences, tokens), width);
}

template <class A, class P = bert::precision::f32>
void encode_ragged(benchmark::State& state, std::size_t width) {
  encode_batch<A, P>(state, bench::ragged_batch<A>(), width);
}

}  // namespace

int main(int argc, char** argv) {
  bench::add_peaks();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  using namespace bert::arch;
  using bert::precision::bf16, bert::precision::int8;
  for (const auto& [s, t] : {std::pair<std::size_t, std::size_t>{8, 128}, {1, 128}, {4, 512}, {1, 16}}) {
    bench::add("base", s, t, encode<base_uncased>);
    bench::add("base", s, t, encode<base_uncased, bf16>, "/bf16");
    bench::add("base", s, t, encode<base_uncased, int8>, "/int8");
    bench::add("base", s, t, encode<base_uncased, bert::precision::bf16x3>, "/bf16x3");
    bench::add("base", s, t, encode<base_uncased, bert::precision::bf16x6>, "/bf16x6");
  }
  bench::add("base/ragged", encode_ragged<base_uncased>);
  bench::add("base/ragged/bf16", encode_ragged<base_uncased, bf16>);
  bench::add("base/ragged/int8", encode_ragged<base_uncased, int8>);
  for (const auto& [s, t] : {std::pair<std::size_t, std::size_t>{32, 64}, {32, 128}, {1, 32}}) {
    bench::add("minilm_l6", s, t, encode<minilm_l6>);
    bench::add("minilm_l6", s, t, encode<minilm_l6, bf16>, "/bf16");
    bench::add("minilm_l6", s, t, encode<minilm_l6, int8>, "/int8");
  }
  bench::add("tiny", 64, 64, encode<tiny>);
  bench::add("tiny", 64, 64, encode<tiny, bf16>, "/bf16");
  bench::add("tiny", 64, 64, encode<tiny, int8>, "/int8");
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
