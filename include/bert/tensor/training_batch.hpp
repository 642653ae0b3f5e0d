// The data of one training step: sequences, their targets, and what masking needs to know about the words.
// Layer: tensor. Test: tests/unit/tensor/training_batch_test.cpp
#ifndef BERT_TENSOR_TRAINING_BATCH_HPP
#define BERT_TENSOR_TRAINING_BATCH_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/tensor/token_batch.hpp"

namespace bert::inline BERT_ISA {

/// What masking needs to know about a vocabulary.
struct mask_vocabulary {
  token_id mask = 0;  ///< id of [MASK]
  token_id size = 0;  ///< number of pieces; a random replacement is drawn from [0, size)
};

/// What a batch can carry beside its tokens. A source declares what it carries, `using targets =
/// bert::target_list<bert::target::tag>`, and an objective what it reads, `using needs = …`: a trainer compiles only if the
/// source carries all of it. A source without the declaration is checked when it loads.
namespace target {
struct label {};      ///< a class per sequence: `labels`
struct value {};      ///< `width` numbers per sequence: `values`
struct tag {};        ///< a class per token: `tags`
struct span {};       ///< a first and a last token per sequence: `spans`
struct group {};      ///< several sequences per example: `groups`
struct embedding {};  ///< a vector per sequence: what a head predicts; no batch carries it
struct many {};       ///< any number of classes per sequence: `values`, one a class, 1 if it applies, else 0; below 0: ignored
struct logits {};     ///< what a teacher says: `logits`, `logits_width` per sequence or per token
struct choice {};     ///< the right one of an example's sequences: `groups`, and `labels`, 1 for it, 0 for the others
}  // namespace target

template <class... Targets>
struct target_list {};

/// Tokens `first` to `last` of a sequence, counted from its start; both -1: ignored.
struct token_span {
  std::int32_t first = -1;
  std::int32_t last = -1;
  constexpr bool operator==(const token_span&) const = default;
};

/// The tag of a piece that is read together with the pieces before it, back to the one with the word's tag: their logits are
/// averaged. An objective that knows no such tags ignores it, as all below 0.
inline constexpr std::int32_t joined_tag = -2;

/// A batch of examples from a source, before masking. Fields that the objective does not read stay empty.
struct training_batch {
  token_batch tokens;
  std::vector<std::int32_t> labels;  ///< one per sequence; below 0: ignored (next sentence: 0 follows, 1 random)
  std::vector<float> values;         ///< `width` per sequence, one sequence after the other
  std::vector<std::int32_t> tags;    ///< one per token; below 0: ignored, but for `joined_tag`
  std::vector<token_span> spans;     ///< one per sequence
  std::vector<std::size_t> groups;   ///< the first sequence of each example, and the end; empty: one sequence per example
  std::vector<word_part> parts;      ///< one per token
  std::vector<std::uint64_t> keys;   ///< one per sequence: the index of the example in its epoch, which keys the random masks
  std::vector<float> logits;         ///< of a teacher, `logits_width` per sequence or per token
  std::size_t width = 1, logits_width = 0;
  std::uint64_t epoch = 0;
  std::size_t task = 0;  ///< of several that are trained in turn: the number of the batch's source in bert::data::mixed
  mask_vocabulary vocabulary;

