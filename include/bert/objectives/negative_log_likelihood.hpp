// The negative log likelihood of a sentence's tags under a model's CRF.
// Layer: objectives. Test: tests/unit/objectives/negative_log_likelihood_test.cpp. Paper: Lafferty et al. 2001, "Conditional
// random fields".
#ifndef BERT_OBJECTIVES_NEGATIVE_LOG_LIKELIHOOD_HPP
#define BERT_OBJECTIVES_NEGATIVE_LOG_LIKELIHOOD_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/heads/crf.hpp"
#include "bert/kernels/loss/crf.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/objectives/per_sequence.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::objectives {

/// The words of a batch of tagged sentences, and their tags. Words are the tokens that begin one and have a tag, in order, of
/// all sequences of an example: windows of one sentence are one chain, as each word has its tag in one of them.
class word_chains {
 public:
  explicit word_chains(const batch_shape& capacity)
      : starts_(capacity.sequences + 1), rows_(capacity.tokens), tags_(capacity.tokens) {}

  /// Whether token `n` is a word with a tag.
  [[nodiscard]] static bool counts(const training_batch& in, std::size_t n) noexcept {
    return in.tags[n] >= 0 && (in.parts.empty() || in.parts[n] == word_part::begins);
  }
  /// Calls body(first, last) with the tokens of each example.
  template <class Body>
  static void for_each_example(const training_batch& in, const Body& body) {
    for (std::size_t i = 0; i < in.examples(); ++i) {
      const std::size_t first = in.groups.empty() ? i : in.groups[i], last = in.groups.empty() ? i + 1 : in.groups[i + 1];
      body(in.tokens.starts()[first], in.tokens.starts()[last], first);
    }
  }
  /// The number of sentences with a word.
  [[nodiscard]] static std::uint64_t sentences(const training_batch& in) noexcept {
    std::uint64_t n = 0;
    if (in.tags.size() != in.tokens.tokens()) return n;  // an error of `score`
    for_each_example(in, [&](std::size_t first, std::size_t last, std::size_t) {
      bool any = false;
      for (std::size_t t = first; t < last && !any; ++t) any = counts(in, t);
      n += any ? 1 : 0;
    });
    return n;
  }

  /// Reads a batch that fits the capacity. There is a chain for each sequence: that of an example's first sequence has its
  /// words, those of the others are empty, so that the order of sums is that of sequences.
  void read(const training_batch& in) noexcept {
    std::size_t words = 0, sequence = 0;
    for_each_example(in, [&](std::size_t first, std::size_t last, std::size_t first_sequence) {
      for (; sequence <= first_sequence; ++sequence) starts_[sequence] = words;
      for (std::size_t n = first; n < last; ++n)
        if (counts(in, n)) rows_[words] = static_cast<std::uint32_t>(n), tags_[words++] = in.tags[n];
    });
    for (; sequence <= in.tokens.sequences(); ++sequence) starts_[sequence] = words;
    chains_ = in.tokens.sequences();
  }

  [[nodiscard]] kernels::crf_chains chains() const noexcept {
    return {{starts_.data(), chains_ + 1}, {rows_.data(), starts_[chains_]}};
  }
  [[nodiscard]] std::span<const std::int32_t> tags() const noexcept { return {tags_.data(), starts_[chains_]}; }

 private:
  buffer<std::size_t> starts_;
  buffer<std::uint32_t> rows_;
  buffer<std::int32_t> tags_;
  std::size_t chains_ = 0;
};

namespace detail {
template <class Head>
struct is_path_tagger : std::bool_constant<heads::path_tagger<Head>> {};
}  // namespace detail

/// loss = mean_s (log Z_s - score_s(tags)) of the model's first CRF, over the sentences s with a word
///
/// A sentence's words are the first pieces that have a tag; [CLS], [SEP] and further pieces are in no chain. A sentence of
/// several windows (`training_batch::groups`) is one chain. A word without a tag (negative) is left out, as if the sentence did
/// not have it: its neighbors are adjacent.
///
/// The term "loss" counts sentences; `correct` are those of which each word's likeliest tag is the right one.
///
/// Throws bert::error unless there is one tag a token, each below L, and for a sentence whose tags the CRF's constraints
/// forbid: the probability of such tags is 0, and no weight changes that. `labels::respell` corrects IOB1 and tags that begin
/// with I; `heads::crf<Labels, labels::unconstrained>` forbids nothing.
struct negative_log_likelihood {
  using needs = target_list<target::tag>;
  template <class Model>
  using head = typename detail::head_where<detail::is_path_tagger, Model>::type;
  template <class Model>
  static constexpr bool fits = !std::is_void_v<head<Model>>;
  static constexpr bool rewrites = false;

