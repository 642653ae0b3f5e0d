#include "bert/tensor/training_batch.hpp"

#include <doctest/doctest.h>

#include <array>

namespace {

struct three_steps {
  [[nodiscard]] bert::batch_shape capacity() const { return {.sequences = 1, .tokens = 1}; }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return 3; }
  void load(std::uint64_t step, bert::training_batch& out) const {
    out.clear();
    out.tokens.add(std::array{static_cast<bert::token_id>(step)});
    out.epoch = step / 3;
  }
};
struct loads_nothing {
  [[nodiscard]] bert::batch_shape capacity() const { return {}; }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return 3; }
};
static_assert(bert::batch_source<three_steps>);
static_assert(!bert::batch_source<loads_nothing>);
static_assert(!bert::batch_source<int>);

TEST_CASE("a cleared training batch keeps no example") {
  bert::training_batch batch;
  three_steps{}.load(4, batch);
  batch.labels = {1};
  batch.values = {0.5f};
  batch.parts = {bert::word_part::begins};
  batch.keys = {4};
  CHECK(batch.epoch == 1);
  batch.clear();
  CHECK(batch.tokens.empty());
  CHECK(batch.labels.empty());
  CHECK(batch.values.empty());
  CHECK(batch.parts.empty());
  CHECK(batch.keys.empty());
}

}  // namespace
