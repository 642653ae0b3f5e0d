// Which rows of an objective's logits are predictions.
// Layer: objectives. Test: tests/unit/objectives/self_distil_test.cpp
#ifndef BERT_OBJECTIVES_COUNTED_ROWS_HPP
#define BERT_OBJECTIVES_COUNTED_ROWS_HPP

#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives {

/// Of logits with a row a token and a batch with tags, the rows with a tag that is not negative; of others, all.
class counted_rows {
 public:
  counted_rows(const training_batch& in, std::size_t rows) noexcept
      : tags_(in.tags.size() == rows ? std::span<const std::int32_t>(in.tags) : std::span<const std::int32_t>{}), rows_(rows) {}
  [[nodiscard]] bool operator()(std::size_t row) const noexcept { return tags_.empty() || tags_[row] >= 0; }
  [[nodiscard]] std::uint64_t count() const noexcept { return tags_.empty() ? rows_ : counted(tags_); }
  /// The same before there are logits.
  [[nodiscard]] static std::uint64_t count(const training_batch& in) noexcept {
    return in.tags.empty() ? in.tokens.sequences() : counted(in.tags);
  }

 private:
  std::span<const std::int32_t> tags_;
  std::size_t rows_;
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_COUNTED_ROWS_HPP
