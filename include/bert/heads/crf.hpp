// One path of tags per sentence: a dense layer on every token, and a linear-chain CRF over the words.
// Layer: heads. Test: tests/unit/heads/crf_test.cpp. Papers: Lafferty et al. 2001, "Conditional random fields"; Lample et al.
// 2016, "Neural architectures for named entity recognition".
//
//   score(y) = start[y_0] + sum_t x[t,y_t] + sum_t A[y_(t-1),y_t] + end[y_(T-1)]
#ifndef BERT_HEADS_CRF_HPP
#define BERT_HEADS_CRF_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/heads/token_linear.hpp"
#include "bert/kernels/loss/crf.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/labels/transitions.hpp"

namespace bert::inline BERT_ISA::heads {

/// What a CRF predicts: one tag of `Head::labels` per word, all of a sentence together. Its output [N, L] are emissions, not
/// logits of tags: their softmax is no probability.
struct tag_path {};

/// A head of emissions and transitions. objectives::negative_log_likelihood trains it; bert::evaluate and bert::pipeline decode
/// it by Viterbi over the words.
template <class Head>
concept path_tagger = predicts<Head, tag_path> && labels::label_set<typename Head::labels> && requires {
  typename Head::constraints;
};

/// A CRF over the tags of `Labels`, with emissions x = drop(hidden) W^T + b at the first piece of each word; the tensors of
/// BertForTokenClassification with `crf.start` [L], `crf.end` [L] and `crf.transitions` [L, L] (from, to), which start from
/// zeros.
///
///     struct entities : bert::labels::bio<"PER", "ORG", "LOC"> {};
///     auto tagger = files.load<encoder>().with_head<bert::heads::crf<entities>>({.seed = 7});
///     bert::fit(tagger, bert::objectives::negative_log_likelihood{}, sentences.batches(32), {.epochs = 4, .learning_rate =
///     3e-5f},
///               bert::optim::crf_rate{.multiple = 100});
///     const bert::pipeline tag{tagger, tokenizer};
///     for (const auto& [text, type, score] : tag("Ada Lovelace met Charles Babbage in London.")) …
///
/// What `Constraints` forbid (by default what the label set or the scheme of its names does: labels/transitions.hpp) is absent
/// from the normalizer and from every decoding, whatever the weights. `crf<Labels, bert::labels::unconstrained>` lets any tag
/// follow any, for IOB1. With labels::dynamic_set the labels are given when the model is constructed.
template <class Labels, class Constraints = bert::labels::by_scheme>
struct crf : token_linear<"classifier.weight", "classifier.bias", detail::label_outputs<Labels>()> {
  using base = token_linear<"classifier.weight", "classifier.bias", detail::label_outputs<Labels>()>;
  using labels = Labels;
  using constraints = Constraints;
  using predicts = tag_path;
  static constexpr output_rows rows = output_rows::tokens;
  enum tensor : std::size_t { weight, bias, start, end, transitions };

  template <class A>
  static constexpr auto parameters() {
    constexpr auto emissions = base::template parameters<A>();
    constexpr int tags = base::outputs;
    return std::array<parameter, 5>{{
        emissions[weight],
        emissions[bias],
        {.stem = "crf.start", .rows = tags, .role = role::bias, .initial = initialization::zeros},
        {.stem = "crf.end", .rows = tags, .role = role::bias, .initial = initialization::zeros},
        {.stem = "crf.transitions", .rows = tags, .cols = tags, .initial = initialization::zeros},
    }};
  }

  /// Writes which starts, ends and transitions are allowed: [start, end, transitions]. `names` are those of labels that the
  /// type leaves open.
  static void write_allowed(std::span<const std::string> names, std::span<float> out) noexcept {
    if constexpr (bert::labels::static_label_set<Labels>) Constraints::write(Labels{}, out);
    else Constraints::write(bert::labels::name_list{names}, out);
  }

  /// The emissions' weights, and start, end and transitions as they are.
  template <class A>
  class packed : public base::template packed<A> {
    using linear = typename base::template packed<A>;

