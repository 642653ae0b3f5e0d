// Batches of another source with facts injected: tags and spans stay with their tokens.
// Layer: data. Test: tests/unit/data/knowledge_test.cpp. Paper: Liu et al. 2020, "K-BERT".
#ifndef BERT_DATA_WITH_KNOWLEDGE_HPP
#define BERT_DATA_WITH_KNOWLEDGE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/data/knowledge.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::data {

namespace detail {
template <class Source>
struct targets_of_inner {};
template <class Source>
requires requires { typename Source::targets; }
struct targets_of_inner<Source> {
  using targets = typename Source::targets;
};
}  // namespace detail

/// A batch_source whose sequences are those of `Source` with branches:
///
///     const bert::data::injector inject{bert::data::knowledge{"medical.spo"}, tokenizer, {.facts = 2, .max_tokens = 128}};
///     bert::fit(model, bert::objectives::tag_cross_entropy{}, bert::data::with_knowledge{train.batches(32), inject}, {…});
///     bert::evaluate(model, bert::data::with_knowledge{dev.batches(64), inject});
///
/// A branch's tokens have the tag -1 and the word part `special`; spans move with their tokens. The model needs
/// attention::visible_tree and layers::soft_embeddings. Several threads may load at once, one after the other.
template <batch_source Source>
class with_knowledge : public detail::targets_of_inner<Source> {
 public:
  with_knowledge(Source source, injector inject)
      : source_(std::move(source)),
        inject_(std::make_shared<const injector>(std::move(inject))),
        plain_(std::make_shared<scratch>()) {}

  [[nodiscard]] batch_shape capacity() const {
    batch_shape shape = source_.capacity();
    const std::size_t most = inject_->options().max_tokens;
    shape.tokens += shape.sequences * most;  // a sequence gains fewer
    if (shape.longest != batch_shape::unlimited) shape.longest = std::max(shape.longest, most);
    return shape;
  }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return source_.batches_per_epoch(); }
  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = fingerprint_of(source_);
    append(facts, inject_->fingerprint());
    return facts;
  }
  /// Throws bert::error if the source does not say where words begin (`training_batch::parts`).
  void load(std::uint64_t step, training_batch& out) const {
    const std::lock_guard lock(plain_->mutex);
    training_batch& plain = plain_->batch;
    source_.load(step, plain);
    if (plain.parts.size() != plain.tokens.tokens())
      throw_error({"bert::data::with_knowledge", "a source that says where words begin", "none of its word parts", {}});
    out.clear();
    out.tokens.reserve(capacity());
    out.labels = plain.labels;
    out.values = plain.values;
    out.groups = plain.groups;
    out.keys = plain.keys;
    out.width = plain.width;
    out.epoch = plain.epoch;
    out.task = plain.task;
    out.vocabulary = plain.vocabulary;
    const std::span<const word_part> parts = plain.parts;
    for (std::size_t s = 0; s < plain.tokens.sequences(); ++s) {
      const std::size_t first = plain.tokens.starts()[s], count = plain.tokens.length(s), begin = out.tokens.tokens();
      injected_text& x = plain_->text;
      inject_->inject(plain.tokens[s], plain.tokens.segments(s), parts.subspan(first, count), x);
      out.tokens.add(x.ids, x.segments, x.marks);
      token_span moved{};
      for (std::size_t i = 0; i < x.size(); ++i) {
        const bool own = x.origin[i] >= 0;
        const std::size_t from = first + static_cast<std::size_t>(own ? x.origin[i] : 0);
        out.parts.push_back(own ? parts[from] : word_part::special);
        if (!plain.tags.empty()) out.tags.push_back(own ? plain.tags[from] : -1);
        if (plain.spans.empty() || !own) continue;
        const auto at = static_cast<std::int32_t>(out.parts.size() - 1 - begin);
        if (x.origin[i] == plain.spans[s].first) moved.first = at;
        if (x.origin[i] == plain.spans[s].last) moved.last = at;
      }
      if (!plain.spans.empty()) out.spans.push_back(moved);
    }
  }

 private:
  struct scratch {
    std::mutex mutex;
    training_batch batch;
    injected_text text;
  };
  Source source_;
  std::shared_ptr<const injector> inject_;
  std::shared_ptr<scratch> plain_;
};

}  // namespace bert::data

#endif  // BERT_DATA_WITH_KNOWLEDGE_HPP
