// Microbenchmarks of your own models by Google Benchmark: encoders, their kernels, training steps, sweeps over architectures.
// Layer: all. Test: tests/benchmark/benchmark_test.cpp. Page: docs/benchmarking.md
// Paper: Williams, Waterman and Patterson 2009, "Roofline: an insightful visual performance model for multicore architectures".
#pragma once

#include <benchmark/benchmark.h>

#if __has_include(<sys/resource.h>)
#include <sys/resource.h>
#endif

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/benchmark/peaks.hpp"
#include "bert/benchmark/workloads.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/attention/attention.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/rows/layer_norm.hpp"
#include "bert/model/operations.hpp"
#include "bert/model/session.hpp"
#include "bert/objectives/joint.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/next_sentence.hpp"
#include "bert/training/trainer.hpp"

namespace bert::inline BERT_ISA::benchmark {

/// What a row runs on. An open vocabulary has `vocab` pieces.
struct workload {
  std::size_t sequences = 8, tokens = 128;  ///< sequences of equal length
  std::vector<std::size_t> threads = {1, 2};
  std::string name = {};  ///< of the row; empty: "encoder/h256-l4-a4" and the like
  int vocab = 8192;
};

/// Registers rows of your own, `<name>/<threads>` for each number of threads; `body(state, executor)` runs one, for example by
/// `time_calls`.
template <class Body>
void add_rows(const std::string& name, const std::vector<std::size_t>& widths, const Body& body) {
  for (const std::size_t width : widths)
    ::benchmark::RegisterBenchmark(cat(name, '/', width).c_str(),
                                   [=](::benchmark::State& state) { body(state, benchmark::threads{width}); })
        ->UseRealTime()
        ->Unit(::benchmark::kMillisecond);
}

namespace detail {

template <architecture A>
[[nodiscard]] std::string sizes_of() {
  return cat("h", A::hidden, "-l", A::layers, "-a", A::heads);
}
template <architecture A>
[[nodiscard]] open_sizes sizes_for(const workload& w) {
  return {.vocab = A::vocab == dynamic ? w.vocab : A::vocab};
}

/// Registers `<name>/<sequences>x<tokens><suffix>/<threads>`.
template <class Body>
void add(const workload& w, const std::string& name, const std::string& suffix, const Body& body) {
  add_rows(cat(name, '/', w.sequences, 'x', w.tokens, suffix), w.threads, body);
}

}  // namespace detail

/// What a call does: operations, bytes that it must read and write, tokens.
struct work_of_call {
  double operations = 0, bytes = 0, tokens = 0;
};

/// Times `call()` for a row and reports, from the median call:
///
///     GFLOP/s, GB/s, tokens/s, ms
///     roofline   the least possible time, max(operations / peak, bytes / bandwidth), as a share of the median
///     share      operations per second as a share of the peak; best: of the fastest call
///
/// Peak (of precision P) and bandwidth are measured in this process, before and after.
template <class P, class Call>
void time_calls(::benchmark::State& state, const threads& run, const work_of_call& work, const Call& call) {
  double peak = peak_of<P>(run);
  const double bandwidth = work.bytes > 0 ? peak_bytes(run) : 0;
  stopwatch watch;
  for (auto _ : state) watch.time(call);
  peak = peak_of<P>(run);
  const double median = watch.median();
  const double least = std::max(work.operations / peak, work.bytes > 0 ? work.bytes / bandwidth : 0);
  state.counters["ms"] = median * 1e3;
  state.counters["roofline"] = least / median;
  if (work.operations > 0) {
    state.counters["GFLOP/s"] = work.operations / median * 1e-9;
    state.counters["share"] = work.operations / median / peak;
    state.counters["best"] = work.operations / watch.best() / peak;
  }
  if (work.bytes > 0) state.counters["GB/s"] = work.bytes / median * 1e-9;
  if (work.tokens > 0) state.counters["tokens/s"] = work.tokens / median;
}

/// Registers rows of the encoder of A in precision P on a batch of random ids.
template <architecture A, class P = precision::f32>
void encoder(const workload& w = {}) {
  const open_sizes sizes = detail::sizes_for<A>(w);
  detail::add(w, w.name.empty() ? "encoder/" + detail::sizes_of<A>() : w.name, suffix_of<P>(),
              [w, sizes](::benchmark::State& state, const threads& run) {
                static const auto frozen = freeze<P>(model<A>::random({.seed = 1, .vocab = sizes.vocab}));
                const token_batch batch = random_batch(w.sequences, w.tokens, frozen.sizes().vocab);
                auto session = frozen.session(batch.shape(), run);
                session(batch);
                const double weights = static_cast<double>(encoder_weights<A>) *
                                       (sizeof(float) * static_cast<double>(P::weight_size(64, 64)) / (64 * 64));
                const double rows = static_cast<double>(batch.tokens()) * A::hidden * sizeof(float);
                time_calls<P>(state, run,
                              {operations<A>(batch).total(), weights + 2 * rows, static_cast<double>(batch.tokens())},
                              [&] { ::benchmark::DoNotOptimize(session(batch).data()); });
              });
}

/// Registers rows of a pretraining step of A (masked LM and next sentence, AdamW) with products in precision P, f32 or bf16.
/// Operations are three times those of the forward pass.
template <architecture A, class P = precision::f32, class Activations = activations::keep, unsigned Leaves = 1>
void training_step(const workload& w = {}, const std::string& kind = suffix_of<P>()) {
  const open_sizes sizes = detail::sizes_for<A>(w);
  detail::add(w, w.name.empty() ? "training_step/" + detail::sizes_of<A>() : w.name, kind,
              [w, sizes](::benchmark::State& state, const threads& run) {
                using objective = objectives::joint<objectives::masked_lm<>, objectives::next_sentence>;
                auto trained = model_for<A, objective>::random({.seed = 1, .vocab = sizes.vocab});
                const pretraining_batch batches(w.sequences, w.tokens, trained.sizes().vocab);
                trainer learn{trained,
                              objective{},
                              optim::adamw{},
                              schedules::constant{.peak = 1e-4f, .total = 1'000'000},
                              training_options{.dropout = 0, .attention_dropout = 0, .leaves = Leaves},
                              run,
                              Activations{},
                              P{}};
                auto steps = learn.over(batches);
                auto step = steps.begin();
                // Parameters, gradients and two moments: read and written by the update, parameters read twice before.
                const double bytes = static_cast<double>(trained.count()) * sizeof(float) * 9;
                time_calls<P>(
                    state, run,
                    {3 * operations<A>(batches.tokens()).total(), bytes, static_cast<double>(batches.tokens().tokens())},
                    [&] { ++step; });
#if __has_include(<sys/resource.h>)
                rusage used{};  // the peak of the process so far: run one row alone for its own
                getrusage(RUSAGE_SELF, &used);
                state.counters["GB"] = static_cast<double>(used.ru_maxrss) * 1024e-9;
#endif
              });
}

/// Registers rows of what a layer of A runs, shape by shape: the four products in precision P, attention, the norm.
template <architecture A, class P = precision::f32>
void layer_kernels(const workload& w = {}) {
  constexpr std::size_t h = A::hidden, f = A::intermediate;
  const std::string name = (w.name.empty() ? "kernels/" + detail::sizes_of<A>() : w.name) + '/';
  const std::size_t rows = w.sequences * w.tokens;
  const auto numbers = [](std::size_t count) {
    buffer<float> out(count);
    random_stream random(1, draw::user);
    for (float& x : out) x = random.uniform() * 2 - 1;
    return out;
  };
  const auto product = [=](const char* what, std::size_t k, std::size_t out) {
    detail::add(w, name + what, suffix_of<P>(), [=](::benchmark::State& state, const threads& run) {
      const auto x = numbers(rows * k), weight = numbers(out * k), bias = numbers(out);
      buffer<float> packed_weight(P::weight_size(k, out)), memory(P::template operand_size<float>(rows, k)), y(rows * out);
      const auto packed = P::pack(run, matrix<const float>(weight.data(), out, k), packed_weight.data());
      const auto operand = P::convert(run, matrix<const float>(x.data(), rows, k), memory.data());
      const double elements = static_cast<double>(packed_weight.size() + std::max(memory.size(), std::size_t{1}) + rows * out);
      time_calls<P>(state, run, {2.0 * static_cast<double>(rows * k) * static_cast<double>(out), 4 * elements}, [&] {
        P::multiply(run, operand, packed, bert::kernels::epilogue::bias{matrix<float>(y.data(), rows, out), bias.data()});
      });
    });
  };
  product("qkv", h, 3 * h);
  product("attention_output", h, h);
  product("intermediate", h, f);
  product("output", f, h);
  detail::add(w, name + "attention", "", [=](::benchmark::State& state, const threads& run) {
    const auto qkv = numbers(rows * 3 * h);
    buffer<float> context(rows * h);
    std::vector<std::size_t> starts;
    for (std::size_t s = 0; s <= w.sequences; ++s) starts.push_back(s * w.tokens);
    const double flops = operations<A>({.sequences = w.sequences, .tokens = rows}).attention / A::layers;
    time_calls<precision::f32>(state, run, {flops, 4.0 * static_cast<double>(rows * 4 * h)}, [&] {
      bert::kernels::attention<A::head_dim>(run, matrix<const float>(qkv.data(), rows, 3 * h), starts,
                                            matrix<float>(context.data(), rows, h));
    });
  });
  detail::add(w, name + "layer_norm", "", [=](::benchmark::State& state, const threads& run) {
    const auto x = numbers(rows * h), gain = numbers(h), bias = numbers(h);
    buffer<float> y(rows * h);
    time_calls<precision::f32>(state, run, {0, 4.0 * static_cast<double>(rows * 2 * h)}, [&] {
      bert::kernels::layer_norm(run, matrix<const float>(x.data(), rows, h), gain.data(), bias.data(), A::norm_epsilon,
                                matrix<float>(y.data(), rows, h), nullptr, nullptr);
    });
  });
}

/// Registers rows of this machine's peaks: operations per second in f32, bf16 and int8, bytes read from memory.
inline void peaks(const std::vector<std::size_t>& widths = {1, 2}) {
  for (const std::size_t width : widths)
    ::benchmark::RegisterBenchmark(("peak/threads:" + std::to_string(width)).c_str(),
                                   [width](::benchmark::State& state) {
                                     const threads run{width};
                                     double f32 = 0, bf16 = 0, int8 = 0, bytes = 0;
                                     for (auto _ : state)
                                       f32 = peak_flops(run), bf16 = peak_bf16_flops(run), int8 = peak_int8_ops(run),
                                       bytes = peak_bytes(run);
                                     state.counters["GFLOP/s"] = f32 * 1e-9;
                                     state.counters["bf16"] = bf16 * 1e-9;
                                     state.counters["int8"] = int8 * 1e-9;
                                     state.counters["GB/s"] = bytes * 1e-9;
                                   })
        ->Iterations(3)
        ->UseRealTime();
}

/// Lists of values for `sweep`.
template <int... V>
struct hidden_sizes {};
template <int... V>
struct layer_counts {};
template <int... V>
struct head_counts {};
template <class... P>
struct precisions {};

namespace detail {

/// `Base` with other sizes, the intermediate size four times the hidden one.
constexpr dims resized(dims base, int h, int l, int a) {
  base.hidden = h, base.layers = l, base.heads = a, base.intermediate = 4 * h;
  return base;
}
template <dims D>
struct swept : architecture_of<D> {};

}  // namespace detail

/// Calls `body.template operator()<A, P>()` for each combination of the lists whose hidden size is a multiple of the heads, in
/// order:
///
///     sweep<dims{.vocab = 8192}>(hidden_sizes<128, 256>{}, layer_counts<2, 4>{}, head_counts<2, 4>{},
///                                precisions<precision::f32, precision::int8>{},
///                                []<class A, class P>() { encoder<A, P>({.sequences = 8, .tokens = 64}); });
///
/// Each is a type of its own and compiled: mind the time.
template <dims Base, int... H, int... L, int... N, class... P, class Body>
void sweep(hidden_sizes<H...>, layer_counts<L...>, head_counts<N...>, precisions<P...>, const Body& body) {
  const auto each = [&]<int Hidden, int Layers, int Heads>() {
    if constexpr (Hidden % Heads == 0)
      (body.template operator()<detail::swept<detail::resized(Base, Hidden, Layers, Heads)>, P>(), ...);
  };
  const auto by_heads = [&]<int Hidden, int Layers>() { (each.template operator()<Hidden, Layers, N>(), ...); };
  const auto by_layers = [&]<int Hidden>() { (by_heads.template operator()<Hidden, L>(), ...); };
  (by_layers.template operator()<H>(), ...);
}

}  // namespace bert::benchmark
