// A source that is another in every epoch, as where examples are augmented anew.
// Layer: data. Test: tests/unit/data/augmenting_test.cpp
#ifndef BERT_DATA_BY_EPOCH_HPP
#define BERT_DATA_BY_EPOCH_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::data {

/// Epoch e is that of source e modulo their number. All have the same number of batches. Several threads may load at once if
/// those of the sources may.
template <batch_source Source>
class by_epoch {
 public:
  using targets = typename Source::targets;

  /// Throws bert::error for no source, or for sources of different numbers of batches.
  explicit by_epoch(std::vector<Source> sources) : sources_(std::move(sources)) {
    if (sources_.empty()) throw_error({"bert::data::by_epoch", "a source", "none", {}});
    for (const Source& s : sources_) {
      const batch_shape one = s.capacity();
      capacity_.sequences = std::max(capacity_.sequences, one.sequences);
      capacity_.tokens = std::max(capacity_.tokens, one.tokens);
      capacity_.scored = std::max(capacity_.scored, one.scored);
      capacity_.longest = std::max(capacity_.longest, one.longest);
      if (s.batches_per_epoch() != sources_[0].batches_per_epoch())
        throw_error({"bert::data::by_epoch", cat(sources_[0].batches_per_epoch(), " batches an epoch in every source"),
                     cat(s.batches_per_epoch()), "take sets of one size"});
    }
  }

  [[nodiscard]] batch_shape capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return sources_[0].batches_per_epoch(); }
  /// That of a single source, or of all, numbered.
  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = fingerprint_of(sources_[0]);
    for (std::size_t i = 1; i < sources_.size(); ++i)
      for (const auto& [name, value] : fingerprint_of(sources_[i])) append(facts, {{cat(name, " of epoch ", i), value}});
    return facts;
  }
  void load(std::uint64_t step, training_batch& out) const {
    sources_[static_cast<std::size_t>(step / batches_per_epoch() % sources_.size())].load(step, out);
  }

 private:
  std::vector<Source> sources_;
  batch_shape capacity_{.sequences = 0, .tokens = 0, .scored = 0, .longest = 0};
};

}  // namespace bert::data

#endif  // BERT_DATA_BY_EPOCH_HPP
