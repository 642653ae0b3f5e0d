// Layer: tests. Of: include/bert/kernels/attention/attention_amx.hpp
#include "bert/kernels/attention/attention_amx.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "bert/core/amx_permission.hpp"
#include "bert/core/random.hpp"
#include "bert/kernels/attention/attention_bf16.hpp"
#include "support/largest.hpp"

using namespace bert;
using namespace bert::kernels;

namespace {

/// Queries, keys and values of sequences of the given lengths, two heads.
template <int HeadDim>
struct problem {
  static constexpr std::size_t hidden = 2 * HeadDim;
  std::vector<std::size_t> starts{0};
  std::vector<bf16> qkv;
  std::size_t stride = 3 * hidden + 2;

  explicit problem(std::vector<std::size_t> lengths, std::uint64_t seed = 1, float scale = 2) {
    for (const std::size_t n : lengths) starts.push_back(starts.back() + n);
    random_stream random(seed, draw::user);
    qkv.resize(starts.back() * stride);
    for (auto& x : qkv) x = to_bf16((random.uniform() * 2 - 1) * scale);
  }
  [[nodiscard]] matrix<const bf16> view() const { return {qkv.data(), starts.back(), 3 * hidden, stride}; }

  template <class Tiles, class Out = float, executor E = execution::serial>
  [[nodiscard]] std::vector<Out> by_tiles(const E& e = {}) const {
    std::vector<Out> out(starts.back() * hidden);
    attention_by_tiles<HeadDim, Tiles>(e, view(), starts, matrix<Out>{out.data(), starts.back(), hidden});
    return out;
  }
  /// The formula in double.
  [[nodiscard]] std::vector<double> expected() const {
    std::vector<double> out(starts.back() * hidden);
    const auto at = [&](std::size_t n, std::size_t j) { return static_cast<double>(to_float(qkv[n * stride + j])); };
    for (std::size_t s = 0; s + 1 < starts.size(); ++s)
      for (std::size_t h = 0; h < 2; ++h)
        for (std::size_t n = starts[s]; n < starts[s + 1]; ++n) {
          std::vector<double> p;
          double top = -1e300, total = 0;
          for (std::size_t m = starts[s]; m < starts[s + 1]; ++m) {
            double score = 0;
            for (std::size_t d = 0; d < HeadDim; ++d) score += at(n, h * HeadDim + d) * at(m, hidden + h * HeadDim + d);
            p.push_back(score / std::sqrt(static_cast<double>(HeadDim)));
            top = std::max(top, p.back());
          }
          for (auto& x : p) total += x = std::exp(x - top);
          for (std::size_t m = starts[s]; m < starts[s + 1]; ++m)
            for (std::size_t d = 0; d < HeadDim; ++d)
              out[n * hidden + h * HeadDim + d] += p[m - starts[s]] / total * at(m, 2 * hidden + h * HeadDim + d);
        }
    return out;
  }
};

template <int HeadDim>
void is_the_formula(const std::vector<std::size_t>& lengths) {
  const problem<HeadDim> x(lengths);
  const auto expected = x.expected();
  const auto out = x.template by_tiles<amx::plain_tiles>();
  support::largest worst;
  for (std::size_t i = 0; i < out.size(); ++i) worst.add(std::abs(static_cast<double>(out[i]) - expected[i]));
  CAPTURE(HeadDim);
  CHECK(worst.value() < 6e-3);  // probabilities of up to 1 are rounded to 8 bits
}

}  // namespace

TEST_CASE("attention by tiles agrees with the formula for heads of any even size and sequences of any length") {
  is_the_formula<64>({1, 2, 31, 32, 33, 100});
  is_the_formula<32>({17, 64, 5});
  is_the_formula<2>({3, 40});
  is_the_formula<26>({1, 33});
  is_the_formula<40>({50, 16});
  is_the_formula<128>({35});
}

TEST_CASE("a sequence longer than the keys packed at once continues from the sums of earlier keys") {
  is_the_formula<16>({513, 1040});
  const problem<16> x({1500}, 3, 9.0f);  // one or two keys have all the weight, and a later maximum takes it over
  const auto expected = x.expected();
  const auto out = x.by_tiles<amx::plain_tiles>();
  support::largest worst;
  for (std::size_t i = 0; i < out.size(); ++i) worst.add(std::abs(static_cast<double>(out[i]) - expected[i]));
  CHECK(worst.value() < 5e-2);
}

TEST_CASE("attention by tiles of a sequence depends neither on other sequences nor on the number of threads") {
  const problem<64> x({40, 7, 90});
  const auto all = x.by_tiles<amx::plain_tiles>();
  CHECK(x.by_tiles<amx::plain_tiles>(execution::threads{3}) == all);
  problem<64> last({90});
  last.qkv.assign(x.qkv.begin() + static_cast<std::ptrdiff_t>(47 * x.stride), x.qkv.end());
  const auto alone = last.by_tiles<amx::plain_tiles>();
  CHECK(std::equal(alone.begin(), alone.end(), all.begin() + 47 * 128));
}

TEST_CASE("attention has the same bits with the processor's tiles and plain ones, in f32 and bf16") {
#if BERT_AMX
  if (!amx_permitted()) {
    MESSAGE("not run: the system does not permit AMX");
    return;
  }
  const problem<64> x({1, 33, 128, 513});
  CHECK(x.by_tiles<amx::processor_tiles>() == x.by_tiles<amx::plain_tiles>());
  const problem<26> odd({1, 33, 70});
  const auto ours = odd.by_tiles<amx::processor_tiles, bf16>(), plain = odd.by_tiles<amx::plain_tiles, bf16>();
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) wrong += ours[i].bits == plain[i].bits ? 0 : 1;
  CHECK(wrong == 0);
#else
  MESSAGE("not run: compiled without AMX");
#endif
}
