// The kernels other than products, from the descriptions that also give their tests, and the machine's peaks.
//   kernels_bench --benchmark_filter=attention
// Compute-bound kernels report GFLOP/s and the share of the FMA peak, the others GB/s and, beyond the caches, the share of the
// read bandwidth; both peaks are measured in this process with as many threads. "share" is of the median call, "best" of the
// fastest.
#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include "bert/kernels/loss/viterbi.hpp"
#include "support/kernels/attention_kernel.hpp"
#include "support/kernels/crf_kernel.hpp"
#include "support/kernels/parameter_kernels.hpp"
#include "support/kernels/row_kernels.hpp"
#include "workloads.hpp"

namespace {

using namespace bert;
using namespace bert::test;

template <class Call>
void measure(::benchmark::State& state, std::size_t width, double flops, double bytes, const Call& call) {
  const execution::threads run{width};
  double peak = flops > 0 ? bench::peak_flops(run) : bench::peak_bytes(run);
  bench::stopwatch watch;
  for (auto _ : state) watch.time([&] { call(run); });
  peak = flops > 0 ? bench::peak_flops(run) : bench::peak_bytes(run);
  const double work = flops > 0 ? flops : bytes;
  state.counters[flops > 0 ? "GFLOP/s" : "GB/s"] = work / watch.median() * 1e-9;
  state.counters["share"] = work / watch.median() / peak;
  state.counters["best"] = work / watch.best() / peak;
}

template <class K>
double flops_of(const K& k, bool back) {
  if constexpr (requires { k.flops(); }) return back ? k.backward_flops() : k.flops();
  else return 0;
}
template <class K>
double bytes_of(const K& k, bool back) {
  if (back) {
    if constexpr (requires { k.backward_bytes(); }) return k.backward_bytes();
  } else if constexpr (requires { k.bytes(); }) return k.bytes();
  return 0;
}

void register_row(const std::string& name, const char* pass, std::size_t width,
                  const std::function<void(::benchmark::State&)>& row) {
  ::benchmark::RegisterBenchmark((name + pass + "/threads:" + std::to_string(width)).c_str(), row)
      ->Unit(::benchmark::kMicrosecond)
      ->UseRealTime()
      ->MinTime(0.2);
}

/// Rows for those passes of a kernel whose cost its description has, with one and with two threads.
template <kernel_description K>
void add(const std::string& name, const K& kernel) {
  for (const std::size_t width : {1u, 2u})
    for (const bool back : {false, true}) {
      const double flops = flops_of(kernel, back), bytes = bytes_of(kernel, back);
      if (flops == 0 && bytes == 0) continue;
      const auto row = [=](::benchmark::State& state) {
        K k = kernel;
        const auto in = random_arrays<float>(k.inputs(), 1);
        if (!back) {
          auto out = filled<float>(k.outputs(), 0.0f);
          measure(state, width, flops, bytes, [&](const auto& run) { k.forward(run, in, out); });
        } else if constexpr (differentiable_kernel<K>) {
          save_for_backward(k, in);
          const auto d_out = output_gradients<float>(k);
          auto d_in = filled<float>(k.inputs(), 0.0f);
          measure(state, width, flops, bytes, [&](const auto& run) { k.backward(run, in, d_out, d_in); });
        }
      };
      register_row(name, back ? "/backward" : "", width, row);
    }
}

/// Steps of AdamW in place; the description's forward pass would copy the moments first.
void add_adamw(const std::string& name, std::size_t count) {
  for (const std::size_t width : {1u, 2u}) {
    const auto row = [=](::benchmark::State& state) {
      const std::vector<float> gradient(count, 0.01f);
      std::vector<float> m(count, 0.0f), v(count, 0.0f), p(count, 1.0f);
      measure(state, width, 0, 28.0 * static_cast<double>(count),  // reads gradient, m, v, p; writes m, v, p
              [&](const auto& run) { kernels::adamw(run, {}, gradient, m, v, p); });
    };
    register_row(name, "", width, row);
  }
}

/// A CRF's part of a training step (losses and all gradients), and Viterbi. Per word and pair of tags, forward and backward
/// sums take a multiply-add each, the transitions' gradient three operations.
void add_crf(const std::string& name, const std::vector<std::size_t>& lengths, std::size_t tags) {
  const crf_kernel k{lengths, tags};
  const double pairs = static_cast<double>(k.words() * tags * tags);
  for (const std::size_t width : {1u, 2u})
    for (const bool best : {false, true}) {
      const auto row = [=](::benchmark::State& state) {
        const auto in = random_arrays<float>(k.inputs(), 1);
        const auto allowed = crf_table(k.rules, tags);
        const auto starts = k.starts();
        const auto rows = k.word_rows();
        auto path = k.path();
        const float* w = in[1].data();
        const kernels::crf c{tags, w, w + tags, w + 2 * tags, allowed.data()};
        array<float> x = in[0], shares(lengths.size() * kernels::crf_share(tags)),
                     scratch(std::max(kernels::crf_scratch(tags, k.words(), lengths.size()),
                                      kernels::viterbi_scratch(tags, k.words(), lengths.size())));
        std::vector<double> losses(lengths.size());
        std::vector<std::int32_t> right(lengths.size());
        measure(state, width, (best ? 2 : 7) * pairs, 0, [&](const auto& run) {
          const matrix<float> m{x.data(), k.rows(), tags};
          if (best) return kernels::viterbi(run, c, {starts, rows}, m, path.data(), right.data(), scratch.data());
          std::copy(in[0].begin(), in[0].end(), x.begin());
          kernels::crf_loss(run, c, {starts, rows}, m, path, losses.data(), right.data(), shares.data(), 0.1f, scratch.data());
        });
      };
      register_row(name, best ? "/viterbi" : "/step", width, row);
    }
}

std::vector<std::size_t> lengths(std::size_t count, std::size_t tokens) { return std::vector<std::size_t>(count, tokens); }

/// 8 to 128 tokens, mean 40, like a batch of real sentences.
std::vector<std::size_t> ragged() {
  std::vector<std::size_t> all;
  for (std::size_t s = 0; s < 64; ++s) all.push_back(8 + s * s * s % 121 * (s % 3 == 0 ? 2 : 1) % 121 * 64 / 121);
  return all;
}

const bool registered = [] {
  bench::peaks();
  add("attention/base_1x128", attention_kernel<64>{lengths(1, 128), 12});
  add("attention/base_8x128", attention_kernel<64>{lengths(8, 128), 12});
  add("attention/base_4x512", attention_kernel<64>{lengths(4, 512), 12});
  add("attention/base_1x16", attention_kernel<64>{lengths(1, 16), 12});
  add("attention/base_ragged", attention_kernel<64>{ragged(), 12});
  add("attention/base_8x128_dropout", attention_kernel<64>{lengths(8, 128), 12, {.rate = 0.1f, .key = 1}});
  add("attention/minilm_32x64", attention_kernel<32>{lengths(32, 64), 12});
  add("attention/mini_32x128", attention_kernel<64>{lengths(32, 128), 4});
  add("attention/tiny_64x64", attention_kernel<64>{lengths(64, 64), 2});
  add("layer_norm/1024x768", layer_norm_kernel{{1024, 768}});
  add("layer_norm/4096x128", layer_norm_kernel{{4096, 128}});
  add("softmax/1024x128", softmax_kernel{{1024, 128}});
  add("gelu_erf/1024x3072", activation_kernel<kernels::gelu_erf>{{1024, 3072}});
  add("gelu_tanh/1024x3072", activation_kernel<kernels::gelu_tanh>{{1024, 3072}});
  add("column_sums/1024x3072", bias_kernel{{1024, 3072}});
  add("residual/1024x768", residual_kernel{{1024, 768}, {}});
  add("residual_dropout/1024x768", residual_kernel{{1024, 768}});
  add("cross_entropy/154x30522", cross_entropy_kernel{{154, 30522}});
  add("cross_entropy/614x8192", cross_entropy_kernel{{614, 8192}});
  add("embedding/8x128", embedding_kernel{lengths(8, 128), 768, 30522});
  add_adamw("adamw/23M", std::size_t{23} << 20);
  for (const std::size_t tags : {9u, 27u}) {
    add_crf("crf/32x128x" + std::to_string(tags), lengths(32, 128), tags);
    add_crf("crf/ragged_x" + std::to_string(tags), ragged(), tags);
  }
  return true;
}();

}  // namespace
