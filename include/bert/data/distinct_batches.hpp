// Batches of groups in which no text occurs twice: for contrastive losses, where a repeated text would be a false negative.
// Layer: data. Test: tests/unit/data/distinct_batches_test.cpp
#ifndef BERT_DATA_DISTINCT_BATCHES_HPP
#define BERT_DATA_DISTINCT_BATCHES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/data/labeled_set.hpp"
#include "bert/data/permutation.hpp"
#include "bert/tensor/equal_sequences.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::data {

/// A batch_source over groups with the targets of `Targets`. Texts are equal if their tokens are; texts of one group may be.
///
/// An epoch takes the examples in a keyed permutation. Each goes to the first batch with space behind all batches that have one
/// of its texts: O(n) with union-find, no batch is empty, and the seed, the epoch and the texts alone decide. Where that leaves
/// no batch, at the end of an epoch, the example is left out of this epoch (`left_out`). The plan of one epoch is kept, so
/// steps of an epoch load in any order; several threads may load at once.
template <class Targets>
class distinct_batches {
 public:
  using targets = Targets;

  distinct_batches(std::shared_ptr<const example_store> store, std::shared_ptr<const std::vector<std::uint32_t>> chosen,
                   int batch, const batch_options& options)
      : plain_(store, chosen, batch, options),
        store_(std::move(store)),
        chosen_(std::move(chosen)),
        batch_(static_cast<std::size_t>(batch)),
        options_(options),
        plan_(std::make_shared<plan>()) {
    const std::size_t sequences = store_->starts.size() - 1;
    std::vector<std::uint32_t> order(sequences);
    texts_.resize(sequences);
    different_ = number_equal_sequences(
        [&](std::size_t s) {
          return std::span<const token_id>(store_->ids.data() + store_->starts[s], store_->starts[s + 1] - store_->starts[s]);
        },
        order, texts_);
    plan_->examples.resize(chosen_->size());
    plan_->starts.resize(batches_per_epoch() + 1);
    plan_->batch_of.resize(chosen_->size());
    plan_->next_of_text.resize(different_);
    plan_->open.resize(batches_per_epoch() + 1);
    plan_->sizes.resize(batches_per_epoch());
  }

  [[nodiscard]] batch_shape capacity() const noexcept { return plain_.capacity(); }
  [[nodiscard]] std::uint64_t batches_per_epoch() const noexcept { return plain_.batches_per_epoch(); }
  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = plain_.fingerprint();
    append(facts, {{"texts of a batch", "distinct"}});
    return facts;
  }

  /// Examples that are in no batch of `epoch`.
  [[nodiscard]] std::size_t left_out(std::uint64_t epoch) const {
    const std::lock_guard lock(plan_->mutex);
    make_plan(epoch);
    return chosen_->size() - plan_->starts.back();
  }

  /// As labeled_batches::load.
  void load(std::uint64_t step, training_batch& out) const {
    out.clear();
    store_->reserve(capacity(), out);
    out.groups.push_back(0);
    out.width = store_->width;
    out.epoch = step / batches_per_epoch();
    out.vocabulary = store_->vocabulary;
    const auto b = static_cast<std::size_t>(step % batches_per_epoch());
    const std::lock_guard lock(plan_->mutex);
    make_plan(out.epoch);
    for (std::size_t i = plan_->starts[b]; i < plan_->starts[b + 1]; ++i) {
      const std::size_t e = plan_->examples[i];
      for (std::size_t s = store_->first(e); s < store_->first(e + 1); ++s) store_->append(s, out);
      out.groups.push_back(out.tokens.sequences());
    }
  }

 private:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  struct plan {
    std::mutex mutex;
    bool made = false;
    std::uint64_t epoch = 0;
    std::vector<std::uint32_t> examples;      // of each batch in turn
    std::vector<std::size_t> starts;          // of each batch in `examples`, and the end
    std::vector<std::uint32_t> batch_of;      // of the permutation's entries
    std::vector<std::uint32_t> next_of_text;  // the batch behind the last one that has the text
    std::vector<std::uint32_t> open;          // union-find: from a full batch towards the next that is not
    std::vector<std::uint32_t> sizes;         // examples of each batch
  };

  void make_plan(std::uint64_t epoch) const {
    plan& p = *plan_;
    if (p.made && p.epoch == epoch) return;
    const auto batches = static_cast<std::uint32_t>(batches_per_epoch());
    const auto first_open = [&](std::uint32_t b) {
      while (p.open[b] != b) b = p.open[b] = p.open[p.open[b]];
      return b;
    };
    std::iota(p.open.begin(), p.open.end(), 0u);
    std::fill(p.sizes.begin(), p.sizes.end(), 0u);
    std::fill(p.next_of_text.begin(), p.next_of_text.end(), 0u);
    const permutation shuffled(chosen_->size(), random_stream(options_.seed, draw::shuffling, epoch));
    const auto example = [&](std::size_t i) {
      return (*chosen_)[options_.order == order::sequential ? i : static_cast<std::size_t>(shuffled(i))];
    };
    for (std::size_t i = 0; i < chosen_->size(); ++i) {
      const std::size_t e = example(i), first = store_->first(e), last = store_->first(e + 1);
      std::uint32_t b = 0;
      for (std::size_t s = first; s < last; ++s) b = std::max(b, p.next_of_text[texts_[s]]);
      b = first_open(b);
      p.batch_of[i] = b == batches ? none : b;
      if (b == batches) continue;
      for (std::size_t s = first; s < last; ++s) p.next_of_text[texts_[s]] = b + 1;
      if (++p.sizes[b] == batch_) p.open[b] = b + 1;
    }
    p.starts[0] = 0;
    for (std::size_t b = 0; b < batches; ++b) p.starts[b + 1] = p.starts[b] + p.sizes[b];
    std::fill(p.sizes.begin(), p.sizes.end(), 0u);
    for (std::size_t i = 0; i < chosen_->size(); ++i)
      if (const std::uint32_t b = p.batch_of[i]; b != none) p.examples[p.starts[b] + p.sizes[b]++] = example(i);
    p.epoch = epoch;
    p.made = true;
  }

  labeled_batches<Targets> plain_;  // capacity and facts
  std::shared_ptr<const example_store> store_;
  std::shared_ptr<const std::vector<std::uint32_t>> chosen_;
  std::size_t batch_;
  batch_options options_;
  std::vector<std::uint32_t> texts_;  // the number of each sequence's text
  std::size_t different_ = 0;
  std::shared_ptr<plan> plan_;
};

}  // namespace bert::data

#endif  // BERT_DATA_DISTINCT_BATCHES_HPP
