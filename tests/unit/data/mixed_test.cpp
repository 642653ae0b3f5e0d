#include "bert/data/mixed.hpp"

#include <doctest/doctest.h>

#include <set>
#include <utility>
#include <vector>

#include "support/two_tasks.hpp"

namespace {
using bert::data::mixed, bert::data::mixing;
const support::labeled_source few{{.sequences = 2, .longest = 24, .batches = 2}};
const support::tagged_source many{{.sequences = 5, .longest = 8, .batches = 5}};

/// The task of each step, and the key of its first sequence, which tells the batch.
template <class Source>
std::vector<std::pair<std::size_t, std::uint64_t>> steps(const Source& source, std::uint64_t first, std::uint64_t count) {
  std::vector<std::pair<std::size_t, std::uint64_t>> out;
  bert::training_batch batch;
  for (std::uint64_t i = first; i < first + count; ++i) {
    source.load(i, batch);
    out.emplace_back(batch.task, batch.keys.front() / batch.tokens.sequences());
  }
  return out;
}
}  // namespace

TEST_CASE("alternating sources give a batch each in turn, and the shorter one begins anew") {
  const mixed both{few, many};
  CHECK(both.batches_per_epoch() == 10);
  using pairs = std::vector<std::pair<std::size_t, std::uint64_t>>;
  CHECK(steps(both, 0, 10) == pairs{{0, 0}, {1, 0}, {0, 1}, {1, 1}, {0, 0}, {1, 2}, {0, 1}, {1, 3}, {0, 0}, {1, 4}});
  bert::training_batch batch;
  both.load(8, batch);
  CHECK(batch.epoch == 2);
  CHECK(batch.labels.size() == 2);
  both.load(9, batch);
  CHECK(batch.epoch == 0);
  CHECK(batch.labels.empty());
  CHECK(batch.tags.size() == batch.tokens.tokens());
}

TEST_CASE("sources in proportion give every batch once an epoch, in an order that the seed and the epoch decide") {
  const mixed both{{.mixing = mixing::proportional, .seed = 4}, few, many};
  const mixed other{{.mixing = mixing::proportional, .seed = 5}, few, many};
  CHECK(both.batches_per_epoch() == 7);
  const auto first = steps(both, 0, 7), second = steps(both, 7, 7);
  for (const auto& epoch : {first, second}) CHECK(std::set(epoch.begin(), epoch.end()).size() == 7);
  CHECK(first != second);
  CHECK(first != steps(other, 0, 7));
  CHECK(first == steps(mixed{{.mixing = mixing::proportional, .seed = 4}, few, many}, 0, 7));
  bert::training_batch batch;
  both.load(9, batch);
  CHECK(batch.epoch == 1);
}

TEST_CASE("the capacity of mixed sources bounds the batches of each") {
  const auto shape = mixed{few, many}.capacity();
  CHECK(shape.sequences == 5);
  CHECK(shape.tokens == 48);
  CHECK(shape.longest == 24);
}

TEST_CASE("the fingerprint of mixed sources names each source's facts and the order") {
  struct told : support::labeled_source {
    [[nodiscard]] static bert::named_facts fingerprint() { return {{"batch", "7"}}; }
  };
  const bert::named_facts facts = bert::fingerprint_of(mixed{told{}, many, told{}});
  CHECK(facts == bert::named_facts{{"mixing", "alternating"}, {"task 0, batch", "7"}, {"task 2, batch", "7"}});
  CHECK(bert::fingerprint_of(mixed{{.mixing = mixing::proportional}, many}).size() == 2);
}
