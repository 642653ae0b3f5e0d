// Models with several heads and made-up sources for tests of several tasks.
// Layer: tests
#pragma once

#include <cstdint>

#include "bert/heads/token_linear.hpp"
#include "bert/labels/bio.hpp"
#include "support/small_models.hpp"

namespace support {

struct things : bert::labels::bio<"A", "B"> {};
struct topics : bert::labels::one_of<"low", "middle", "high"> {};

/// Heads beside heads::classify<mood>, with tensors of other names.
struct tags : bert::heads::token_linear<"tags.weight", "tags.bias", things::count> {
  using labels = things;
  using predicts = bert::target::tag;
};
struct topic : bert::heads::pooled_linear<"topic.weight", "topic.bias", topics::count, true> {
  using labels = topics;
  using predicts = bert::target::label;
};

/// made_up_source with a tag a token: 0 (O) or 1 (B-A), by whether the id is even.
struct tagged_source : made_up_source {
  using targets = bert::target_list<bert::target::tag>;
  void load(std::uint64_t step, bert::training_batch& out) const {
    made_up_source::load(step, out);
    out.labels.clear();
    for (const auto id : out.tokens.ids()) out.tags.push_back(id % 2);
  }
};
struct labeled_source : made_up_source {
  using targets = bert::target_list<bert::target::label>;
};

}  // namespace support
