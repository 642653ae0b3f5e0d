// Tokenized examples with their labels: split, shuffled, in batches.
// Layer: data. Test: tests/unit/data/labeled_set_test.cpp
#ifndef BERT_DATA_LABELED_SET_HPP
#define BERT_DATA_LABELED_SET_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/data/batch_order.hpp"
#include "bert/data/split.hpp"
#include "bert/data/tokenizing.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/tensor/training_batch.hpp"
#include "bert/text/tokenizer_options.hpp"

namespace bert::inline BERT_ISA::data {

struct batch_options {
  data::order order = data::order::shuffled;
  std::uint64_t seed = 0;
};

/// The type of one target: the index of a class, or the number itself.
template <class Labels>
using target_of = std::conditional_t<std::is_same_v<Labels, labels::number>, float, std::int32_t>;

/// The default targets of a set with these labels: a number or a class a sequence.
template <class Labels>
using targets_of =
    target_list<std::conditional_t<std::is_same_v<Labels, labels::number>, bert::target::value, bert::target::label>>;

/// Whether a target_list has target::tag.
template <class Targets>
inline constexpr bool lists_tags = false;
template <class... Targets>
inline constexpr bool lists_tags<target_list<Targets...>> = (std::is_same_v<Targets, bert::target::tag> || ...);

/// Sequences end to end, [CLS] A [SEP] or [CLS] A [SEP] B [SEP], each token's word_part, and the targets of training_batch,
/// empty where the set has none of a kind. An example is one sequence, or, with `groups`, several.
struct example_store {
  std::vector<token_id> ids;
  std::vector<segment_id> segments;
  std::vector<word_part> parts;
  std::vector<std::size_t> starts{0};  // first token of each sequence, and the end
  std::vector<std::int32_t> labels;    // one a sequence
  std::vector<float> values;           // `width` a sequence
  std::vector<std::int32_t> tags;      // one a token
  std::vector<token_span> spans;       // one a sequence
  std::vector<std::size_t> groups;     // first sequence of each example, and the end
  std::size_t width = 1;
  std::uint64_t truncated = 0;
  std::uint64_t unknown = 0;            // tokens that are [UNK]
  std::vector<std::string> notes = {};  // guesses made when the file was read
  named_facts facts = {};               // fingerprint of the examples and the tokenizer
  mask_vocabulary vocabulary;

  /// Examples.
  [[nodiscard]] std::size_t size() const noexcept { return groups.empty() ? starts.size() - 1 : groups.size() - 1; }
  /// The first sequence of example `i`; for `size()`, the number of sequences.
  [[nodiscard]] std::size_t first(std::size_t i) const noexcept { return groups.empty() ? i : groups[i]; }
  /// The first token of example `i`.
  [[nodiscard]] std::size_t begin(std::size_t i) const noexcept { return starts[first(i)]; }
  /// Number of tokens of example `i`, over all its sequences.
  [[nodiscard]] std::size_t length(std::size_t i) const noexcept { return begin(i + 1) - begin(i); }
  [[nodiscard]] std::span<const token_id> operator[](std::size_t i) const noexcept {
    return {ids.data() + begin(i), length(i)};
  }

  /// Appends sequence `s` with all its targets to a batch.
  void append(std::size_t s, training_batch& out) const {
    const std::size_t from = starts[s], count = starts[s + 1] - from;
    out.tokens.add({ids.data() + from, count}, {segments.data() + from, count});
    copy(parts, from, count, out.parts);
    copy(labels, s, 1, out.labels);
    copy(values, s * width, width, out.values);
    copy(tags, from, count, out.tags);
    copy(spans, s, 1, out.spans);
    out.keys.push_back(s);
  }

  /// Reserves memory in `out` for batches of `shape`.
  void reserve(const batch_shape& shape, training_batch& out) const {
    out.tokens.reserve({.sequences = shape.sequences, .tokens = shape.tokens, .scored = 0});
    out.parts.reserve(shape.tokens);
    out.keys.reserve(shape.sequences);
    if (!labels.empty()) out.labels.reserve(shape.sequences);
    if (!values.empty()) out.values.reserve(shape.sequences * width);
    if (!tags.empty()) out.tags.reserve(shape.tokens);
    if (!spans.empty()) out.spans.reserve(shape.sequences);
    if (!groups.empty()) out.groups.reserve(shape.sequences + 1);
  }

 private:
  template <class T>
  static void copy(const std::vector<T>& from, std::size_t first, std::size_t count, std::vector<T>& to) {
    if (from.empty()) return;
    const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first);
    to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
  }
};

/// A batch_source over a labeled set, with the targets of `Targets`, a target_list. The last batch of an epoch may be smaller.
/// Several threads may load at once.
template <class Targets>
class labeled_batches {
 public:
  using targets = Targets;

