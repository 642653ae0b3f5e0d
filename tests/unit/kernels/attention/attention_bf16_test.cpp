// Layer: tests. Of: include/bert/kernels/attention/attention_bf16.hpp
#include "bert/kernels/attention/attention_bf16.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/kernels/reference/attention.hpp"
#include "support/largest.hpp"

namespace {

using namespace bert;

/// Queries, keys and values of some sequences, rounded to bf16, of magnitude `spread`.
template <int HeadDim>
struct problem {
  static constexpr std::size_t heads = 3, hidden = heads * std::size_t{HeadDim};
  std::vector<std::size_t> starts{0};
  buffer<bf16> qkv;

  explicit problem(std::vector<std::size_t> lengths, float spread = 2) {
    for (const auto n : lengths) starts.push_back(starts.back() + n);
    qkv = buffer<bf16>(starts.back() * 3 * hidden);
    random_stream random(3, draw::user);
    for (auto& x : qkv) x = to_bf16(spread * (random.uniform() * 2 - 1));
  }
  [[nodiscard]] std::size_t tokens() const { return starts.back(); }
  [[nodiscard]] matrix<const bf16> in() const { return {qkv.data(), tokens(), 3 * hidden}; }

  template <executor E>
  [[nodiscard]] std::vector<float> run(const E& e) const {
    buffer<bf16> context(tokens() * hidden);
    kernels::attention<HeadDim>(e, in(), starts, matrix<bf16>{context.data(), tokens(), hidden});
    std::vector<float> out;
    for (const auto x : context) out.push_back(to_float(x));
    return out;
  }
  [[nodiscard]] std::vector<double> expected() const {
    std::vector<double> wide(qkv.size()), out(tokens() * hidden);
    for (std::size_t i = 0; i < qkv.size(); ++i) wide[i] = static_cast<double>(to_float(qkv[i]));
    kernels::reference::attention<double>(HeadDim, {wide.data(), tokens(), 3 * hidden}, starts, {out.data(), tokens(), hidden},
                                          nullptr, {});
    return out;
  }
};

// Context is a mean of values up to `spread`: probabilities have relative errors of 2^-9 with random signs, the context one of
// 2^-9.
template <int HeadDim>
double worst(const problem<HeadDim>& p) {
  const auto found = p.run(execution::serial{});
  const auto expected = p.expected();
  return support::largest_difference(found, expected);
}

}  // namespace

TEST_CASE(
    "bf16 attention agrees with the plain loops within its roundings, for lengths around the block size and any even "
    "head_dim") {
  const std::vector<std::size_t> lengths{1, 2, 3, 15, 16, 17, 33, 63, 64, 65, 66, 127, 128, 130, 257};
  CHECK(worst(problem<64>(lengths)) < 2 * 0x1p-8);
  CHECK(worst(problem<32>(lengths)) < 2 * 0x1p-8);
  CHECK(worst(problem<12>(lengths)) < 2 * 0x1p-8);
  CHECK(worst(problem<2>(lengths)) < 2 * 0x1p-8);
  CHECK(worst(problem<64>({200}, 40)) < 40 * 0x1p-8);  // one key takes all
}

TEST_CASE("bf16 attention has the same bits alone, among others and on any number of threads") {
  const problem<64> all({70, 5, 128, 31});
  const auto together = all.run(execution::serial{});
  for (const std::size_t n : {2u, 3u}) CHECK(all.run(execution::threads{n}) == together);
  for (std::size_t s = 0; s < 4; ++s) {
    problem<64> one({all.starts[s + 1] - all.starts[s]});
    std::memcpy(one.qkv.data(), all.in().row(all.starts[s]), one.qkv.size() * sizeof(bf16));
    const auto alone = one.run(execution::serial{});
    CHECK(std::equal(alone.begin(), alone.end(), together.begin() + static_cast<std::ptrdiff_t>(all.starts[s] * all.hidden)));
  }
}
