// A callable from text to the decoded output of a model's first head: tokenizer, model and decoding.
// Layer: pipeline. Test: tests/unit/pipeline/pipeline_test.cpp
#ifndef BERT_PIPELINE_PIPELINE_HPP
#define BERT_PIPELINE_PIPELINE_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/checkpoint/weights.hpp"
#include "bert/core/error.hpp"
#include "bert/core/finite.hpp"
#include "bert/core/isa.hpp"
#include "bert/model/session.hpp"
#include "bert/pipeline/answering.hpp"
#include "bert/pipeline/crf_tagging.hpp"
#include "bert/pipeline/decoding.hpp"
#include "bert/pipeline/decoding_choice.hpp"
#include "bert/pipeline/decoding_many.hpp"
#include "bert/pipeline/example.hpp"
#include "bert/pipeline/portions.hpp"
#include "bert/pipeline/reranking.hpp"
#include "bert/pipeline/reranking_session.hpp"
#include "bert/pipeline/tagging.hpp"
#include "bert/text/tokenizer.hpp"

namespace bert::inline BERT_ISA {

namespace detail {
template <class Model>
struct first_head_of;
template <class A, class Head, class... Others>
struct first_head_of<model<A, Head, Others...>> {
  using type = Head;
};
}  // namespace detail

/// Text in, the first head's decoded output out: `candidate`s for every [MASK], a `classified`, a number, entities, an answer.
///
///     const bert::pipeline triage{model, tokenizer};
///     std::cout << triage("The server is on fire.").label;
///     for (const auto& [text, type, score] : tag("Ada Lovelace met Charles Babbage in London.")) …
///
/// A text is encoded with the byte range of every token, run as one sequence, or for taggers in windows, and decoded by
/// bert::decoding<Head>. Without windows, a text longer than `max_tokens` is cut.
///
/// `pipeline<decltype(model)>::open(folder)` packs a checkpoint folder directly, without a model in between.
///
/// Holds weights packed for inference; copies share them, and any number of threads may use one.
template <class Model, class Precision = precision::f32>
class pipeline {
  using architecture = typename Model::architecture;
  static_assert(ensure<(Model::head_count > 0), facts<Model>>,
                "bert::pipeline: the model must have a head; give it one with with_head");

 public:
  using head = typename detail::first_head_of<Model>::type;
  using result = typename decoding<head>::result;
  /// Whether the head chooses among the sequences of a text.
  static constexpr bool chooses = requires { requires decoding<head>::reads_choices; };

  /// Opens a checkpoint folder, packed directly from its mapped file. `e` runs the packing. Thresholds that the folder keeps
  /// (decoding_settings) apply unless `options` has others; one for no answer lets answers be empty. Throws bert::error as
  /// bert::checkpoint does.
  template <executor E = execution::serial>
  [[nodiscard]] static pipeline open(const std::filesystem::path& folder, pipeline_options options = {}, const E& e = {}) {
    const checkpoint files(folder);
    const decoding_settings& kept = files.config().decoding;
    if (options.thresholds.empty()) options.thresholds = kept.thresholds;
    if (kept.no_answer && !options.answers.threshold) {
      options.answers.threshold = kept.no_answer;
      options.answers.may_be_empty = true;
    }
    return pipeline(
        std::make_shared<const shared_state>(files.freeze<Model, Precision>(e), files.tokenizer(), files.label_names<Model>()),
        std::move(options));
  }

  pipeline(const Model& m, text::tokenizer tokenizer, pipeline_options options = {})
      : pipeline(std::make_shared<const shared_state>(freeze<Precision>(m), std::move(tokenizer),
                                                      pipelines::model_traits<Model>::labels_of(m)),
                 std::move(options)) {}

