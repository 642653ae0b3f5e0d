// The row of this machine's peaks, in every program whose rows report shares of them.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <string>

#include "peak.hpp"

namespace bench {

/// Registers peak/threads:N: operations per second in f32, bf16 and int8, and bytes read from memory.
inline void add_peaks() {
  for (const std::size_t width : {1u, 2u}) {
    const auto row = [width](benchmark::State& state) {
      const threads run{width};
      double f32 = 0, bf16 = 0, int8 = 0, bytes = 0;
      for (auto _ : state)
        f32 = peak_flops(run), bf16 = peak_bf16_flops(run), int8 = peak_int8_ops(run), bytes = peak_bytes(run);
      state.counters["GFLOP/s"] = f32 * 1e-9;
      state.counters["bf16"] = bf16 * 1e-9;
      state.counters["int8"] = int8 * 1e-9;
      state.counters["GB/s"] = bytes * 1e-9;
    };
    benchmark::RegisterBenchmark(("peak/threads:" + std::to_string(width)).c_str(), row)->Iterations(3)->UseRealTime();
  }
}

}  // namespace bench
