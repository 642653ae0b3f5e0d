#include "bert/tensor/arena.hpp"

#include <doctest/doctest.h>

#include <cstdint>

namespace {

struct workspace {
  constexpr workspace(bert::carver& carve, std::size_t tokens) : hidden(carve.take(tokens * 72)), scores(carve.take(3)) {}
  float* hidden;
  float* scores;
};

constexpr std::size_t needed(std::size_t tokens) {
  bert::carver count;
  workspace(count, tokens);
  return count.used();
}
static_assert(needed(1) == 80 + 16, "sizes are constant expressions; buffers are whole cache lines");

TEST_CASE("counting and carving agree, and buffers are aligned and disjoint") {
  for (const std::size_t tokens : {1u, 2u, 7u}) {
    bert::buffer<float> block(needed(tokens));
    bert::carver carve(block.data());
    const workspace w(carve, tokens);
    CHECK(carve.used() == block.size());
    CHECK(w.hidden == block.data());
    CHECK(w.scores >= w.hidden + tokens * 72);
    CHECK(w.scores + 3 <= block.end());
    CHECK(reinterpret_cast<std::uintptr_t>(w.scores) % bert::alignment == 0);
  }
}

}  // namespace