  [[nodiscard]] result operator()(std::string_view text) const {
    return std::move(run({input(text, std::nullopt)}, execution::serial{}).front());
  }
  /// A pair of texts, as segments 0 and 1.
  [[nodiscard]] result operator()(std::string_view a, std::string_view b) const {
    return std::move(run({input(a, b)}, execution::serial{}).front());
  }
  /// A question and the context that may answer it: `ask({.question = "Who met Babbage?", .context = passage})`.
  [[nodiscard]] result operator()(const question& q) const requires heads::span_finder<head> {
    return (*this)(q.question, q.context);
  }
  /// One answer a question; `e` runs the kernels.
  template <std::ranges::forward_range Questions, executor E = execution::serial>
  requires(heads::span_finder<head>&& std::same_as<std::ranges::range_value_t<const Questions>, question>)
      [[nodiscard]] std::vector<result>
      operator()(const Questions& questions, const E& e = {}) const {
    std::vector<inputs> all;
    for (const question& q : questions) all.push_back(input(q.question, q.context));
    return run(all, e);
  }
  /// A text and its choices, for heads that choose: a sequence of segments 0 and 1 a choice.
  template <std::ranges::forward_range Choices>
  requires(chooses&& std::convertible_to<std::ranges::range_reference_t<const Choices>, std::string_view> &&
           !std::convertible_to<const Choices&, std::string_view>) [[nodiscard]] result
  operator()(std::string_view text, const Choices& choices) const {
    inputs in{text, std::nullopt, {}};
    for (auto&& choice : choices) in.windows.push_back(input(text, choice).windows.front());
    if (in.windows.empty()) throw_error({"bert::pipeline", "a text and two choices or more", "no choices", {}});
    return std::move(run({std::move(in)}, execution::serial{}).front());
  }
  [[nodiscard]] result operator()(std::string_view text,
                                  std::initializer_list<std::string_view> choices) const requires chooses {
    return (*this)(text, std::span<const std::string_view>(choices.begin(), choices.size()));
  }
  /// A query and texts, for heads that give a value or one of two classes: the texts with their values, or with the logits of
  /// the second class, the largest first. A sequence of segments 0 and 1 a text; `e` runs the kernels. Throws bert::error where
  /// a label set that is known at run time has another number of labels.
  ///
  ///     const bert::pipeline rerank{model, tokenizer};
  ///     for (const auto& [index, score] : rerank("how do birds fly", passages)) std::cout << score << ' ' << passages[index];
  template <std::ranges::forward_range Texts, executor E = execution::serial>
  requires(pipelines::orders_texts<head>&& std::convertible_to<std::ranges::range_reference_t<const Texts>, std::string_view> &&
           !std::convertible_to<const Texts&, std::string_view>) [[nodiscard]] std::vector<ranked>
  operator()(std::string_view query, const Texts& texts, const E& e = {}) const {
    auto order = session(e);
    const auto found = order(query, texts);
    return {found.begin(), found.end()};
  }
  /// The same for many queries, in buffers that are kept from call to call; of one thread. It shares the weights.
  template <executor E = execution::serial>
  [[nodiscard]] auto session(const E& e = {}) const requires(pipelines::orders_texts<head>) {
    using frozen_type = bert::frozen<Model, Precision>;
    return reranking_session<frozen_type, E>(std::shared_ptr<const frozen_type>(shared_, &shared_->frozen),
                                             std::shared_ptr<const text::tokenizer>(shared_, &shared_->tokenizer),
                                             options_.max_tokens, e);
  }
  /// One result a text; `e` runs the kernels.
  template <std::ranges::forward_range Texts, executor E = execution::serial>
  requires(std::convertible_to<std::ranges::range_reference_t<const Texts>, std::string_view> &&
           !std::convertible_to<const Texts&, std::string_view>) [[nodiscard]] std::vector<result>
  operator()(const Texts& texts, const E& e = {}) const {
    std::deque<std::string> kept;
    std::vector<inputs> all;
    for (auto&& text : texts) all.push_back(input(lasting<Texts>(text, kept), std::nullopt));
    return run(all, e);
  }
  /// Texts in braces; without it, two literals would be the ends of one text.
  template <executor E = execution::serial>
  [[nodiscard]] std::vector<result> operator()(std::initializer_list<std::string_view> texts, const E& e = {}) const
      requires(!heads::span_finder<head> && !chooses) {
    return (*this)(std::span<const std::string_view>(texts.begin(), texts.size()), e);
  }

  /// Whether the head reads words that are known, as taggers do.
  static constexpr bool reads_words =
      requires(const text::tokenizer& t, std::span<const std::string_view> w, const pipeline_options& o) {
    decoding<head>::windows(t, w, o);
  };

  /// A text whose words are known: each is tokenized on its own and has its own result, whatever its characters. Byte ranges
  /// are those in the words joined by single spaces.
  ///
  ///     const auto tagged = tag.words(std::vector<std::string>{"Ada", "Lovelace", "smiled", "."});
  template <std::ranges::forward_range Words>
  requires(reads_words&& std::convertible_to<std::ranges::range_reference_t<const Words>, std::string_view>)
      [[nodiscard]] result words(const Words& words) const {
    std::deque<std::string> texts;
    return std::move(run({known_words(words, texts)}, execution::serial{}).front());
  }
  /// One result a sentence; `e` runs the kernels.
  template <std::ranges::forward_range Sentences, executor E = execution::serial>
  requires(reads_words&& std::ranges::forward_range<std::ranges::range_reference_t<const Sentences>> &&
           !std::convertible_to<std::ranges::range_reference_t<const Sentences>, std::string_view>)
      [[nodiscard]] std::vector<result> words(const Sentences& sentences, const E& e = {}) const {
    std::deque<std::string> texts;
    std::vector<inputs> all;
    for (const auto& sentence : sentences) all.push_back(known_words(sentence, texts));
    return run(all, e);
  }

 private:
  struct shared_state {
    shared_state(bert::frozen<Model, Precision> f, text::tokenizer t, std::vector<std::string> names)
        : frozen(std::move(f)), tokenizer(std::move(t)), labels(std::move(names)) {}
    bert::frozen<Model, Precision> frozen;
    text::tokenizer tokenizer;
    std::vector<std::string> labels;
  };

  pipeline(std::shared_ptr<const shared_state> shared, pipeline_options options)
      : shared_(std::move(shared)), options_(std::move(options)) {
    if (options_.max_tokens == 0 || options_.max_tokens > architecture::positions)
      options_.max_tokens = architecture::positions;
  }

