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
  batch.tags = {2};
  batch.spans = {{0, 0}};
  batch.groups = {0, 1};
  batch.parts = {bert::word_part::begins};
  batch.keys = {4};
  CHECK(batch.epoch == 1);
  batch.clear();
  CHECK(batch.tokens.empty());
  CHECK(batch.labels.empty());
  CHECK(batch.values.empty());
  CHECK(batch.tags.empty());
  CHECK(batch.spans.empty());
  CHECK(batch.groups.empty());
  CHECK(batch.parts.empty());
  CHECK(batch.keys.empty());
}

struct tags_and_spans : three_steps {
  using targets = bert::target_list<bert::target::tag, bert::target::span>;
};
struct reads_tags {
  using needs = bert::target_list<bert::target::tag>;
};
struct reads_tags_and_labels {
  using needs = bert::target_list<bert::target::tag, bert::target::label>;
};
static_assert(bert::carries_targets<tags_and_spans, reads_tags>);
static_assert(!bert::carries_targets<tags_and_spans, reads_tags_and_labels>);
static_assert(bert::carries_targets<three_steps, reads_tags_and_labels>);  // no declaration: checked when it loads
static_assert(bert::carries_targets<tags_and_spans, three_steps>);

TEST_CASE("a batch without groups has as many examples as sequences, one with groups as many as groups") {
  bert::training_batch batch;
  for (int i = 0; i < 5; ++i) batch.tokens.add(std::array{i});
  CHECK(batch.examples() == 5);
  batch.groups = {0, 3, 5};
  CHECK(batch.examples() == 2);
}

}  // namespace
