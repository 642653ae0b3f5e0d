// Layer: tests. Of: include/bert/data/distinct_batches.hpp, include/bert/data/twice.hpp
#include "bert/data/distinct_batches.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "bert/data/pairs.hpp"
#include "bert/data/twice.hpp"
#include "support/toy_tokenizer.hpp"

namespace {

using namespace bert::data;  // NOLINT
const toy::tokenizer tokenizer(1'000'000);

/// `count` pairs; the anchor of pair i is text i % anchors.
text_pairs made(int count, int anchors) {
  text_groups_builder<text_pairs, toy::tokenizer> builder(tokenizer, 16);
  for (int i = 0; i < count; ++i) builder.add({"anchor a" + std::to_string(i % anchors), "positive p" + std::to_string(i)});
  return std::move(builder).build();
}

using ids = std::vector<bert::token_id>;

}  // namespace

TEST_CASE("no text is in two examples of a batch, and an epoch has each example at most once") {
  struct sizes {
    int count, anchors, batch;
  };
  for (const auto& c : {sizes{500, 120, 16}, sizes{97, 97, 8}, sizes{300, 20, 16}, sizes{64, 3, 32}}) {
    const int count = c.count, size = c.batch;
    CAPTURE(count);
    const auto set = made(count, c.anchors);
    const auto batches = set.distinct_batches(size, {.seed = 5});
    REQUIRE(batches.batches_per_epoch() == static_cast<std::uint64_t>((count + size - 1) / size));
    for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
      std::set<std::uint64_t> keys;
      bert::training_batch batch;
      for (std::uint64_t b = 0; b < batches.batches_per_epoch(); ++b) {
        batches.load(epoch * batches.batches_per_epoch() + b, batch);
        CHECK(batch.epoch == epoch);
        REQUIRE(batch.examples() >= 1);
        CHECK(batch.examples() <= static_cast<std::size_t>(size));
        CHECK(batches.capacity().holds(batch.tokens.shape()));
        std::set<ids> texts;
        for (std::size_t s = 0; s < batch.tokens.sequences(); ++s) {
          CHECK(texts.emplace(batch.tokens[s].begin(), batch.tokens[s].end()).second);
          CHECK(keys.insert(batch.keys[s]).second);
        }
      }
      CHECK(keys.size() / 2 + batches.left_out(epoch) == static_cast<std::size_t>(count));
    }
  }
}

TEST_CASE("where all texts differ no example is left out; with repeated ones few are") {
  CHECK(made(333, 333).distinct_batches(32).left_out(0) == 0);
  CHECK(made(1000, 300).distinct_batches(16).left_out(0) < 50);
}

TEST_CASE("an epoch's batches depend on seed and epoch alone, whatever step is loaded first and by whichever thread") {
  const auto set = made(200, 50);
  const auto content = [](const auto& batches, std::uint64_t step) {
    bert::training_batch batch;
    batches.load(step, batch);
    return batch.keys;
  };
  const auto batches = set.distinct_batches(16, {.seed = 7}), again = set.distinct_batches(16, {.seed = 7});
  std::map<std::uint64_t, std::vector<std::uint64_t>> forwards;
  for (std::uint64_t step = 0; step < 39; ++step) forwards[step] = content(batches, step);
  for (std::uint64_t step = 39; step-- > 0;) CHECK(content(again, step) == forwards[step]);
  CHECK(content(set.distinct_batches(16, {.seed = 8}), 0) != forwards[0]);
  CHECK(forwards[0] != forwards[13]);
  std::vector<std::thread> threads;
  std::vector<int> differ(4);
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t step = t; step < 39; step += 4) differ[t] += content(batches, step) == forwards[step] ? 0 : 1;
    });
  for (auto& t : threads) t.join();
  CHECK(differ == std::vector<int>(4, 0));
  CHECK(batches.fingerprint() != set.batches(16, {.seed = 7}).fingerprint());
}

TEST_CASE("each sequence of a source comes twice, as a group") {
  const auto set = made(20, 20);
  const auto once = set.batches(4, {.order = order::sequential});
  const twice batches(once);
  CHECK(batches.batches_per_epoch() == 5);
  CHECK(batches.capacity().sequences == 16);
  bert::training_batch a, b;
  once.load(3, a);
  batches.load(3, b);
  REQUIRE(b.tokens.sequences() == 16);
  CHECK(b.examples() == 8);
  for (std::size_t s = 0; s < 16; ++s) {
    CHECK(std::equal(b.tokens[s].begin(), b.tokens[s].end(), a.tokens[s / 2].begin(), a.tokens[s / 2].end()));
    CHECK(b.keys[s] == a.keys[s / 2]);
  }
  for (std::size_t g = 0; g < 9; ++g) CHECK(b.groups[g] == 2 * g);
  CHECK(b.parts.size() == b.tokens.tokens());
}