  void clear() noexcept {
    tokens.clear();
    labels.clear();
    values.clear();
    tags.clear();
    spans.clear();
    groups.clear();
    parts.clear();
    keys.clear();
    logits.clear();
    task = 0;
  }
  /// The number of examples: groups if there are any, else sequences.
  [[nodiscard]] std::size_t examples() const noexcept { return groups.empty() ? tokens.sequences() : groups.size() - 1; }
};

/// A source of batches with random access by step, so that the step is all the state that resuming needs.
///
/// `load(step, out)` writes batch `step` of an endless run over the epochs (epoch = step / batches_per_epoch()) into `out`,
/// reusing its memory; `capacity()` bounds every batch. Loading does not allocate if `out` has `capacity()`.
template <class S>
concept batch_source = requires(const S& source, std::uint64_t step, training_batch& out) {
  { source.capacity() } -> std::convertible_to<batch_shape>;
  { source.batches_per_epoch() } -> std::convertible_to<std::uint64_t>;
  source.load(step, out);
};

/// Writes sequences [first, last) of `whole` and their targets to `out`, reusing its memory. The range must not split an
/// example.
inline void copy_sequences(const training_batch& whole, std::size_t first, std::size_t last, training_batch& out) {
  out.clear();
  const auto starts = whole.tokens.starts();
  const std::size_t begin = starts[first], end = starts[last];
  const auto copy = [](const auto& from, auto& to, std::size_t a, std::size_t b) {
    if (!from.empty())
      to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(a), from.begin() + static_cast<std::ptrdiff_t>(b));
  };
  const token_run run = whole.tokens.run(first, last);
  for (std::size_t s = first; s < last; ++s)
    out.tokens.add(whole.tokens[s], whole.tokens.segments(s),
                   run.marks.empty() ? run.marks : run.marks.subspan(starts[s] - begin, whole.tokens.length(s)));
  for (const std::uint32_t position : whole.tokens.scored())
    if (position >= begin && position < end) out.tokens.score(position - begin);
  copy(whole.labels, out.labels, first, last);
  copy(whole.values, out.values, first * whole.width, last * whole.width);
  copy(whole.tags, out.tags, begin, end);
  copy(whole.spans, out.spans, first, last);
  for (const std::size_t g : whole.groups)
    if (g >= first && g <= last) out.groups.push_back(g - first);
  copy(whole.parts, out.parts, begin, end);
  copy(whole.keys, out.keys, first, last);
  const std::size_t row = whole.logits_width;
  if (whole.logits.size() == whole.tokens.tokens() * row) copy(whole.logits, out.logits, begin * row, end * row);
  else copy(whole.logits, out.logits, first * row, last * row);
  out.logits_width = row;
  out.width = whole.width;
  out.epoch = whole.epoch;
  out.task = whole.task;
  out.vocabulary = whole.vocabulary;
}

namespace detail {
template <class Target, class List>
inline constexpr bool lists = false;
template <class Target, class... Targets>
inline constexpr bool lists<Target, target_list<Targets...>> = (std::same_as<Target, Targets> || ...);

template <class Source, class Needs>
inline constexpr bool source_lists = false;
template <class Source, class... Needs>
inline constexpr bool source_lists<Source, target_list<Needs...>> = (lists<Needs, typename Source::targets> && ...);
}  // namespace detail

/// Whether a target_list has `Target`.
template <class Target, class List>
inline constexpr bool lists_target = detail::lists<Target, List>;

/// What stands in a list of tasks for a source that does not declare its targets.
struct undeclared_targets {};

namespace detail {
template <class Targets, class Needs>
inline constexpr bool list_covers = true;  // undeclared
template <class... Targets, class... Needs>
inline constexpr bool list_covers<target_list<Targets...>, target_list<Needs...>> = (lists<Needs, target_list<Targets...>> &&
                                                                                     ...);

template <class Tasks, class Needs>
inline constexpr bool tasks_cover = false;  // of different numbers
template <class... Tasks, class... Needs>
requires(sizeof...(Tasks) == sizeof...(Needs)) inline constexpr bool tasks_cover<target_list<Tasks...>, target_list<Needs...>> =
    (list_covers<Tasks, Needs> && ...);
}  // namespace detail

/// Whether `Source` carries every target that `Objective` needs; true if either does not declare them. Of a source and an
/// objective of several tasks (`task_targets`, `task_needs`), whether it does for each task.
template <class Source, class Objective>
inline constexpr bool carries_targets = [] {
  if constexpr (requires {
                  typename Source::task_targets;
                  typename Objective::task_needs;
                })
    return detail::tasks_cover<typename Source::task_targets, typename Objective::task_needs>;
  else if constexpr (requires {
                       typename Source::targets;
                       typename Objective::needs;
                     })
    return detail::source_lists<Source, typename Objective::needs>;
  else return true;
}();

}  // namespace bert

#endif  // BERT_TENSOR_TRAINING_BATCH_HPP