  labeled_batches(std::shared_ptr<const example_store> store, std::shared_ptr<const std::vector<std::uint32_t>> chosen,
                  int batch, const batch_options& options)
      : store_(std::move(store)),
        chosen_(std::move(chosen)),
        batch_(batch_of(batch)),
        options_(options),
        order_(options.order, options.seed, batch_, lengths(), classes(options.order)) {
    std::vector<std::size_t> lengths = this->lengths(), sequences;
    capacity_ = {.sequences = 0, .tokens = 0, .longest = 0};
    for (const auto i : *chosen_) {
      sequences.push_back(store_->first(i + 1) - store_->first(i));
      for (std::size_t s = store_->first(i); s < store_->first(i + 1); ++s)
        capacity_.longest = std::max(capacity_.longest, store_->starts[s + 1] - store_->starts[s]);
    }
    std::sort(lengths.rbegin(), lengths.rend());
    std::sort(sequences.rbegin(), sequences.rend());
    for (std::size_t i = 0; i < std::min(batch_, lengths.size()); ++i) {
      // A balanced batch may have an example several times.
      const std::size_t nth = options.order == data::order::balanced ? 0 : i;
      capacity_.tokens += lengths[nth];
      capacity_.sequences += sequences[nth];
    }
  }

  /// `tokens` sums the longest examples, `sequences` the examples of most sequences.
  [[nodiscard]] batch_shape capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::uint64_t batches_per_epoch() const noexcept { return (chosen_->size() + batch_ - 1) / batch_; }

  /// What determines the batches: examples, tokenizer, size and order; see trainer::keep.
  [[nodiscard]] named_facts fingerprint() const {
    hash64 which;
    for (const auto i : *chosen_) which.add(std::uint64_t{i});
    named_facts facts = store_->facts;
    append(facts, {{"examples chosen", which.text()},
                   {"batch", std::to_string(batch_)},
                   {"order", std::string(name_of(options_.order))},
                   {"seed of the order", std::to_string(options_.seed)}});
    return facts;
  }

  /// Writes tokens, segments, targets, word parts, keys (the index of the sequence in its file), epoch and vocabulary.
  void load(std::uint64_t step, training_batch& out) const {
    out.clear();
    store_->reserve(capacity_, out);
    if (!store_->groups.empty()) out.groups.push_back(0);
    out.width = store_->width;
    out.epoch = step / batches_per_epoch();
    out.vocabulary = store_->vocabulary;
    const auto in_epoch = order_.epoch(out.epoch);
    const auto b = static_cast<std::size_t>(step % batches_per_epoch());
    for (std::size_t i = 0; i < std::min(batch_, chosen_->size() - b * batch_); ++i) {
      const std::size_t e = (*chosen_)[in_epoch(b, i)];
      for (std::size_t s = store_->first(e); s < store_->first(e + 1); ++s) store_->append(s, out);
      if (!store_->groups.empty()) out.groups.push_back(out.tokens.sequences());
    }
  }

 private:
  static std::size_t batch_of(int batch) {
    if (batch < 1) throw_error({"bert::data::labeled_set::batches", "at least 1 example a batch", cat(batch), {}});
    return static_cast<std::size_t>(batch);
  }
  [[nodiscard]] std::vector<std::size_t> lengths() const {
    std::vector<std::size_t> all;
    for (const auto i : *chosen_) all.push_back(store_->length(i));
    return all;
  }
  /// Of each example's first sequence; none where the set has none or the order does not ask.
  [[nodiscard]] std::vector<std::int32_t> classes(data::order asked) const {
    std::vector<std::int32_t> all;
    if (asked == data::order::balanced && !store_->labels.empty())
      for (const auto i : *chosen_) all.push_back(store_->labels[store_->first(i)]);
    return all;
  }

  std::shared_ptr<const example_store> store_;
  std::shared_ptr<const std::vector<std::uint32_t>> chosen_;
  std::size_t batch_;
  batch_options options_;
  batch_order order_;
  batch_shape capacity_;
};

/// Labeled examples. `Labels` is a label set, or labels::number for regression; `Targets` says what a label belongs to, by
/// default a sequence. Copies share the examples.
///
///     const auto [train, test] = bert::data::tsv<urgency>("triage.tsv", tokenizer).split(0.9f, {.seed = 7});
///     bert::fit(model, objective, train.batches(32), …);
template <class Labels, class Targets = targets_of<Labels>>
class labeled_set {
  static constexpr bool tagged = lists_tags<Targets>, many = lists_target<bert::target::many, Targets>,
                        choices = lists_target<bert::target::choice, Targets>;

 public:
  using labels_type = Labels;
  using targets = Targets;
  using target = target_of<Labels>;

