// The plan of an epoch: which sentences of a corpus form each sequence.
// Layer: data. Test: tests/unit/data/pack_test.cpp. Paper: Devlin et al. 2019, "BERT", appendix A.2.
#ifndef BERT_DATA_PAIR_PLAN_HPP
#define BERT_DATA_PAIR_PLAN_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/data/pack_options.hpp"
#include "bert/data/token_store.hpp"

namespace bert::inline BERT_ISA::data {

/// One sequence, in 12 bytes: two runs of sentences, or one run of tokens.
class planned_sequence {
 public:
  /// Sentences [first, first + first_count) and [second, second + second_count).
  static planned_sequence pair(std::uint32_t first, std::size_t first_count, std::uint32_t second, std::size_t second_count,
                               bool negative) noexcept {
    return {first, second, static_cast<std::uint16_t>(first_count),
            static_cast<std::uint16_t>(second_count | (negative ? negative_bit : 0u))};
  }
  /// Tokens [first, first + count).
  static planned_sequence run(std::uint64_t first, std::size_t count) noexcept {
    return {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(first >> 32), static_cast<std::uint16_t>(count), 0};
  }

  [[nodiscard]] std::uint32_t first() const noexcept { return first_; }
  [[nodiscard]] std::uint32_t second() const noexcept { return second_; }
  [[nodiscard]] std::size_t first_count() const noexcept { return first_count_; }
  [[nodiscard]] std::size_t second_count() const noexcept { return second_count_ & (negative_bit - 1u); }
  [[nodiscard]] std::uint64_t token() const noexcept { return first_ | (std::uint64_t{second_} << 32); }
  /// Whether the label is 1: the second is random, or the two are swapped.
  [[nodiscard]] bool negative() const noexcept { return (second_count_ & negative_bit) != 0; }

 private:
  static constexpr unsigned negative_bit = 0x8000u;

  planned_sequence(std::uint32_t a, std::uint32_t b, std::uint16_t m, std::uint16_t n) noexcept
      : first_(a), second_(b), first_count_(m), second_count_(n) {}

  std::uint32_t first_, second_;
  std::uint16_t first_count_, second_count_;
};

/// Visits the documents in order. Collects sentences into a chunk until it has the target length, and splits the chunk at a
/// random sentence into A and the rest. B is the rest, or a run of sentences from a random other document; then the rest
/// begins the next chunk. The target is the capacity, or for `short_sequence_rate` of the chunks a random length. Every draw is
/// keyed by (seed, epoch, document).
class pair_planner {
 public:
  pair_planner(const token_store& store, const pack_options& options) noexcept : store_(&store), options_(options) {}

  /// Tokens of A and B together that fit.
  [[nodiscard]] static std::size_t capacity(const pack_options& options) noexcept {
    return static_cast<std::size_t>(options.tokens) - (options.pairs == pairing::none ? 2 : 3);
  }

  /// Writes the plan of an epoch. `negative_rate` is the probability of label 1 for a chunk of two sentences or more; a chunk
  /// of one sentence has no rest and always takes a random B.
  void draw(std::uint64_t epoch, float negative_rate, std::vector<planned_sequence>& plan) const {
    plan.clear();
    for (std::uint32_t d = 0; d < store_->documents(); ++d) {
      random_stream random(options_.seed, bert::draw::sentence_pairs, d, static_cast<std::uint32_t>(2 * epoch));
      if (options_.pairs == pairing::none) runs(d, random, plan);
      else pairs(d, random, negative_rate, plan);
    }
  }

 private:
  [[nodiscard]] std::size_t target(random_stream& random, std::size_t shortest) const noexcept {
    const std::size_t longest = capacity(options_);
    if (random.uniform() >= options_.short_sequence_rate) return longest;
    return shortest + random.below(static_cast<std::uint32_t>(longest - shortest + 1));
  }

  void pairs(std::uint32_t document, random_stream& random, float negative_rate, std::vector<planned_sequence>& plan) const {
    const bool reorder = options_.pairs == pairing::sentence_order;
    const std::uint32_t end = store_->document(document + 1);
    std::uint32_t begin = store_->document(document);
    std::size_t wanted = target(random, 2), length = 0;
    for (std::uint32_t i = begin; i < end;) {
      length += store_->length(i++);
      const std::uint32_t count = i - begin;
      if (i < end && (length < wanted || (reorder && count < 2))) continue;
      if (count > 1 || !reorder) {
        const std::uint32_t split = count > 1 ? 1 + random.below(count - 1) : 1;
        const bool negative = count == 1 || random.uniform() < negative_rate;
        if (negative && !reorder) {
          const std::uint64_t taken = store_->sentence(begin + split) - store_->sentence(begin);
          plan.push_back(with_random(begin, split, document, wanted > taken ? wanted - taken : 1, random));
          i = begin + split;  // the rest is used again
        } else {
          plan.push_back(planned_sequence::pair(begin, split, begin + split, count - split, negative));
        }
      }
      begin = i;
      length = 0;
      wanted = target(random, 2);
    }
  }

  // A from `document`, B of about `wanted` tokens from a random sentence on in a random other document.
  [[nodiscard]] planned_sequence with_random(std::uint32_t first, std::uint32_t count, std::uint32_t document,
                                             std::uint64_t wanted, random_stream& random) const noexcept {
    std::uint32_t other = random.below(store_->documents() - 1);
    if (other >= document) ++other;
    const std::uint32_t from = store_->document(other), end = store_->document(other + 1);
    const std::uint32_t second = from + random.below(end - from);
    std::uint32_t last = second + 1;
    while (last < end && store_->sentence(last) - store_->sentence(second) < wanted) ++last;
    return planned_sequence::pair(first, count, second, last - second, true);
  }

  // Runs of tokens that fill their sequences, each cut before a word that does not fit whole.
  void runs(std::uint32_t document, random_stream& random, std::vector<planned_sequence>& plan) const {
    std::uint64_t begin = store_->sentence(store_->document(document));
    const std::uint64_t end = store_->sentence(store_->document(document + 1));
    while (begin < end) {
      const std::uint64_t full = std::min<std::uint64_t>(end, begin + target(random, 1));
      std::uint64_t cut = full;
      while (cut < end && cut > begin && store_->continues(cut)) --cut;
      if (cut == begin) cut = full;
      plan.push_back(planned_sequence::run(begin, static_cast<std::size_t>(cut - begin)));
      begin = cut;
    }
  }

  const token_store* store_;
  pack_options options_;
};

}  // namespace bert::data

#endif  // BERT_DATA_PAIR_PLAN_HPP
