// Matrix products in the shapes of BERT: GFLOP/s and share of the peak measured in this process.
//   gemm_bench --benchmark_filter=base
// "share" is of the median call, "best" of the fastest; both relative to the peak of as many threads in the row's precision.
#include <benchmark/benchmark.h>

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/amx_permission.hpp"
#include "bert/core/random.hpp"
#include "bert/kernels/gemm/gemm.hpp"
#include "bert/kernels/gemm/gemm_bf16.hpp"
#include "bert/kernels/gemm/gemm_int8.hpp"
#include "bert/kernels/gemm/gradient_bf16.hpp"
#include "bert/kernels/rows/activation.hpp"
#include "workloads.hpp"

namespace {

using namespace bert;
using namespace bert::kernels;

struct shape {
  const char* name;
  std::size_t m, n, k;
};

// m = tokens, n = outputs, k = inputs.
const std::vector<shape> shapes{
    {"base_8x128/out", 1024, 768, 768},   {"base_8x128/qkv", 1024, 2304, 768},    {"base_8x128/up", 1024, 3072, 768},
    {"base_8x128/down", 1024, 768, 3072}, {"base_4x512/out", 2048, 768, 768},     {"base_4x512/qkv", 2048, 2304, 768},
    {"base_4x512/up", 2048, 3072, 768},   {"base_4x512/down", 2048, 768, 3072},   {"base_1x128/out", 128, 768, 768},
    {"base_1x128/qkv", 128, 2304, 768},   {"base_1x128/up", 128, 3072, 768},      {"base_1x128/down", 128, 768, 3072},
    {"base_1x16/up", 16, 3072, 768},      {"base_1x16/down", 16, 768, 3072},      {"minilm_32x64/out", 2048, 384, 384},
    {"minilm_32x64/up", 2048, 1536, 384}, {"minilm_32x64/down", 2048, 384, 1536}, {"mini_32x128/out", 4096, 256, 256},
    {"mini_32x128/up", 4096, 1024, 256},  {"mini_32x128/down", 4096, 256, 1024},  {"mini_32x128/mlm", 600, 8192, 256},
    {"tiny_64x64/out", 4096, 128, 128},   {"tiny_64x64/up", 4096, 512, 128},      {"tiny_64x64/down", 4096, 128, 512},
};

buffer<float> random_floats(std::size_t count, std::uint64_t seed) {
  buffer<float> out(count);
  random_stream random(seed, draw::user);
  for (auto& x : out) x = random.uniform() * 2 - 1;
  return out;
}

void report(::benchmark::State& state, bench::stopwatch& watch, const shape& s, double peak) {
  const double work = 2.0 * static_cast<double>(s.m * s.n * s.k);
  state.counters["GFLOP/s"] = work / watch.median() * 1e-9;
  state.counters["share"] = work / watch.median() / peak;
  state.counters["best"] = work / watch.best() / peak;
}

void forward(::benchmark::State& state, const shape& s, std::size_t width) {
  const execution::threads run{width};
  const auto a = random_floats(s.m * s.k, 1), w = random_floats(s.n * s.k, 2);
  buffer<float> c(s.m * s.n), memory(packed_size(s.k, s.n));
  const packed b = pack_transposed(run, matrix<const float>(w.data(), s.n, s.k), memory.data());
  double peak = bench::peak_flops(run);
  bench::stopwatch watch;
  for (auto _ : state)
    watch.time([&] { gemm(run, matrix<const float>(a.data(), s.m, s.k), b, epilogue::store{{c.data(), s.m, s.n}}); });
  peak = bench::peak_flops(run);
  report(state, watch, s, peak);
}

// The same in bf16, relative to the bf16 peak.
void forward_bf16(::benchmark::State& state, const shape& s, std::size_t width) {
  const execution::threads run{width};
  const auto a = random_floats(s.m * s.k, 1), w = random_floats(s.n * s.k, 2);
  buffer<bf16> rounded(s.m * s.k);
  for (std::size_t i = 0; i < rounded.size(); ++i) rounded[i] = to_bf16(a[i]);
  buffer<float> c(s.m * s.n), memory(packed_bf16_size(s.k, s.n));
  const auto b = pack_transposed_bf16(run, matrix<const float>(w.data(), s.n, s.k), memory.data());
  double peak = bench::peak_bf16_flops(run);
  bench::stopwatch watch;
  for (auto _ : state)
    watch.time([&] { gemm(run, matrix<const bf16>(rounded.data(), s.m, s.k), b, epilogue::store{{c.data(), s.m, s.n}}); });
  peak = bench::peak_bf16_flops(run);
  report(state, watch, s, peak);
}

#if BERT_AMX
// The same by AMX with other sizes of parts and blocks than `amx_sizes` has: tools/tune_tiles prints the best.
template <std::size_t Depth, std::size_t Rows>
struct block_sizes {
  static constexpr std::size_t part_depth = Depth;
  static std::size_t block_rows(std::size_t, std::size_t) noexcept { return Rows; }
};
template <class Sizes>
void tile_sizes(::benchmark::State& state, const shape& s, std::size_t width) {
  const execution::threads run{width};
  const auto a = random_floats(s.m * s.k, 1), w = random_floats(s.n * s.k, 2), bias = random_floats(s.n, 3);
  buffer<bf16> rounded(s.m * s.k), c(s.m * s.n);
  for (std::size_t i = 0; i < rounded.size(); ++i) rounded[i] = to_bf16(a[i]);
  buffer<float> memory(packed_bf16_size(s.k, s.n));
  const auto b = pack_transposed_bf16(run, matrix<const float>(w.data(), s.n, s.k), memory.data());
  const matrix<const float> pairs(reinterpret_cast<const bf16_pair*>(rounded.data()), s.m, s.k / 2);
  double peak = bench::peak_bf16_flops(run);
  bench::stopwatch watch;
  for (auto _ : state)
    watch.time([&] {
      multiply<rows_in_place<bf16_pair, Sizes>>(run, amx_tile<bert::kernels::detail::amx_pairs, amx::processor_tiles>{}, pairs,
                                                s.m, b.pairs, epilogue::bias<bf16>{{c.data(), s.m, s.n}, bias.data()});
    });
  peak = bench::peak_bf16_flops(run);
  report(state, watch, s, peak);
}
#endif

// The feed-forward layer's first product with its epilogue, bias and GELU.
void forward_gelu(::benchmark::State& state, const shape& s, std::size_t width) {
  const execution::threads run{width};
  const auto a = random_floats(s.m * s.k, 1), w = random_floats(s.n * s.k, 2), bias = random_floats(s.n, 3);
  buffer<float> c(s.m * s.n), memory(packed_size(s.k, s.n));
  const packed b = pack_transposed(run, matrix<const float>(w.data(), s.n, s.k), memory.data());
  double peak = bench::peak_flops(run);
  bench::stopwatch watch;
  const epilogue::bias_activation<gelu_erf> finish{{c.data(), s.m, s.n}, bias.data()};
  for (auto _ : state) watch.time([&] { gemm(run, matrix<const float>(a.data(), s.m, s.k), b, finish); });
  peak = bench::peak_flops(run);
  report(state, watch, s, peak);
}

// Offsets of groups of equal size.
std::vector<std::size_t> equal_groups(std::size_t rows, std::size_t count) {
  std::vector<std::size_t> offsets;
  for (std::size_t g = 0; g <= count; ++g) offsets.push_back(rows * g / count);
  return offsets;
}

// The gradient of the same weights: [n, m] x [m, k], depth = tokens, in one group or as a tree of several.
template <std::size_t Groups>
void weight_gradient(::benchmark::State& state, const shape& s, std::size_t width) {
  const auto offsets = equal_groups(s.m, Groups);
  const execution::threads run{width};
  const auto d_y = random_floats(s.m * s.n, 1), x = random_floats(s.m * s.k, 2);
  buffer<float> c(s.n * s.k), memory(packed_size(s.m, s.k));
  const packed b = pack(run, matrix<const float>(x.data(), s.m, s.k), memory.data());
  double peak = bench::peak_flops(run);
  bench::stopwatch watch;
  for (auto _ : state)
    watch.time([&] {
      gemm_transposed(run, matrix<const float>(d_y.data(), s.m, s.n), b, epilogue::add{{c.data(), s.n, s.k}},
                      row_groups{offsets});
    });
  peak = bench::peak_flops(run);
  report(state, watch, s, peak);
}

// The same products in int8, without quantizing x.
template <class Activation>
void forward_int8(::benchmark::State& state, const shape& s, std::size_t width) {
  const execution::threads run{width};
  const auto a = random_floats(s.m * s.k, 1), w = random_floats(s.n * s.k, 2), bias = random_floats(s.n, 3);
  buffer<float> c(s.m * s.n), left(quantized_size(s.m, s.k)), right(packed_int8_size(s.k, s.n));
  const quantized x(left.data(), s.m, s.k);
  quantize(run, matrix<const float>(a.data(), s.m, s.k), x);
  const packed_int8 b = pack_int8(run, matrix<const float>(w.data(), s.n, s.k), right.data());
  double peak = bench::peak_int8_ops(run);
  bench::stopwatch watch;
  for (auto _ : state)
    watch.time([&] {
      if constexpr (std::is_void_v<Activation>) gemm(run, x, b, epilogue::bias{{c.data(), s.m, s.n}, bias.data()});
      else gemm(run, x, b, epilogue::bias_activation<Activation>{{c.data(), s.m, s.n}, bias.data()});
    });
  peak = bench::peak_int8_ops(run);
  report(state, watch, s, peak);
}

void quantize_rows(::benchmark::State& state, const shape& s, std::size_t width) {
  const execution::threads run{width};
  const auto a = random_floats(s.m * s.k, 1);
  buffer<float> memory(quantized_size(s.m, s.k));
  bench::stopwatch watch;
  for (auto _ : state) watch.time([&] { quantize(run, matrix<const float>(a.data(), s.m, s.k), {memory.data(), s.m, s.k}); });
  state.counters["GB/s"] = 5e-9 * static_cast<double>(s.m * s.k) / watch.median();
}

// The same in bf16, including training's packing: both operands are rounded and paired.
template <std::size_t Groups>
void weight_gradient_bf16(::benchmark::State& state, const shape& s, std::size_t width) {
  const auto offsets = equal_groups(s.m, Groups);
  const row_groups groups{offsets};
  const execution::threads run{width};
  const auto d_y = random_floats(s.m * s.n, 1), x = random_floats(s.m * s.k, 2);
  buffer<float> c(s.n * s.k), left(bf16_pairs_of(s.m, Groups) * s.n), right(packed_bf16_size(s.m, s.k, Groups));
  double peak = bench::peak_bf16_flops(run);
  bench::stopwatch watch;
  for (auto _ : state)
    watch.time([&] {
      const auto b = pack_bf16(run, matrix<const float>(x.data(), s.m, s.k), right.data(), groups);
      gemm_transposed(run, pair_rows(run, matrix<const float>(d_y.data(), s.m, s.n), left.data(), groups), b,
                      epilogue::add{{c.data(), s.n, s.k}}, groups);
    });
  peak = bench::peak_bf16_flops(run);
  report(state, watch, s, peak);
}

// Packing: GB/s of memory read and written.
template <bool Transposed>
void packing(::benchmark::State& state, const shape& s, std::size_t width) {
  const execution::threads run{width};
  const auto w = random_floats(s.n * s.k, 2);
  buffer<float> memory(packed_size(s.k, s.n));
  bench::stopwatch watch;
  for (auto _ : state)
    watch.time([&] {
      if constexpr (Transposed) pack_transposed(run, matrix<const float>(w.data(), s.n, s.k), memory.data());
      else pack(run, matrix<const float>(w.data(), s.k, s.n), memory.data());
    });
  state.counters["GB/s"] = 8e-9 * static_cast<double>(s.n * s.k) / watch.median();
}

}  // namespace

