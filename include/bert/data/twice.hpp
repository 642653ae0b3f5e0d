// Every sequence of a source twice, as a pair: with other dropout the two differ, which is unsupervised SimCSE.
// Layer: data. Test: tests/unit/data/distinct_batches_test.cpp. Paper: Gao et al. 2021, "SimCSE".
#ifndef BERT_DATA_TWICE_HPP
#define BERT_DATA_TWICE_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::data {

/// A batch_source whose batches have each sequence s of `Source`'s as the group (s, s). Needs multiple_negatives and dropout:
///
///     bert::fit(model, bert::objectives::multiple_negatives{}, bert::data::twice(texts.batches(64)), {.learning_rate =
///     3e-5f});
///
/// Scored positions and all targets are left out. Several threads may load at once, one after the other.
template <batch_source Source>
class twice {
 public:
  using targets = target_list<bert::target::group>;

  explicit twice(Source source) : source_(std::move(source)), once_(std::make_shared<scratch>()) {}

  [[nodiscard]] batch_shape capacity() const {
    batch_shape shape = source_.capacity();
    shape.sequences *= 2;
    shape.tokens *= 2;
    shape.scored = 0;
    return shape;
  }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return source_.batches_per_epoch(); }
  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = fingerprint_of(source_);
    append(facts, {{"sequences", "each twice"}});
    return facts;
  }

  void load(std::uint64_t step, training_batch& out) const {
    const std::lock_guard lock(once_->mutex);
    training_batch& once = once_->batch;
    source_.load(step, once);
    const batch_shape shape = capacity();
    out.clear();
    out.tokens.reserve(shape);
    out.groups.reserve(shape.sequences / 2 + 1);
    out.keys.reserve(shape.sequences);
    out.parts.reserve(shape.tokens);
    out.epoch = once.epoch;
    out.vocabulary = once.vocabulary;
    out.groups.push_back(0);
    const auto marks = once.tokens.marks();
    for (std::size_t s = 0; s < once.tokens.sequences(); ++s) {
      const std::size_t first = once.tokens.starts()[s], count = once.tokens.length(s);
      for (int copy = 0; copy < 2; ++copy) {
        out.tokens.add(once.tokens[s], once.tokens.segments(s), marks.empty() ? marks : marks.subspan(first, count));
        if (!once.keys.empty()) out.keys.push_back(once.keys[s]);
        for (std::size_t i = 0; !once.parts.empty() && i < count; ++i) out.parts.push_back(once.parts[first + i]);
      }
      out.groups.push_back(out.tokens.sequences());
    }
  }

 private:
  struct scratch {
    std::mutex mutex;
    training_batch batch;
  };

  Source source_;
  std::shared_ptr<scratch> once_;
};

}  // namespace bert::data

#endif  // BERT_DATA_TWICE_HPP
