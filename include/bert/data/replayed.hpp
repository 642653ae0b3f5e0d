// Batches of a domain's text with a share of general text, so that a model that learns the domain does not forget the rest.
// Layer: data. Test: tests/unit/data/replayed_test.cpp
// Papers: Robins 1995, "Catastrophic forgetting, rehearsal and pseudorehearsal"; Gururangan et al. 2020, "Don't stop
// pretraining".
#ifndef BERT_DATA_REPLAYED_HPP
#define BERT_DATA_REPLAYED_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/data/corpus.hpp"
#include "bert/data/pack.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::data {

/// A batch_source: each batch has the sequences of a batch of `domain`, then those of a batch of `general`. Both were packed by
/// one tokenizer and with the same pairs. An epoch is one of `domain`. Copies share the corpora; several threads may load at
/// once.
class replayed {
 public:
  replayed(packed domain, packed general) : domain_(std::move(domain)), general_(std::move(general)) {
    if (domain_.options().pairs != general_.options().pairs)
      throw_error({"bert::data::replayed", "two corpora that were packed with the same .pairs", "others",
                   "pack both with one pack_options"});
  }

  [[nodiscard]] batch_shape capacity() const noexcept {
    const batch_shape a = domain_.capacity(), b = general_.capacity();
    return {.sequences = a.sequences + b.sequences, .tokens = a.tokens + b.tokens, .longest = std::max(a.longest, b.longest)};
  }
  [[nodiscard]] std::uint64_t batches_per_epoch() const noexcept { return domain_.batches_per_epoch(); }

  /// Writes batch `step`: tokens, segments, labels, word parts, keys, the domain's epoch, vocabulary. The keys of general
  /// sequences are apart from the domain's; where their sequences are drawn in each epoch, theirs have the epoch of the general
  /// corpus in them, so that masks differ in each.
  void load(std::uint64_t step, training_batch& out) const {
    domain_.load(step, out);
    thread_local training_batch more;
    general_.load(step, more);
    out.tokens.reserve({.sequences = capacity().sequences, .tokens = capacity().tokens, .scored = 0});
    out.tokens.append(more.tokens);
    const auto append = [](const auto& from, auto& to, std::size_t capacity) {
      to.reserve(capacity);
      to.insert(to.end(), from.begin(), from.end());
    };
    append(more.labels, out.labels, capacity().sequences);
    append(more.parts, out.parts, capacity().tokens);
    out.keys.reserve(capacity().sequences);
    const std::uint64_t epoch = general_.options().pairs_drawn == redraw::never ? 0 : more.epoch;
    for (const std::uint64_t key : more.keys) out.keys.push_back(std::uint64_t{1} << 63 | epoch << 40 | key);
  }

  [[nodiscard]] const packed& domain() const noexcept { return domain_; }
  [[nodiscard]] const packed& general() const noexcept { return general_; }

  /// What determines the batches; see trainer::keep.
  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = domain_.fingerprint();
    for (auto& [name, value] : general_.fingerprint()) facts.emplace_back("replayed " + name, std::move(value));
    return facts;
  }

 private:
  packed domain_, general_;
};

/// Packs two corpora so that a share of each batch of `options.batch` sequences, rounded to whole sequences, is of `general`.
///
///     const auto batches = bert::data::replay(domain, general, 0.1f, tokenizer, {.tokens = 128, .batch = 32, .seed = 1});
///
/// Throws bert::error as `pack` does, and unless the share gives at least one sequence of each to a batch.
template <tokenizing Tokenizer, executor Exec = execution::serial>
[[nodiscard]] replayed replay(const corpus& domain, const corpus& general, float share, const Tokenizer& tokenizer,
                              pack_options options = {}, const Exec& exec = {}) {
  const auto of_general = static_cast<int>(std::lround(share * static_cast<float>(options.batch)));
  if (!(share > 0 && share < 1) || of_general < 1 || of_general >= options.batch)
    throw_error({"bert::data::replay",
                 cat("a share of a batch of ", options.batch, " sequences that gives one or more to each of both texts"),
                 cat(share, ", which is ", of_general, " of general text"), "use a larger batch or another share"});
  options.batch -= of_general;
  packed first = pack(domain, tokenizer, options, exec);
  options.batch = of_general;
  return {std::move(first), pack(general, tokenizer, options, exec)};
}

}  // namespace bert::data

#endif  // BERT_DATA_REPLAYED_HPP
