#include "bert/core/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace {

using bert::draw;
using bert::random_stream;

// Known answers of philox4x32-10: kat_vectors of Random123, the authors' library.
static_assert(bert::philox({0, 0, 0, 0}, 0) ==
              std::array<std::uint32_t, 4>{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
static_assert(bert::philox({~0u, ~0u, ~0u, ~0u}, ~std::uint64_t{0}) ==
              std::array<std::uint32_t, 4>{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
static_assert(bert::philox({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, 0x299f31d0a4093822u) ==
              std::array<std::uint32_t, 4>{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u});
static_assert(std::uniform_random_bit_generator<random_stream>);

std::vector<std::uint32_t> first(random_stream stream, std::size_t n = 8) {
  std::vector<std::uint32_t> out(n);
  for (auto& x : out) x = stream();
  return out;
}

TEST_CASE("a stream depends on seed, purpose and both indices, and on nothing else") {
  const auto reference = first({1, draw::masking, 5, 2});
  CHECK(first({1, draw::masking, 5, 2}) == reference);
  CHECK(first({2, draw::masking, 5, 2}) != reference);
  CHECK(first({1, draw::dropout, 5, 2}) != reference);
  CHECK(first({1, draw::masking, 6, 2}) != reference);
  CHECK(first({1, draw::masking, 5, 3}) != reference);
  CHECK(first({1, draw::masking, 5 + (std::uint64_t{1} << 32), 2}) != reference);
}

TEST_CASE("uniform numbers are in [0, 1) with the mean and variance of their distribution") {
  random_stream random(7, draw::user);
  constexpr int n = 200'000;
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double x = static_cast<double>(random.uniform());
    REQUIRE((x >= 0 && x < 1));
    sum += x;
    squares += x * x;
  }
  CHECK(sum / n == doctest::Approx(0.5).epsilon(0.005));  // standard error 0.00065
  CHECK(squares / n - 0.25 == doctest::Approx(1.0 / 12).epsilon(0.03));
}

TEST_CASE("normal numbers have mean 0, variance 1 and kurtosis 3") {
  random_stream random(7, draw::initial_weights);
  constexpr int n = 200'000;
  double sum = 0, squares = 0, fourth = 0;
  for (int i = 0; i < n; ++i) {
    const double x = static_cast<double>(random.normal());
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  CHECK(std::abs(sum / n) < 0.01);  // standard error 0.0022
  CHECK(squares / n == doctest::Approx(1).epsilon(0.02));
  CHECK(fourth / n == doctest::Approx(3).epsilon(0.05));
}

TEST_CASE("numbers below a count are all reached, equally often") {
  random_stream random(3, draw::user);
  std::array<int, 7> seen{};
  for (int i = 0; i < 70'000; ++i) ++seen[random.below(7)];
  for (const int n : seen) CHECK(std::abs(n - 10'000) < 500);  // five standard deviations
  CHECK(random.below(1) == 0);
}

TEST_CASE("a shuffle is a permutation, the same for the same stream, another for another") {
  std::vector<int> a(100), b(100), c(100);
  for (auto* v : {&a, &b, &c}) std::iota(v->begin(), v->end(), 0);
  const auto sorted = a;
  bert::shuffle(std::span(a), random_stream(1, draw::shuffling, 0));
  bert::shuffle(std::span(b), random_stream(1, draw::shuffling, 0));
  bert::shuffle(std::span(c), random_stream(1, draw::shuffling, 1));
  CHECK(a == b);
  CHECK(a != c);
  CHECK(a != sorted);
  std::sort(a.begin(), a.end());
  CHECK(a == sorted);
}

}  // namespace

TEST_CASE("a key from a name is its FNV-1a hash") {
  static_assert(bert::key_of("") == 0xCBF29CE484222325u);
  static_assert(bert::key_of("a") == 0xAF63DC4C8601EC8Cu);
  static_assert(bert::key_of("foobar") == 0x85944171F73967E8u);
  CHECK(bert::key_of("classifier.weight") != bert::key_of("qa_outputs.weight"));  // of equal length
}
