// Layer: tests. Of: include/bert/data/batch_order.hpp
#include "bert/data/batch_order.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "bert/core/random.hpp"

namespace {

using bert::data::batch_order;
using bert::data::order;

std::vector<std::size_t> some_lengths(std::size_t n) {
  bert::random_stream random(9, bert::draw::user, n);
  std::vector<std::size_t> out(n);
  for (auto& length : out) length = 3 + random.below(60);
  return out;
}
/// The examples of an epoch, batch by batch.
std::vector<std::vector<std::size_t>> batches_of(const batch_order& o, std::size_t count, std::size_t batch,
                                                 std::uint64_t epoch) {
  std::vector<std::vector<std::size_t>> out;
  const auto in_epoch = o.epoch(epoch);
  for (std::size_t b = 0; b * batch < count; ++b) {
    out.emplace_back();
    for (std::size_t i = 0; i < std::min(batch, count - b * batch); ++i) out.back().push_back(in_epoch(b, i));
  }
  return out;
}
std::vector<std::size_t> joined(const std::vector<std::vector<std::size_t>>& batches) {
  std::vector<std::size_t> all;
  for (const auto& b : batches) all.insert(all.end(), b.begin(), b.end());
  return all;
}

}  // namespace

TEST_CASE("every order but the balanced one has each example once an epoch, and by seed and epoch its own order") {
  for (const std::size_t count : {1ul, 7ul, 64ul, 1000ul, 2311ul})
    for (const auto kind : {order::shuffled, order::sequential, order::by_length}) {
      const auto lengths = some_lengths(count);
      const batch_order o(kind, 3, 8, lengths, {});
      auto first = joined(batches_of(o, count, 8, 0));
      const auto second = joined(batches_of(o, count, 8, 1));
      if (kind == order::sequential) CHECK(std::is_sorted(first.begin(), first.end()));
      if (count > 60) {
        CHECK((first == second) == (kind == order::sequential));
        CHECK((first == joined(batches_of(batch_order(kind, 4, 8, lengths, {}), count, 8, 0))) == (kind == order::sequential));
      }
      CHECK(first == joined(batches_of(batch_order(kind, 3, 8, lengths, {}), count, 8, 0)));
      std::sort(first.begin(), first.end());
      for (std::size_t i = 0; i < count; ++i) REQUIRE(first[i] == i);
    }
}

TEST_CASE("by length, a batch has examples of similar length, and the batches are in no order of length") {
  constexpr std::size_t count = 4000, batch = 8;
  const auto lengths = some_lengths(count);
  const batch_order o(order::by_length, 3, batch, lengths, {});
  std::size_t spread = 0, plain = 0, rising = 0, before = 0;
  const batch_order shuffled(order::shuffled, 3, batch, lengths, {});
  const auto range = [&](const std::vector<std::size_t>& b) {
    std::size_t least = 1000, most = 0;
    for (const auto i : b) {
      least = std::min(least, lengths[i]);
      most = std::max(most, lengths[i]);
    }
    rising += most > before ? 1 : 0;
    before = most;
    return most - least;
  };
  const auto batches = batches_of(o, count, batch, 0);
  for (const auto& b : batches) spread += range(b);
  CHECK(rising > batches.size() / 4);
  CHECK(rising < batches.size() * 3 / 4);
  for (const auto& b : batches_of(shuffled, count, batch, 0)) plain += range(b);
  CHECK(5 * spread < plain);
}

TEST_CASE("balanced, every class comes equally often, and over epochs all of its examples do") {
  constexpr std::size_t count = 600;
  std::vector<std::int32_t> classes(count);
  for (std::size_t i = 0; i < count; ++i) classes[i] = i % 100 == 7 ? 2 : i % 10 == 3 ? 0 : i % 50 == 1 ? -1 : 4;
  const batch_order o(order::balanced, 3, 16, some_lengths(count), classes);
  std::map<std::size_t, int> seen;
  for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
    std::map<std::int32_t, int> of_class;
    for (const auto i : joined(batches_of(o, count, 16, epoch))) {
      ++of_class[classes[i]];
      ++seen[i];
    }
    CHECK(of_class == std::map<std::int32_t, int>{{0, 200}, {2, 200}, {4, 200}});
  }
  std::map<std::int32_t, std::pair<int, int>> range;  // least and most often an example of a class came
  for (std::size_t i = 0; i < count; ++i) {
    if (classes[i] < 0) {
      CHECK(seen.count(i) == 0);
      continue;
    }
    auto [at, added] = range.try_emplace(classes[i], seen[i], seen[i]);
    at->second = {std::min(at->second.first, seen[i]), std::max(at->second.second, seen[i])};
  }
  for (const auto& [c, times] : range) CHECK(times.second - times.first <= 1);
  CHECK(range[2].first >= 100);
  CHECK_THROWS_AS(batch_order(order::balanced, 3, 16, some_lengths(5), {}), bert::error);
  CHECK_THROWS_AS(batch_order(order::balanced, 3, 16, some_lengths(2), std::vector<std::int32_t>{-1, -1}), bert::error);
}
