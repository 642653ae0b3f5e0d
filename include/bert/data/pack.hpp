// From a corpus to batches of sequences for pretraining.
// Layer: data. Test: tests/unit/data/pack_test.cpp. Paper: Devlin et al. 2019, "BERT", appendix A.2.
#ifndef BERT_DATA_PACK_HPP
#define BERT_DATA_PACK_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/core/random.hpp"
#include "bert/data/corpus.hpp"
#include "bert/data/pack_options.hpp"
#include "bert/data/pair_plan.hpp"
#include "bert/data/permutation.hpp"
#include "bert/data/token_store.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::data {

/// A batch_source of sequences from a corpus, made by `pack`. Copies share the corpus. Several threads may load at once.
///
/// Every epoch has as many sequences as epoch 0. If a later epoch draws more, the last of its random order are left out; if
/// fewer, the first come twice.
class packed {
 public:
  template <tokenizing Tokenizer, executor Exec>
  packed(const corpus& text, const Tokenizer& tokenizer, const pack_options& options, const Exec& exec)
      : state_(std::make_shared<state>(text, tokenizer, checked(options), exec)) {}

  [[nodiscard]] batch_shape capacity() const noexcept {
    const auto sequences = std::min<std::uint64_t>(static_cast<std::uint64_t>(options().batch), this->sequences());
    const auto longest = static_cast<std::size_t>(options().tokens);
    return {.sequences = static_cast<std::size_t>(sequences),
            .tokens = static_cast<std::size_t>(sequences) * longest,
            .longest = longest};
  }
  [[nodiscard]] std::uint64_t batches_per_epoch() const noexcept {
    const auto batch = static_cast<std::uint64_t>(options().batch);
    return (sequences() + batch - 1) / batch;
  }

  /// Writes batch `step`, counted over all epochs, to `out`: tokens, segments, labels (see pairing), word parts, keys (the
  /// index of the sequence in the plan of its epoch), epoch and vocabulary.
  void load(std::uint64_t step, training_batch& out) const { state_->load(step, batches_per_epoch(), out); }

  /// Sequences in an epoch.
  [[nodiscard]] std::uint64_t sequences() const noexcept { return state_->sequences; }
  /// Tokens, sentences and documents of the corpus, and the bytes of its temporary files.
  [[nodiscard]] std::uint64_t tokens() const noexcept { return state_->store.tokens(); }
  [[nodiscard]] std::uint64_t sentences() const noexcept { return state_->store.sentences(); }
  [[nodiscard]] std::uint64_t documents() const noexcept { return state_->store.documents(); }
  [[nodiscard]] std::uint64_t bytes_on_disk() const noexcept { return state_->store.bytes(); }
  /// The corpus as tokens.
  [[nodiscard]] const token_store& store() const noexcept { return state_->store; }
  [[nodiscard]] const pack_options& options() const noexcept { return state_->options; }
  /// Tokens of the corpus that are [UNK].
  [[nodiscard]] std::uint64_t unknown() const noexcept { return state_->store.unknown(); }
  /// Share of the pairs of epoch 0 whose label is 1; 0 without pairs. Short documents raise it above second_random, as a
  /// document of one sentence always takes a random second one.
  [[nodiscard]] double negative_share() const noexcept { return state_->negative_share; }

  /// What determines the batches: corpus, tokenizer and options; see trainer::keep.
  [[nodiscard]] named_facts fingerprint() const {
    const pack_options& o = options();
    constexpr const char* pairings[] = {"next_sentence", "sentence_order", "none"};
    named_facts facts{{"corpus", state_->store.content().text()}};
    append(facts, state_->tokenizer);
    append(facts, {{"batch", std::to_string(o.batch)},
                   {"tokens", std::to_string(o.tokens)},
                   {"pairs", pairings[static_cast<int>(o.pairs)]},
                   {"pairs drawn", o.pairs_drawn == redraw::never ? "once" : "each epoch"},
                   {"share of random pairs", cat(o.second_random)},
                   {"share of short sequences", cat(o.short_sequence_rate)},
                   {"seed of the pairs", std::to_string(o.seed)}});
    return facts;
  }

