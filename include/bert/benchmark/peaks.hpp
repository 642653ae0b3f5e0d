// The machine's peaks, measured in the process that reports shares of them: operations and bytes read per second.
// Layer: benchmark. Test: tests/benchmark/benchmark_test.cpp
#ifndef BERT_BENCHMARK_PEAKS_HPP
#define BERT_BENCHMARK_PEAKS_HPP

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "bert/core/amx_permission.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/core/random.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/amx.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/int8.hpp"

namespace bert::inline BERT_ISA::benchmark {

using execution::threads;

[[nodiscard]] inline double now() noexcept {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// x = x * factor + offset, `steps` times on each of 24 independent registers: 24 chains cover a latency of 4 cycles on up to 6
/// pipes and fit 32 registers with two constants; for 16 registers, 12 chains.
inline float multiply_adds(std::size_t steps, float factor, float offset) noexcept {
  using namespace kernels;
  constexpr std::size_t chains = simd_registers >= 32 ? 24 : 12;
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    simd x[chains] = {simd(static_cast<float>(I))...};
    const simd f(factor), o(offset);
    for (std::size_t s = 0; s < steps; ++s) ((x[I] = fma(x[I], f, o)), ...);
    simd total = zero();
    ((total += x[I]), ...);
    return sum(total);
  }
  (std::make_index_sequence<chains>{});
}

/// f32 operations per second of `run.width()` threads together: the best of `repeats` runs of some 2 ms.
inline double flops_once(const threads& run) {
  using namespace kernels;
  constexpr std::size_t chains = simd_registers >= 32 ? 24 : 12, steps = 200'000;
  volatile float factor = 0.999f, offset = 0.001f, sink = 0;
  const std::size_t n = run.width(), shares = 4 * n;  // claimed one by one, so that a slow core takes fewer
  std::vector<float> results(shares * 16);
  const float f = factor, o = offset;
  const double start = now();
  run.parallel_for(shares, [&](std::size_t i) { results[i * 16] = multiply_adds(steps / 4, f, o); });
  const double seconds = now() - start;
  for (const float r : results) sink = sink + r;
  return 2.0 * static_cast<double>(lanes * chains * (steps / 4) * shares) / seconds;
}

/// sums += left * weights, `steps` times on each of 24 or 8 independent registers, as `multiply_adds`. Products of several
/// instructions must differ between registers and steps, or the compiler would compute them once. So, as in a tile, two
/// registers of weights, reloaded from memory that the asm may have changed, meet four rows.
inline std::int32_t byte_dots(std::size_t steps, const std::uint8_t* bytes) noexcept {
  using form = kernels::byte_dot::best;
  constexpr std::size_t chains = kernels::simd_registers >= 32 ? 24 : 8;
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    typename form::sums x[chains] = {form::load(bytes + I)...};  // all different, or the compiler would merge them
    if constexpr (form::zero_point != 0) {
      const auto left = form::broadcast(bytes);
      const auto weights = form::load(bytes + chains);
      for (std::size_t s = 0; s < steps; ++s) ((x[I] = form::dot(x[I], left, weights)), ...);
    } else {
      const typename form::left left[chains] = {form::broadcast(bytes + I)...};
      for (std::size_t s = 0; s < steps; ++s) {
#if defined(__GNUC__)
        asm volatile("" : "+r"(bytes));
#endif
        const typename form::sums weights[2] = {form::load(bytes + chains), form::load(bytes + chains + 4 * form::columns)};
        ((x[I] = form::dot(x[I], left[I / 2], weights[I % 2])), ...);
      }
    }
    std::array<std::int32_t, form::columns> lanes;
    std::int32_t total = 0;
    ((form::store(lanes.data(), x[I]), total ^= lanes[0]), ...);
    return total;
  }
  (std::make_index_sequence<chains>{});
}