  /// Throws bert::error if there is no example.
  labeled_set(Labels names, example_store examples) : names_(std::move(names)) {
    if (examples.size() == 0) throw_error({"bert::data::labeled_set", "at least one example", "none", {}});
    auto all = std::make_shared<std::vector<std::uint32_t>>(examples.size());
    for (std::size_t i = 0; i < all->size(); ++i) (*all)[i] = static_cast<std::uint32_t>(i);
    chosen_ = std::move(all);
    store_ = std::make_shared<const example_store>(std::move(examples));
  }

  [[nodiscard]] std::size_t size() const noexcept { return chosen_->size(); }
  [[nodiscard]] const Labels& names() const noexcept { return names_; }
  /// Ids of example `i`, with [CLS] and [SEP]; several sequences lie end to end.
  [[nodiscard]] std::span<const token_id> operator[](std::size_t i) const noexcept { return (*store_)[(*chosen_)[i]]; }
  /// Class or number of example `i`: that of its first sequence.
  [[nodiscard]] target label(std::size_t i) const noexcept requires(!tagged && !many && !choices) {
    const std::size_t s = store_->first((*chosen_)[i]);
    if constexpr (std::is_same_v<Labels, labels::number>) return store_->values[s];
    else return store_->labels[s];
  }
  /// 1 for each label that applies to example `i`, 0 for the others; negative ones are not counted.
  [[nodiscard]] std::span<const float> applies(std::size_t i) const noexcept requires many {
    return {store_->values.data() + store_->first((*chosen_)[i]) * store_->width, store_->width};
  }
  /// The number of choices of example `i`, and the index of the right one.
  [[nodiscard]] std::size_t choices_of(std::size_t i) const noexcept requires choices {
    const std::size_t e = (*chosen_)[i];
    return store_->first(e + 1) - store_->first(e);
  }
  [[nodiscard]] std::size_t answer(std::size_t i) const noexcept requires choices {
    const auto* first = store_->labels.data() + store_->first((*chosen_)[i]);
    return static_cast<std::size_t>(std::find(first, first + choices_of(i), 1) - first);
  }
  /// Tags of example `i`, one a token; negative ones are not counted.
  [[nodiscard]] std::span<const std::int32_t> tags(std::size_t i) const noexcept requires tagged {
    return {store_->tags.data() + store_->begin((*chosen_)[i]), store_->length((*chosen_)[i])};
  }
  /// How many of the file's texts, or words of a tagged set, were cut to .max_tokens.
  [[nodiscard]] std::uint64_t truncated() const noexcept { return store_->truncated; }
  /// Examples of the file that have several sequences.
  [[nodiscard]] std::uint64_t grouped() const noexcept {
    std::uint64_t n = 0;
    for (std::size_t i = 1; i < store_->groups.size(); ++i) n += store_->groups[i] - store_->groups[i - 1] > 1 ? 1 : 0;
    return n;
  }
  /// Tokens of the file, and how many of them are [UNK].
  [[nodiscard]] std::uint64_t tokens() const noexcept { return store_->ids.size(); }
  [[nodiscard]] std::uint64_t unknown() const noexcept { return store_->unknown; }
  /// Guesses that were made when the file was read, each a line for the user: "train.tsv: first row taken as header: …".
  [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return store_->notes; }

  /// A random `share` of the examples, rounded, and the rest, both in the order of the file.
  /// Throws bert::error unless each has at least one example.
  [[nodiscard]] std::pair<labeled_set, labeled_set> split(float share, const split_options& options = {}) const {
    auto [first, second] = split_at_random(*chosen_, share, options, "bert::data::labeled_set::split", "examples");
    return {labeled_set(*this, std::move(first)), labeled_set(*this, std::move(second))};
  }

  /// Batches of `batch` examples in one of the orders of data::order.
  [[nodiscard]] labeled_batches<Targets> batches(int batch, const batch_options& options = {}) const {
    return labeled_batches<Targets>(store_, chosen_, batch, options);
  }

 private:
  labeled_set(const labeled_set& whole, std::vector<std::uint32_t> chosen)
      : names_(whole.names_),
        store_(whole.store_),
        chosen_(std::make_shared<const std::vector<std::uint32_t>>(std::move(chosen))) {}

  Labels names_;
  std::shared_ptr<const example_store> store_;
  std::shared_ptr<const std::vector<std::uint32_t>> chosen_;
};

/// Builds a labeled set, example by example.
///
///     bert::data::labeled_set_builder<urgency, decltype(tokenizer)> notes(tokenizer, {}, 128);
///     notes.add("burning smell near the boiler", {}, urgency::index<"urgent">);
///     const auto set = std::move(notes).build();
template <class Labels, tokenizing Tokenizer>
class labeled_set_builder {
 public:
  /// Keeps a reference to `tokenizer`. Throws bert::error for fewer than 8 tokens.
  labeled_set_builder(const Tokenizer& tokenizer, Labels names, int max_tokens)
      : tokenizer_(&tokenizer), longest_(static_cast<std::size_t>(std::max(max_tokens, 0))), names_(std::move(names)) {
    if (max_tokens < 8) throw_error({"bert::data", ".max_tokens of at least 8", cat(max_tokens), {}});
    store_.vocabulary = {.mask = tokenizer.mask_id(), .size = static_cast<token_id>(tokenizer.vocabulary().size())};
  }