int main(int argc, char** argv) {
  using ::benchmark::RegisterBenchmark;
  bench::peaks();
  for (const std::size_t width : {2u, 1u}) {
    const std::string suffix = "/threads:" + std::to_string(width);
    const auto add = [&](const std::string& name, auto body, auto... arguments) {
      RegisterBenchmark((name + suffix).c_str(), body, arguments..., width)
          ->UseRealTime()
          ->Unit(::benchmark::kMicrosecond)
          ->MinTime(0.2);
    };
    for (const auto& s : shapes) add(std::string("forward/") + s.name, forward, s);
    for (const auto& s : shapes) add(std::string("forward_bf16/") + s.name, forward_bf16, s);
#if BERT_AMX
    if (amx_permitted()) {
      const auto sizes = [&]<std::size_t... Depth>(auto rows, std::index_sequence<Depth...>) {
        for (const auto& s : shapes)
          if (s.m > amx_sizes::few_rows)
            (add(cat("tile_sizes/", Depth, 'x', rows(), '/', s.name), tile_sizes<block_sizes<Depth, rows()>>, s), ...);
      };
      using depths = std::index_sequence<48, 96, 128, 192>;
      sizes(std::integral_constant<std::size_t, 64>{}, depths{});
      sizes(std::integral_constant<std::size_t, 128>{}, depths{});
      sizes(std::integral_constant<std::size_t, 192>{}, depths{});
    }
#endif
    for (const auto& s : shapes)
      if (s.n > s.k && s.n < 4000) add(std::string("forward_gelu/") + s.name, forward_gelu, s);
    for (const auto& s : shapes) add(std::string("forward_int8/") + s.name, forward_int8<void>, s);
    for (const auto& s : shapes)
      if (s.n > s.k && s.n < 4000) add(std::string("forward_int8_gelu/") + s.name, forward_int8<gelu_erf>, s);
    for (const auto& s : shapes) add(std::string("quantize/") + s.name, quantize_rows, s);
    for (const auto& s : shapes)
      if (s.m >= 512) add(std::string("weight_gradient/") + s.name, weight_gradient<1>, s);
    for (const auto& s : shapes)
      if (s.m >= 512) add(std::string("weight_gradient_16_groups/") + s.name, weight_gradient<16>, s);
    for (const auto& s : shapes)
      if (s.m >= 512) add(std::string("weight_gradient_bf16/") + s.name, weight_gradient_bf16<1>, s);
    for (const auto& s : shapes)
      if (s.m >= 512) add(std::string("weight_gradient_bf16_16_groups/") + s.name, weight_gradient_bf16<16>, s);
    for (const auto& s : shapes)
      if (s.m >= 512) {
        add(std::string("pack/") + s.name, packing<false>, s);
        add(std::string("pack_transposed/") + s.name, packing<true>, s);
      }
  }
  ::benchmark::Initialize(&argc, argv);
  if (::benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  ::benchmark::RunSpecifiedBenchmarks();
}
