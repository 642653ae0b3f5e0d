#include "bert/tensor/token_batch.hpp"

#include <doctest/doctest.h>

#include <array>
#include <vector>

namespace {

using bert::batch_shape;
using bert::segment_id;
using bert::token_batch;
using bert::token_id;

token_batch two() {
  token_batch batch;
  batch.add(std::array<token_id, 3>{101, 103, 102});
  batch.add(std::array<token_id, 4>{101, 7, 103, 102}, std::array<segment_id, 4>{0, 0, 1, 1});
  return batch;
}

TEST_CASE("sequences are stored end to end, each with its own length") {
  const auto batch = two();
  CHECK(batch.sequences() == 2);
  CHECK(batch.tokens() == 7);
  CHECK(batch.length(0) == 3);
  CHECK(batch.length(1) == 4);
  CHECK(batch.longest() == 4);
  CHECK(batch.starts().size() == 3);
  CHECK(batch.starts()[2] == 7);
  CHECK(batch[1][1] == 7);
}

TEST_CASE("segments are 0 if none are given") {
  const auto batch = two();
  CHECK(batch.segments(0)[2] == 0);
  CHECK(batch.segments(1)[2] == 1);
}

TEST_CASE("an empty sequence, and segments of another length, are refused") {
  token_batch batch;
  CHECK_THROWS_AS(batch.add(std::span<const token_id>{}), bert::error);
  CHECK_THROWS_AS(batch.add(std::array<token_id, 2>{1, 2}, std::array<segment_id, 1>{0}), bert::error);
  CHECK(batch.empty());
}

TEST_CASE("scored positions are within the batch and increase") {
  auto batch = two();
  batch.score(1);
  batch.score(5);
  CHECK_THROWS_AS(batch.score(5), bert::error);
  CHECK_THROWS_AS(batch.score(2), bert::error);
  CHECK_THROWS_AS(batch.score(7), bert::error);
  CHECK(batch.shape().scored == 2);
}

TEST_CASE("score_each finds every position of an id and replaces earlier scored positions") {
  auto batch = two();
  batch.score(0);
  batch.score_each(103);
  CHECK(batch.scored().size() == 2);
  CHECK(batch.scored()[0] == 1);
  CHECK(batch.scored()[1] == 5);
  batch.score_each(999);
  CHECK(batch.scored().empty());
}

TEST_CASE("a run of sequences keeps its ids, segments and offsets in the batch") {
  token_batch batch;
  batch.add(std::array<token_id, 2>{1, 2});
  batch.add(std::array<token_id, 3>{3, 4, 5}, std::array<segment_id, 3>{0, 1, 1});
  batch.add(std::array<token_id, 1>{6});
  const auto run = batch.run(1, 3);
  CHECK(std::vector(run.ids.begin(), run.ids.end()) == std::vector<token_id>{3, 4, 5, 6});
  CHECK(std::vector(run.segments.begin(), run.segments.end()) == std::vector<segment_id>{0, 1, 1, 0});
  CHECK(std::vector(run.starts.begin(), run.starts.end()) == std::vector<std::size_t>{2, 5, 6});
}

TEST_CASE("a cleared batch equals a new one") {
  auto batch = two();
  batch.score(1);
  batch.clear();
  CHECK(batch.empty());
  CHECK(batch.sequences() == 0);
  CHECK(batch.longest() == 0);
  batch.add(std::array<token_id, 1>{5});
  CHECK(batch.length(0) == 1);
  CHECK(batch.scored().empty());
}

TEST_CASE("a reserved batch is filled without reallocation") {
  token_batch batch;
  batch.reserve({.sequences = 2, .tokens = 7});
  const auto* memory = batch.ids().data();
  batch.add(std::array<token_id, 3>{1, 2, 3});
  batch.add(std::array<token_id, 4>{1, 2, 3, 4});
  CHECK(batch.ids().data() == memory);
}

TEST_CASE("a capacity holds a shape if no count is above its own") {
  constexpr batch_shape room{.sequences = 2, .tokens = 10, .scored = 3, .longest = 6};
  static_assert(room.holds({2, 10, 3, 6}));
  static_assert(!room.holds({3, 10, 3, 6}) && !room.holds({2, 11, 3, 6}) && !room.holds({2, 10, 4, 6}) &&
                !room.holds({2, 10, 3, 7}));
  static_assert(batch_shape{.sequences = 2, .tokens = 10}.holds({2, 10, 10, 9}), "omitted counts are unlimited");
}

}  // namespace

TEST_CASE("a batch appended to another keeps its sequences, segments and scored positions") {
  bert::token_batch a, b;
  a.add(std::array{1, 2, 3});
  a.score(1);
  b.add(std::array{4, 5}, std::array<bert::segment_id, 2>{0, 1});
  b.add(std::array{6});
  b.score(2);
  a.append(b);
  a.append(bert::token_batch());
  CHECK(std::vector<int>(a.ids().begin(), a.ids().end()) == std::vector<int>{1, 2, 3, 4, 5, 6});
  CHECK(std::vector<int>(a.segments().begin(), a.segments().end()) == std::vector<int>{0, 0, 0, 0, 1, 0});
  CHECK(std::vector<std::size_t>(a.starts().begin(), a.starts().end()) == std::vector<std::size_t>{0, 3, 5, 6});
  CHECK(std::vector<std::uint32_t>(a.scored().begin(), a.scored().end()) == std::vector<std::uint32_t>{1, 5});
}