 private:
  struct state {
    pack_options options;
    token_store store;
    pair_planner planner;
    token_id cls, sep;
    mask_vocabulary vocabulary;
    named_facts tokenizer;
    float negative_rate = 0;
    double negative_share = 0;
    std::uint64_t sequences = 0;
    std::mutex lock;  // guards what follows
    std::vector<planned_sequence> plan;
    std::uint64_t planned = 0;  // the epoch of `plan`
    std::vector<token_id> ids;
    std::vector<segment_id> segments;

    template <class Tokenizer, class Exec>
    state(const corpus& text, const Tokenizer& source, const pack_options& wanted, const Exec& exec)
        : options(wanted),
          store(text, source, {.longest_sentence = pair_planner::capacity(wanted), .scratch = wanted.scratch}, exec),
          planner(store, options),
          cls(source.cls_id()),
          sep(source.sep_id()),
          vocabulary{.mask = source.mask_id(), .size = static_cast<token_id>(source.vocabulary().size())},
          tokenizer(fingerprint_of(source)) {
      if (options.pairs == pairing::next_sentence && store.documents() < 2)
        throw_error({path_text(text.path()), "two documents or more, a blank line between them, to take random sentences from",
                     "one document", "separate documents by blank lines, or pack with .pairs = pairing::none"});
      settle_negative_rate();
      plan.reserve(plan.size() + plan.size() / 8 + 64);  // later epochs differ by little
      sequences = plan.size();
      if (sequences == 0)
        throw_error(
            {path_text(text.path()), "a document of two sentences or more", "none", "pack with .pairs = pairing::none"});
      if (options.pairs != pairing::none) negative_share = negative_pairs() / static_cast<double>(sequences);
      if (options.pairs == pairing::next_sentence && options.second_random < 1 && negative_share == 1)
        throw_error(
            {path_text(text.path()), "documents of two sentences or more, so that some of the pairs follow each other",
             cat("one sentence in each of ", store.documents(), " documents: all ", sequences, " pairs would be random"),
             "remove the blank lines within documents, or pack with .pairs = pairing::none"});
      ids.reserve(static_cast<std::size_t>(options.tokens));
      segments.reserve(static_cast<std::size_t>(options.tokens));
    }

    [[nodiscard]] double negative_pairs() const noexcept {
      return static_cast<double>(
          std::count_if(plan.begin(), plan.end(), [](const planned_sequence& p) { return p.negative(); }));
    }

    // A chunk of one sentence always takes a random B, so that longer chunks must less often for `second_random` of all pairs
    // to be random. Three rounds of measuring bring the share within 0.002 of that.
    void settle_negative_rate() {
      negative_rate = options.second_random;
      planner.draw(0, negative_rate, plan);
      if (options.pairs != pairing::next_sentence) return;
      for (int round = 0; round < 3; ++round) {
        const float excess = static_cast<float>(negative_pairs()) / static_cast<float>(plan.size()) - options.second_random;
        negative_rate = std::clamp(negative_rate - excess, 0.0f, 1.0f);
        planner.draw(0, negative_rate, plan);
      }
    }

    void load(std::uint64_t step, std::uint64_t per_epoch, training_batch& out) {
      const std::uint64_t epoch = step / per_epoch, drawn = options.pairs_drawn == redraw::never ? 0 : epoch;
      const auto batch = static_cast<std::uint64_t>(options.batch);
      const std::uint64_t begin = step % per_epoch * batch, end = std::min(begin + batch, sequences);
      out.clear();
      const auto most = static_cast<std::size_t>(std::min(batch, sequences)),
                 tokens = most * static_cast<std::size_t>(options.tokens);
      out.tokens.reserve({.sequences = most, .tokens = tokens, .scored = 0});
      out.parts.reserve(tokens);
      out.keys.reserve(most);
      out.labels.reserve(most);
      out.epoch = epoch;
      out.vocabulary = vocabulary;
      const std::lock_guard guard(lock);
      if (planned != drawn) {
        planner.draw(drawn, negative_rate, plan);
        planned = drawn;
      }
      const permutation order(plan.size(), random_stream(options.seed, draw::shuffling, epoch));
      for (std::uint64_t i = begin; i < end; ++i) {
        const std::uint64_t key = order(i % plan.size());
        if (options.pairs == pairing::none) add_run(plan[static_cast<std::size_t>(key)], out);
        else
          add_pair(plan[static_cast<std::size_t>(key)],
                   random_stream(options.seed, draw::sentence_pairs, key, static_cast<std::uint32_t>(2 * drawn + 1)), out);
        out.keys.push_back(key);
      }
    }