  /// Adds a text, or, if `second` is not empty, a pair. What does not fit is cut off at the end, or at the front if the
  /// tokenizer's truncation_side is left. Of a pair, the longer text is cut until both are equally long, then both.
  void add(std::string_view text, std::string_view second, target_of<Labels> label) {
    append_sequence(text, second);
    if constexpr (std::is_same_v<Labels, labels::number>) store_.values.push_back(label);
    else store_.labels.push_back(label);
    content_.add(text).add(second).add(std::to_string(label));
  }

  /// Adds a guess that the reader of a file has made; labeled_set::notes returns it.
  void note(std::string text) { store_.notes.push_back(std::move(text)); }

  [[nodiscard]] std::size_t size() const noexcept { return store_.size(); }
  [[nodiscard]] const Labels& names() const noexcept { return names_; }
  [[nodiscard]] labeled_set<Labels> build() && { return std::move(*this).template build_with<targets_of<Labels>>(); }

 protected:
  /// Appends a sequence without a target.
  void append_sequence(std::string_view text, std::string_view second) {
    first_ids_.clear();
    first_parts_.clear();
    second_ids_.clear();
    second_parts_.clear();
    tokenizer_->append_ids(text, first_ids_, &first_parts_);
    if (!second.empty()) tokenizer_->append_ids(second, second_ids_, &second_parts_);
    truncate(longest_ - (second.empty() ? 2 : 3));
    if constexpr (requires { tokenizer_->unk_id(); })
      for (const auto* ids : {&first_ids_, &second_ids_})
        store_.unknown += static_cast<std::uint64_t>(std::count(ids->begin(), ids->end(), tokenizer_->unk_id()));
    put(tokenizer_->cls_id(), 0);
    put(first_ids_, first_parts_, 0);
    put(tokenizer_->sep_id(), 0);
    if (!second.empty()) {
      segment_id segment = 1;
      if constexpr (requires { tokenizer_->second_segment(); }) segment = tokenizer_->second_segment();
      put(second_ids_, second_parts_, segment);
      put(tokenizer_->sep_id(), segment);
    }
    store_.starts.push_back(store_.ids.size());
  }
  /// The set, with targets of these kinds.
  template <class Targets>
  [[nodiscard]] labeled_set<Labels, Targets> build_with() && {
    store_.facts = {{"examples", content_.text()}, {"tokens", std::to_string(longest_)}};
    append(store_.facts, fingerprint_of(*tokenizer_));
    return {std::move(names_), std::move(store_)};
  }

 private:
  void truncate(std::size_t capacity) {
    std::size_t a = first_ids_.size(), b = second_ids_.size();
    if (a + b <= capacity) return;
    // The shorter text keeps up to half of the capacity, rounded down; the longer has the rest, the second of equal ones.
    const std::size_t shorter = std::min({a, b, capacity / 2});
    (a > b ? b : a) = shorter;
    (first_ids_.size() > second_ids_.size() ? a : b) = capacity - shorter;
    bool left = false;
    if constexpr (requires { tokenizer_->options().truncation_side; })
      left = tokenizer_->options().truncation_side == text::side::left;
    const auto keep = [left](auto& list, std::size_t count) {
      const auto surplus = static_cast<std::ptrdiff_t>(list.size() - count);
      if (left) list.erase(list.begin(), list.begin() + surplus);
      else list.resize(count);
    };
    keep(first_ids_, a);
    keep(first_parts_, a);
    keep(second_ids_, b);
    keep(second_parts_, b);
    ++store_.truncated;
  }
  void put(token_id special, segment_id segment) {
    store_.ids.push_back(special);
    store_.parts.push_back(word_part::special);
    store_.segments.push_back(segment);
  }
  void put(const std::vector<token_id>& ids, const std::vector<word_part>& parts, segment_id segment) {
    store_.ids.insert(store_.ids.end(), ids.begin(), ids.end());
    store_.parts.insert(store_.parts.end(), parts.begin(), parts.end());
    store_.segments.insert(store_.segments.end(), ids.size(), segment);
  }

  const Tokenizer* tokenizer_;
  std::size_t longest_;
  std::vector<token_id> first_ids_, second_ids_;
  std::vector<word_part> first_parts_, second_parts_;

 protected:
  Labels names_;
  example_store store_;
  hash64 content_;
};

}  // namespace bert::data

#endif  // BERT_DATA_LABELED_SET_HPP