#if BERT_AMX
/// Operations per second of AMX's tiles, operands in registers: four products of tiles a step, of `each` operations a sum. On
/// random numbers, as the clock falls with the data.
template <class Product>
inline double tile_ops_once(const threads& run, double each, const Product& product) {
  using namespace kernels;
  constexpr std::size_t steps = 20'000;
  const std::size_t shares = 4 * run.width();
  static const auto numbers = [] {
    std::vector<bf16> out(4 * 512);
    random_stream random(1, draw::user);
    for (auto& x : out) x = to_bf16(random.uniform() * 2 - 1);
    return out;
  }();
  const double start = now();
  run.parallel_for(shares, [&](std::size_t) {
    const amx::configured<amx::processor_tiles> entered;
    amx::processor_tiles tiles;
    tiles.load<amx::a_0>(numbers.data(), amx::row_bytes);
    tiles.load<amx::a_1>(numbers.data() + 512, amx::row_bytes);
    tiles.load<amx::b_0>(numbers.data() + 1024, amx::row_bytes);
    tiles.load<amx::b_1>(numbers.data() + 1536, amx::row_bytes);
    for (std::size_t s = 0; s < steps / 4; ++s) product(tiles);
  });
  return each * 4 * 256 * static_cast<double>(steps / 4 * shares) / (now() - start);
}
#endif

/// int8 operations per second by the form that products use; a multiply-add counts as two.
inline double int8_ops_once(const threads& run) {
  using namespace kernels;
  constexpr std::size_t chains = simd_registers >= 32 ? 24 : 8, steps = 200'000;
  const std::size_t shares = 4 * run.width();
  std::array<std::uint8_t, 128> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * i);
  std::vector<std::int32_t> results(shares * 16);
  volatile std::int32_t sink = 0;
  const double start = now();
  run.parallel_for(shares, [&](std::size_t i) { results[i * 16] = byte_dots(steps / 4, bytes.data()); });
  const double seconds = now() - start;
  for (const auto r : results) sink = sink ^ r;
  return 2.0 * static_cast<double>(4 * byte_dot::best::columns * chains * (steps / 4) * shares) / seconds;
}

/// Bytes per second that `run.width()` threads together read from memory: a pass over 340 MB, the size of base's layers. They
/// are written first, as unwritten pages all map one page of zeros, which stays in the caches.
inline double bytes_once(const threads& run) {
  using namespace kernels;
  static const auto memory = [] {
    buffer<float> written(std::size_t{85} << 20);
    std::ranges::fill(written, 1.0f);
    return written;
  }();
  constexpr std::size_t piece = std::size_t{1} << 18;
  const std::size_t pieces = memory.size() / piece;
  std::vector<float> results(pieces);
  volatile float sink = 0;
  const double start = now();
  run.parallel_for(pieces, [&](std::size_t i) {
    const float* p = memory.data() + i * piece;
    simd a = zero(), b = zero(), c = zero(), d = zero();
    for (std::size_t j = 0; j < piece; j += 4 * lanes) {
      a += load(p + j);
      b += load(p + j + lanes);
      c += load(p + j + 2 * lanes);
      d += load(p + j + 3 * lanes);
    }
    results[i] = sum(a + b + (c + d));
  });
  const double seconds = now() - start;
  for (const float r : results) sink = sink + r;
  return static_cast<double>(memory.size() * sizeof(float)) / seconds;
}

