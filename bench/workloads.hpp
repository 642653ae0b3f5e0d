// The workloads of whole-model benchmarks, and how their arithmetic is counted.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <string>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/model/presets.hpp"
#include "bert/tensor/token_batch.hpp"
#include "peak.hpp"

namespace bench {

/// `sequences` sequences of `tokens` random ids.
template <class A>
[[nodiscard]] bert::token_batch random_batch(std::size_t sequences, std::size_t tokens) {
  bert::token_batch batch;
  std::vector<bert::token_id> ids(tokens);
  for (std::size_t s = 0; s < sequences; ++s) {
    bert::random_stream random(1, bert::draw::user, s);
    for (auto& id : ids) id = static_cast<bert::token_id>(random.below(static_cast<std::uint32_t>(A::vocab)));
    batch.add(ids);
  }
  return batch;
}

/// 64 sequences of 8 to 128 tokens, 40 on average, like sentences; short and long ones mixed.
[[nodiscard]] inline std::vector<std::size_t> ragged_lengths() {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::size_t s = i * 37 % 64;
    all.push_back(8 + 120 * s * s * (s + 17) / (63 * 63 * 80));
  }
  return all;
}

/// Random ids in sequences of these lengths.
template <class A>
[[nodiscard]] bert::token_batch ragged_batch() {
  const auto longest = random_batch<A>(64, 128);
  bert::token_batch batch;
  const auto lengths = ragged_lengths();
  for (std::size_t s = 0; s < lengths.size(); ++s) batch.add(longest.ids().subspan(128 * s, lengths[s]));
  return batch;
}

/// The number of weights that the encoder's matrix products read per pass.
template <class A>
inline constexpr double encoder_weights = static_cast<double>(A::layers) *
                                          (4.0 * A::hidden * A::hidden + 2.0 * A::hidden * A::intermediate);

/// Operations of the encoder's matrix products and attention only; a multiply-add counts as two.
template <class A>
[[nodiscard]] double encoder_flops(const bert::token_batch& batch) {
  const double h = A::hidden, f = A::intermediate;
  double total = 0;
  for (std::size_t s = 0; s < batch.sequences(); ++s) {
    const auto t = static_cast<double>(batch.length(s));
    total += t * A::layers * (2 * (4 * h * h + 2 * h * f) + 4 * t * h);
  }
  return total;
}

/// Median and best time as rates and as shares of the peak of as many threads.
inline void report(benchmark::State& state, stopwatch& watch, double flops, double tokens, double peak) {
  state.counters["GFLOP/s"] = flops / watch.median() * 1e-9;
  state.counters["share"] = flops / watch.median() / peak;
  state.counters["best"] = flops / watch.best() / peak;
  state.counters["tokens/s"] = tokens / watch.median();
  state.counters["ms"] = watch.median() * 1e3;
}

/// Registers `<name>/<threads>` for one and two threads; `body(state, threads)` runs it.
template <class Body>
void add(const std::string& name, Body body) {
  for (const std::size_t width : {std::size_t{1}, std::size_t{2}})
    benchmark::RegisterBenchmark((name + '/' + std::to_string(width)).c_str(),
                                 [=](benchmark::State& state) { body(state, width); })
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
}

/// Registers `<name>/<sequences>x<tokens><kind>/<threads>`; `body(state, sequences, tokens, threads)` runs it.
template <class Body>
void add(const std::string& name, std::size_t sequences, std::size_t tokens, Body body, const std::string& kind = {}) {
  add(name + '/' + std::to_string(sequences) + 'x' + std::to_string(tokens) + kind,
      [=](benchmark::State& state, std::size_t width) { body(state, sequences, tokens, width); });
}

}  // namespace bench