  struct work : word_chains {
    work(const negative_log_likelihood&, const batch_shape& raw)
        : word_chains(raw), losses(raw.sequences), right(raw.sequences) {}
    buffer<double> losses;
    buffer<std::int32_t> right;
  };
  [[nodiscard]] static constexpr batch_shape capacity(batch_shape raw) noexcept {
    raw.scored = 0;
    return raw;
  }
  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) noexcept { return in.tokens; }

  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) noexcept {
    loss_terms terms;
    terms.add({.name = "loss", .count = word_chains::sentences(in)});
    return terms;
  }

  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    auto& crf = t.template head<head<Model>>();
    const matrix<float> x = crf.logits();
    check_tags(in, x.cols, where);
    w.read(in);
    const auto chains = w.chains();
    const auto tags = w.tags();
    check_paths(crf, in, chains, tags);

    loss_term term{.name = "loss", .count = word_chains::sentences(in)};
    kernels::crf_loss(e, crf.chain(), chains, x, tags, w.losses.data(), w.right.data(), crf.shares().data,
                      scale.of("loss", term.count), crf.scratch());
    std::size_t next = 0;  // the rows that are no word's have no gradient
    for (std::size_t n = 0; n < x.rows; ++n)
      if (next < chains.rows.size() && chains.rows[next] == n) ++next;
      else std::fill_n(x.row(n), x.cols, 0.0f);
    for (std::size_t s = 0; s < chains.count(); ++s) {
      term.sum += w.losses[s];
      term.correct += static_cast<std::uint64_t>(w.right[s]);
    }
    loss_terms terms;
    terms.add(term);
    return terms;
  }

 private:
  static constexpr const char* where = "bert::objectives::negative_log_likelihood";

  template <class Tape>
  static void check_paths(const Tape& crf, const training_batch& in, const kernels::crf_chains& chains,
                          std::span<const std::int32_t> tags) {
    for (std::size_t s = 0; s < chains.count(); ++s) {
      const auto path = tags.subspan(chains.starts[s], chains.starts[s + 1] - chains.starts[s]);
      if (const std::size_t fault = first_fault(crf.chain(), path); fault != path.size()) {
        std::size_t example = s;
        if (!in.groups.empty())
          example = static_cast<std::size_t>(std::upper_bound(in.groups.begin(), in.groups.end(), s) - in.groups.begin()) - 1;
        throw_illegal(crf, example, path, fault);
      }
    }
  }
  /// As labels::transition_table::first_fault.
  [[nodiscard]] static std::size_t first_fault(const kernels::crf& c, std::span<const std::int32_t> path) noexcept {
    const auto tag = [&](std::size_t t) { return static_cast<std::size_t>(path[t]); };
    for (std::size_t t = 0; t < path.size(); ++t)
      if (t == 0 ? !c.starts(tag(0)) : !c.follows(tag(t - 1), tag(t))) return t;
    return path.empty() || c.ends(tag(path.size() - 1)) ? path.size() : path.size() - 1;
  }
  template <class Tape>
  [[noreturn]] static void throw_illegal(const Tape& crf, std::size_t example, std::span<const std::int32_t> path,
                                         std::size_t fault) {
    const auto name = [&](std::size_t t) { return crf.name(static_cast<std::size_t>(path[t])); };
    std::string all;
    for (std::size_t t = 0; t < path.size(); ++t) all.append(" ").append(name(t));
    const bool starts = fault == 0 && !crf.chain().starts(static_cast<std::size_t>(path[0]));
    const bool follows = !starts && fault > 0 &&
                         !crf.chain().follows(static_cast<std::size_t>(path[fault - 1]), static_cast<std::size_t>(path[fault]));
    throw_error({cat(where, ", sentence ", example, " of the batch"), "tags that the CRF's constraints allow",
                 cat(name(fault),
                     starts    ? " at the start"
                     : follows ? " after "
                               : " at the end",
                     follows ? name(fault - 1) : "", ", word ", fault, " of:", all),
                 "correct the tags (bert::labels::respell does, and data::conll by faulty_tags::respell), or take "
                 "bert::heads::crf<Labels, bert::labels::unconstrained>"});
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_NEGATIVE_LOG_LIKELIHOOD_HPP
