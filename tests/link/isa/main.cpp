// A program of files compiled for several levels of x86-64: each runs its own kernels, f32 agrees, and products in bf16 and
// int8 have the same bits at every level.
//   test_isa LEVEL      v2, v3, v4, v4_bf16 or v4_bf16_widened; compares it with v2
// Exit status 77: this processor does not run it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include "support/largest.hpp"

#define BERT_TEST_DECLARE(level)                               \
  std::vector<float> encode_##level(std::span<const int> ids); \
  std::vector<float> multiply_##level();
BERT_TEST_DECLARE(v2)
BERT_TEST_DECLARE(v3)
BERT_TEST_DECLARE(v4)
BERT_TEST_DECLARE(v4_bf16)
BERT_TEST_DECLARE(v4_bf16_widened)

namespace {

struct level {
  std::string_view name;
  bool here;
  std::vector<float> (*encode)(std::span<const int>);
  std::vector<float> (*multiply)();
};

int check_low(const std::vector<float>& low) {
  // Rows of a layer norm with gain 1 and bias 0 have a mean square of 1.
  double squares = 0;
  for (const float x : low) squares += static_cast<double>(x) * static_cast<double>(x);
  if (low.size() == 37 * 96 && std::abs(squares / static_cast<double>(low.size()) - 1) <= 1e-3) return 0;
  std::printf("x86-64-v2: %zu numbers, mean square %g\n", low.size(), squares / static_cast<double>(low.size()));
  return 1;
}

int compare(const std::vector<float>& low, const level& high, std::span<const int> ids) {
  const auto encoded = high.encode(ids);
  const double worst = support::largest_difference(low, encoded);
  const auto expected = multiply_v2(), products = high.multiply();
  const bool same = !expected.empty() && expected.size() == products.size() &&
                    std::memcmp(expected.data(), products.data(), expected.size() * sizeof(float)) == 0;
  std::printf("largest difference %g; products in bf16 and int8 have %s bits\n", worst, same ? "the same" : "other");
  // FMA rounds once, SSE twice: equal bits would mean that one file runs the other's kernels.
  return worst < 1e-4 && worst > 0 && same ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool v4_bf16 = v4 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
  const level levels[]{{"v2", true, encode_v2, multiply_v2},
                       {"v3", v3, encode_v3, multiply_v3},
                       {"v4", v4, encode_v4, multiply_v4},
                       {"v4_bf16", v4_bf16, encode_v4_bf16, multiply_v4_bf16},
                       {"v4_bf16_widened", v4_bf16, encode_v4_bf16_widened, multiply_v4_bf16_widened}};
  const auto* wanted = std::ranges::find(levels, std::string_view(argc == 2 ? argv[1] : ""), &level::name);
  if (wanted == std::end(levels)) return 2;
  if (!wanted->here) return 77;
  std::vector<int> ids(37);
  std::iota(ids.begin(), ids.end(), 100);
  const auto low = encode_v2(ids);
  return wanted == levels ? check_low(low) : compare(low, *wanted, ids);
}