  /// A text or pair, and its sequences.
  struct inputs {
    std::string_view text;
    std::optional<std::string_view> second;
    std::vector<text_encoding> windows;
  };

  /// A text of a range. Decoding reads the texts again, so temporaries of the range are copied.
  template <class Texts, class Text>
  [[nodiscard]] static std::string_view lasting(const Text& text, std::deque<std::string>& kept) {
    using reference = std::ranges::range_reference_t<const Texts>;
    if constexpr (std::is_lvalue_reference_v<reference> || std::same_as<std::remove_cv_t<reference>, std::string_view>)
      return text;
    else return kept.emplace_back(std::string_view(text));
  }

  [[nodiscard]] inputs input(std::string_view text, std::optional<std::string_view> second) const {
    const text::tokenizer& t = shared_->tokenizer;
    inputs in{text, second, {}};
    if constexpr (requires { decoding<head>::windows(t, text, second, options_); }) {
      in.windows = decoding<head>::windows(t, text, second, options_);
    } else {
      const text::encode_options cut{.max_tokens = options_.max_tokens};
      in.windows.push_back(second ? t.template encode<text::offsets::bytes>(text, *second, cut)
                                  : t.template encode<text::offsets::bytes>(text, cut));
    }
    return in;
  }

  /// The text of known words is appended to `texts`, which outlives the input.
  template <class Words>
  [[nodiscard]] inputs known_words(const Words& words, std::deque<std::string>& texts) const {
    std::string& text = texts.emplace_back();
    std::vector<std::string_view> views;
    for (const std::string_view word : words) {
      if (!views.empty()) text += ' ';
      text += word;
      views.push_back(word);
    }
    return {text, std::nullopt, decoding<head>::windows(shared_->tokenizer, views, options_)};
  }

  template <executor E>
  std::vector<result> run(const std::vector<inputs>& all, const E& e) const {
    std::vector<result> results;
    results.reserve(all.size());
    const auto mask = shared_->tokenizer.vocabulary().id(shared_->tokenizer.options().mask);
    std::vector<const text_encoding*> sequences;
    batch_shape shape{.sequences = 0, .tokens = 0, .scored = 0, .longest = 0};
    for (const auto& in : all)
      for (const auto& w : in.windows) {
        sequences.push_back(&w);
        ++shape.sequences;
        shape.tokens += w.size();
        shape.longest = std::max(shape.longest, w.size());
        if (mask) shape.scored += static_cast<std::size_t>(std::count(w.ids.begin(), w.ids.end(), *mask));
      }
    std::vector<matrix<const float>> rows;  // output of the current text's windows
    std::vector<std::vector<float>> kept;   // copies of it, if the windows are several, as they may be in different batches
    pipelines::run_portions(
        shared_->frozen, shape, e, [&](std::size_t i) { return sequences[i]->size(); },
        [&](std::size_t i, token_batch& batch) {
          const std::size_t from = batch.tokens();
          batch.add(sequences[i]->ids, sequences[i]->segments);
          for (std::size_t t = from; mask && t < batch.tokens(); ++t)
            if (batch.ids()[t] == *mask) batch.score(t);
        },
        [&](std::size_t, const token_batch& batch, std::size_t s, const auto& output) {
          const inputs& in = all[results.size()];
          rows.push_back(pipelines::rows_of_sequence<head>(output, batch, s));
          for (std::size_t row = 0; row < rows.back().rows; ++row)
            if (first_not_finite({rows.back().row(row), rows.back().cols}) != all_finite)
              throw_error({"bert::pipeline", "an answer of finite numbers", "a NaN or an infinity",
                           "the weights overflow; use f32, or take other weights"});
          if (in.windows.size() > 1) rows.back() = copy(rows.back(), kept.emplace_back());
          if (rows.size() < in.windows.size()) return;
          const pipeline_example example{in.text, in.second, in.windows, rows, shared_->tokenizer, shared_->labels, options_};
          if constexpr (requires { decoding<head>::decode(example, shared_->frozen.template head<0>()); })
            results.push_back(decoding<head>::decode(example, shared_->frozen.template head<0>()));
          else results.push_back(decoding<head>::decode(example));
          rows.clear();
          kept.clear();
        });
    return results;
  }

  static matrix<const float> copy(matrix<const float> from, std::vector<float>& to) {
    for (std::size_t i = 0; i < from.rows; ++i) to.insert(to.end(), from[i].begin(), from[i].end());
    return {to.data(), from.rows, from.cols};
  }

  std::shared_ptr<const shared_state> shared_;
  pipeline_options options_;
};

template <class A, class... Heads>
pipeline(const model<A, Heads...>&, text::tokenizer) -> pipeline<model<A, Heads...>>;
template <class A, class... Heads>
pipeline(const model<A, Heads...>&, text::tokenizer, pipeline_options) -> pipeline<model<A, Heads...>>;

}  // namespace bert

#endif  // BERT_PIPELINE_PIPELINE_HPP