/// Measures a few more times and returns the best in this process so far: call it near each benchmark.
inline double peak_flops(const threads& run) {
  static std::map<std::size_t, double> best;
  double& b = best[run.width()];
  for (int i = 0; i < 5; ++i) b = std::max(b, flops_once(run));
  return b;
}
/// By AMX's tiles where there are any.
inline double peak_int8_ops(const threads& run) {
  static std::map<std::size_t, double> best;
  double& b = best[run.width()];
  for (int i = 0; i < 5; ++i) {
#if BERT_AMX
    using namespace kernels::amx;
    if (amx_permitted())
      b = std::max(b, tile_ops_once(run, 128, [](processor_tiles& tiles) {
                     tiles.multiply_int8<sums_00, a_0, b_0>();
                     tiles.multiply_int8<sums_01, a_0, b_1>();
                     tiles.multiply_int8<sums_10, a_1, b_0>();
                     tiles.multiply_int8<sums_11, a_1, b_1>();
                   }));
#endif
    b = std::max(b, int8_ops_once(run));
  }
  return b;
}
inline double peak_bytes(const threads& run) {
  static std::map<std::size_t, double> best;
  double& b = best[run.width()];
  for (int i = 0; i < 3; ++i) b = std::max(b, bytes_once(run));
  return b;
}

/// bf16 operations per second, as `flops_once`: four per lane and step.
inline double bf16_flops_once(const threads& run) {
  using namespace kernels;
  constexpr std::size_t chains = simd_registers >= 32 ? 24 : 10, steps = 200'000;
  volatile std::uint32_t halves = 0x3F803F80;  // 1 and 1: a denormal half would stall once widened
  const float f = std::bit_cast<float>(static_cast<std::uint32_t>(halves));
  const std::size_t shares = 4 * run.width();
  std::vector<float> results(shares * 16);
  const auto pairs = [f](std::size_t count) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      simd x[chains] = {simd(static_cast<float>(I))...};
      const simd a(f), b(-f);
      const auto step = [&](auto pass) {
        const simd pa = bf16_pairs::operand<decltype(pass)::value>(a), pb = bf16_pairs::operand<decltype(pass)::value>(b);
        ((x[I] = bf16_pairs::add(pa, pb, x[I])), ...);
      };
      for (std::size_t s = 0; s < count; ++s) unrolled<bf16_pairs::passes>(step);
      simd total = zero();
      ((total += x[I]), ...);
      return sum(total);
    }
    (std::make_index_sequence<chains>{});
  };
  const double start = now();
  run.parallel_for(shares, [&](std::size_t i) { results[i * 16] = pairs(steps / 4); });
  const double seconds = now() - start;
  volatile float sink = 0;
  for (const float r : results) sink = sink + r;
  return 4.0 * static_cast<double>(lanes * chains * (steps / 4) * shares) / seconds;
}
/// By AMX's tiles where there are any.
inline double peak_bf16_flops(const threads& run) {
  static std::map<std::size_t, double> best;
  double& b = best[run.width()];
  for (int i = 0; i < 5; ++i) {
#if BERT_AMX
    using namespace kernels::amx;
    if (amx_permitted())
      b = std::max(b, tile_ops_once(run, 64, [](processor_tiles& tiles) {
                     tiles.multiply_bf16<sums_00, a_0, b_0>();
                     tiles.multiply_bf16<sums_01, a_0, b_1>();
                     tiles.multiply_bf16<sums_10, a_1, b_0>();
                     tiles.multiply_bf16<sums_11, a_1, b_1>();
                   }));
#endif
    b = std::max(b, bf16_flops_once(run));
  }
  return b;
}

/// Times of single calls, for median and best: on a busy machine, means say little.
class stopwatch {
 public:
  /// Times one call of `body` and returns its result.
  template <class Body>
  decltype(auto) time(Body&& body) {
    const struct stop {
      stopwatch& watch;
      double start = now();
      ~stop() { watch.seconds_.push_back(now() - start); }
    } at_the_end{*this};
    return body();
  }
  [[nodiscard]] double best() const { return *std::min_element(seconds_.begin(), seconds_.end()); }
  [[nodiscard]] double median() {
    std::nth_element(seconds_.begin(), seconds_.begin() + static_cast<std::ptrdiff_t>(seconds_.size() / 2), seconds_.end());
    return seconds_[seconds_.size() / 2];
  }

 private:
  std::vector<double> seconds_;
};

}  // namespace bert::benchmark

#endif  // BERT_BENCHMARK_PEAKS_HPP