    void add_run(const planned_sequence& p, training_batch& out) {
      start(out);
      copy(p.token(), p.token() + p.first_count(), out);
      close(0, out);
      out.tokens.add(ids, segments);
    }

    // While the pair is too long, the longer of the two loses a token, at random its first or its last.
    void add_pair(const planned_sequence& p, random_stream random, training_batch& out) {
      std::uint64_t a = store.sentence(p.first()), a_end = store.sentence(p.first() + p.first_count());
      std::uint64_t b = store.sentence(p.second()), b_end = store.sentence(p.second() + p.second_count());
      if (p.negative() && options.pairs == pairing::sentence_order) {
        std::swap(a, b);
        std::swap(a_end, b_end);
      }
      for (const std::uint64_t capacity = pair_planner::capacity(options); (a_end - a) + (b_end - b) > capacity;) {
        const bool first = a_end - a > b_end - b, front = (random() >> 31) != 0;
        if (front) ++(first ? a : b);
        else --(first ? a_end : b_end);
      }
      start(out);
      copy(a, a_end, out);
      close(0, out);
      copy(b, b_end, out);
      close(1, out);
      out.tokens.add(ids, segments);
      out.labels.push_back(p.negative() ? 1 : 0);
    }

    void start(training_batch& out) {
      ids.assign(1, cls);
      segments.assign(1, 0);
      out.parts.push_back(word_part::special);
    }
    void copy(std::uint64_t from, std::uint64_t end, training_batch& out) {
      for (; from < end; ++from) {
        const token_id id = store.id(from);
        const bool special = id == cls || id == sep || id == vocabulary.mask;  // spelled out in the text
        ids.push_back(id);
        out.parts.push_back(special ? word_part::special : store.continues(from) ? word_part::continues : word_part::begins);
      }
    }
    // Ends a segment with [SEP], and gives its id to all tokens that have none yet.
    void close(segment_id segment, training_batch& out) {
      ids.push_back(sep);
      out.parts.push_back(word_part::special);
      segments.resize(ids.size(), segment);
    }
  };

  static const pack_options& checked(const pack_options& o) {
    const auto refuse = [](const char* expected, std::string found) {
      throw_error({"bert::data::pack", expected, std::move(found), {}});
    };
    if (o.tokens < 8 || o.tokens > 32'767) refuse(".tokens of 8 to 32,767", cat(o.tokens));
    if (o.batch < 1) refuse(".batch of at least 1", cat(o.batch));
    if (!(o.second_random >= 0 && o.second_random <= 1)) refuse(".second_random of 0 to 1", cat(o.second_random));
    if (!(o.short_sequence_rate >= 0 && o.short_sequence_rate <= 1))
      refuse(".short_sequence_rate of 0 to 1", cat(o.short_sequence_rate));
    return o;
  }

  std::shared_ptr<state> state_;
};

/// Tokenizes `text` once, into temporary files (see token_store), and draws sequences from it.
///
///     const auto batches = bert::data::pack(text, tokenizer, {.tokens = 128, .batch = 64, .seed = 1});
///
/// The batches depend on text, tokenizer and options, never on `exec`, which only tokenizes. Memory: 12 bytes a sequence, about
/// 0.16 a token of the corpus. Throws bert::error for options out of range, for a text without words, and for one without
/// pairs: `next_sentence` needs two documents, and both pairings a document of two sentences.
template <tokenizing Tokenizer, executor Exec = execution::serial>
[[nodiscard]] packed pack(const corpus& text, const Tokenizer& tokenizer, const pack_options& options = {},
                          const Exec& exec = {}) {
  return packed(text, tokenizer, options, exec);
}

}  // namespace bert::data

#endif  // BERT_DATA_PACK_HPP
