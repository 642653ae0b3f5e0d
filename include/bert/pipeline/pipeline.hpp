// Tokenizer, model and decoding as one callable.
// Layer: pipeline. Test: tests/unit/pipeline/pipeline_test.cpp
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/checkpoint/weights.hpp"
#include "bert/core/error.hpp"
#include "bert/core/finite.hpp"
#include "bert/core/isa.hpp"
#include "bert/model/session.hpp"
#include "bert/pipeline/decoding.hpp"
#include "bert/text/tokenizer.hpp"

namespace bert::inline BERT_ISA {

struct pipeline_options {
  std::size_t max_tokens = 0;  ///< longer texts are cut; 0 = the architecture's positions
  std::size_t top = 5;         ///< candidates for a blank
};

namespace detail {
template <class Model>
struct first_head_of;
template <class A, class Head, class... Others>
struct first_head_of<model<A, Head, Others...>> {
  using type = Head;
};
}  // namespace detail

/// Text in, the first head's decoding out: `candidate`s for every [MASK], a `classified`, a number.
///
///     const bert::pipeline triage{model, tokenizer};
///     std::cout << triage("The server is on fire.").label;
///
/// `pipeline<decltype(model)>::open(folder)` is the same of a checkpoint folder, without a model between.
///
/// Packs the model's weights for inference and keeps them; copies share them, and any number of threads may use one.
template <class Model, class Precision = precision::f32>
class pipeline {
  using architecture = typename Model::architecture;
  static_assert(ensure<(Model::head_count > 0), facts<Model>>,
                "bert::pipeline: the model must have a head; give it one with with_head");

 public:
  using head = typename detail::first_head_of<Model>::type;
  using result = typename decoding<head>::result;

  /// From a checkpoint folder, packed straight from its mapped file. `e` runs the packing. Throws bert::error as
  /// bert::checkpoint does.
  template <executor E = execution::serial>
  [[nodiscard]] static pipeline open(const std::filesystem::path& folder, pipeline_options options = {}, const E& e = {}) {
    const checkpoint files(folder);
    return pipeline(
        std::make_shared<const parts>(files.freeze<Model, Precision>(e), files.tokenizer(), files.label_names<Model>()),
        options);
  }

  pipeline(const Model& m, text::tokenizer tokenizer, pipeline_options options = {})
      : pipeline(std::make_shared<const parts>(freeze<Precision>(m), std::move(tokenizer),
                                               pipelines::model_traits<Model>::labels_of(m)),
                 options) {}

  [[nodiscard]] result operator()(std::string_view text) const {
    token_batch batch;
    shared_->tokenizer.encode_into(batch, text, encoding());
    return std::move(run(batch, execution::serial{}).front());
  }
  /// A pair of texts, as segments 0 and 1.
  [[nodiscard]] result operator()(std::string_view a, std::string_view b) const {
    token_batch batch;
    shared_->tokenizer.encode_into(batch, a, b, encoding());
    return std::move(run(batch, execution::serial{}).front());
  }
  /// One result a text; `e` runs the kernels.
  template <std::ranges::forward_range Texts, executor E = execution::serial>
  requires(std::convertible_to<std::ranges::range_reference_t<const Texts>, std::string_view> &&
           !std::convertible_to<const Texts&, std::string_view>) [[nodiscard]] std::vector<result>
  operator()(const Texts& texts, const E& e = {}) const {
    token_batch batch;
    for (const std::string_view text : texts) shared_->tokenizer.encode_into(batch, text, encoding());
    return run(batch, e);
  }

 private:
  struct parts {
    parts(bert::frozen<Model, Precision> f, text::tokenizer t, std::vector<std::string> names)
        : frozen(std::move(f)), tokenizer(std::move(t)), labels(std::move(names)) {}
    bert::frozen<Model, Precision> frozen;
    text::tokenizer tokenizer;
    std::vector<std::string> labels;
  };

  pipeline(std::shared_ptr<const parts> shared, pipeline_options options) : shared_(std::move(shared)), options_(options) {
    if (options_.max_tokens == 0 || options_.max_tokens > architecture::positions)
      options_.max_tokens = architecture::positions;
  }

  static constexpr std::size_t tokens_at_once = 1024;

  [[nodiscard]] text::encode_options encoding() const noexcept { return {.max_tokens = options_.max_tokens}; }

  template <executor E>
  std::vector<result> run(const token_batch& all, const E& e) const {
    std::vector<result> results;
    if (all.empty()) return results;
    results.reserve(all.sequences());
    token_batch part = all;
    const auto mask = shared_->tokenizer.vocabulary().id(shared_->tokenizer.options().mask);
    if (mask) part.score_each(*mask);
    const std::size_t room = std::min(all.tokens(), std::max(tokens_at_once, all.longest()));
    auto session = shared_->frozen.session(
        {.sequences = std::min(all.sequences(), room), .tokens = room, .scored = std::min(part.scored().size(), room)}, e);
    for (std::size_t next = 0; next < all.sequences();) {
      part.clear();
      for (; next < all.sequences() && part.tokens() + all.length(next) <= room; ++next)
        part.add(all[next], all.segments(next));
      if (mask) part.score_each(*mask);
      const auto output = session(part);
      if constexpr (requires { output[output.rows - 1]; }) {
        for (std::size_t row = 0; row < output.rows; ++row)
          if (first_not_finite(output[row]) != all_finite)
            throw error({"bert::pipeline", "an answer of finite numbers", "a NaN or an infinity",
                         "the weights overflow; use f32, or take other weights"});
      }
      for (std::size_t s = 0; s < part.sequences(); ++s)
        results.push_back(decoding<head>::decode(output, s, part, {shared_->tokenizer, shared_->labels, options_.top}));
    }
    return results;
  }

  std::shared_ptr<const parts> shared_;
  pipeline_options options_;
};

template <class A, class... Heads>
pipeline(const model<A, Heads...>&, text::tokenizer) -> pipeline<model<A, Heads...>>;
template <class A, class... Heads>
pipeline(const model<A, Heads...>&, text::tokenizer, pipeline_options) -> pipeline<model<A, Heads...>>;

}  // namespace bert
