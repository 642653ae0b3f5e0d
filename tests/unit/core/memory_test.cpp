#include "bert/core/memory.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <numeric>

static_assert(bert::round_up(0, 16) == 0 && bert::round_up(1, 16) == 16 && bert::round_up(16, 16) == 16 &&
              bert::round_up(17, 16) == 32);

TEST_CASE("a buffer of any size is aligned to a cache line and zero") {
  for (const std::size_t count : {1u, 3u, 16u, 1000u, 1u << 21, 9u << 20}) {
    const bert::buffer<float> b(count);
    CHECK(reinterpret_cast<std::uintptr_t>(b.data()) % bert::alignment == 0);
    CHECK(b.size() == count);
    float sum = 0;
    for (const float x : b) sum += x * x;
    CHECK(sum == 0);
  }
}

TEST_CASE("an empty buffer has no memory") {
  const bert::buffer<int> none, zero(0);
  CHECK(none.data() == nullptr);
  CHECK(zero.data() == nullptr);
  CHECK(zero.empty());
  CHECK(bert::buffer<int>(zero).empty());
}

TEST_CASE("a copy has the same contents and memory of its own") {
  bert::buffer<int> a(5);
  std::iota(a.begin(), a.end(), 1);
  bert::buffer<int> b = a;
  b[0] = 9;
  CHECK(a[0] == 1);
  CHECK(b[4] == 5);
  a = b;
  CHECK(a[0] == 9);
  const auto& self = a;
  a = self;
  CHECK(a[0] == 9);
}

TEST_CASE("a block of mapped pages is copied, moved and freed like any other") {
  bert::buffer<float> a(std::size_t{9} << 20);
  a[5] = 1;
  a[a.size() - 1] = 2;
  bert::buffer<float> b = a, c = std::move(a);
  CHECK(b.data() != c.data());
  CHECK((b[5] == 1 && b[b.size() - 1] == 2 && c[5] == 1 && c[c.size() - 1] == 2));
  b = bert::buffer<float>(3);
  CHECK(b.size() == 3);
}

TEST_CASE("a move takes the memory and leaves an empty buffer") {
  bert::buffer<int> a(5);
  const int* memory = a.data();
  bert::buffer<int> b = std::move(a);
  CHECK(b.data() == memory);
  CHECK(a.empty());  // NOLINT(bugprone-use-after-move): documented
  CHECK(a.data() == nullptr);
}