   public:
    static constexpr void carve(carver& c, const open_sizes& sizes) noexcept {
      linear::carve(c, sizes);
      const std::size_t tags = base::count(sizes);
      for (const std::size_t n : {tags, tags, tags * tags}) c.take(n);
    }
    template <executor E>
    packed(const E& e, carver& c, const module_parameters<const float>& p, const open_sizes& sizes) noexcept
        : linear(e, c, p, sizes),
          tags(base::count(sizes)),
          start(layers::packed_copy(c, p[crf::start], tags)),
          end(layers::packed_copy(c, p[crf::end], tags)),
          transitions(layers::packed_copy(c, p[crf::transitions], tags * tags)) {}

    std::size_t tags;
    const float *start, *end, *transitions;

    /// The CRF with these weights and `allowed`, as `write_allowed` writes it.
    [[nodiscard]] kernels::crf chain(const float* allowed) const noexcept { return {tags, start, end, transitions, allowed}; }
  };

  /// Buffers of a training step. The objective overwrites `logits()`, the emissions, by their gradient, and writes each
  /// sequence's gradients of start, end and transitions to `shares()`, before `backward`.
  template <class A>
  class tape : public base::template tape<A> {
    using linear = typename base::template tape<A>;

   public:
    constexpr tape(carver& c, const batch_shape& s, const open_sizes& sizes) noexcept
        : linear(c, s, sizes),
          tags_(base::count(sizes)),
          allowed_(c.take(bert::labels::transition_count(tags_))),
          shares_(c.take(s.sequences * kernels::crf_share(tags_))),
          sum_(c.take(kernels::crf_share(tags_))),
          scratch_(c.take(kernels::crf_scratch(tags_, s.tokens, s.sequences))) {}

    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, const encoded& in, const step_noise& noise) noexcept {
      linear::forward(e, p, in, noise);
      names_ = p.labels;
      crf::write_allowed(names_, {allowed_, bert::labels::transition_count(tags_)});
      chain_ = {tags_, p[crf::start], p[crf::end], p[crf::transitions], allowed_};
      sequences_ = in.batch.sequences();
      std::fill_n(shares_, sequences_ * kernels::crf_share(tags_), 0.0f);
    }

    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g, const encoded& in,
                  matrix<float> d_hidden, matrix<float> d_pooled, const step_noise& noise) noexcept {
      linear::backward(e, p, g, in, d_hidden, d_pooled, noise);
      std::fill_n(sum_, kernels::crf_share(tags_), 0.0f);
      kernels::column_sums(e, shares(), sum_, in.groups.sequences);
      const std::size_t width = kernels::crf_width(tags_);
      const auto add = [&](float* to, std::size_t first, std::size_t count) {
        for (std::size_t i = 0; to != nullptr && i < count; ++i)
          for (std::size_t j = 0; j < tags_; ++j) to[i * tags_ + j] += sum_[(first + i) * width + j];
      };
      add(g[crf::start], 0, 1);
      add(g[crf::end], 1, 1);
      add(g[crf::transitions], 2, tags_);
    }

    /// The CRF with the weights and constraints of the last forward pass.
    [[nodiscard]] const kernels::crf& chain() const noexcept { return chain_; }
    /// A row of `kernels::crf_share` floats for each sequence of the batch: zeros after `forward`.
    [[nodiscard]] matrix<float> shares() const noexcept { return {shares_, sequences_, kernels::crf_share(tags_)}; }
    /// Scratch for `kernels::crf_loss` over the batch.
    [[nodiscard]] float* scratch() const noexcept { return scratch_; }
    /// The name of a tag.
    [[nodiscard]] std::string_view name(std::size_t tag) const noexcept {
      if constexpr (bert::labels::static_label_set<Labels>) return Labels::name(static_cast<int>(tag));
      else return names_[tag];
    }

   private:
    std::size_t tags_, sequences_ = 0;
    float *allowed_, *shares_, *sum_, *scratch_;
    std::span<const std::string> names_;
    kernels::crf chain_;
  };
};

}  // namespace bert::heads

#endif  // BERT_HEADS_CRF_HPP
