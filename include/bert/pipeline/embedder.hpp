// Sentence embeddings: sentences in, vectors of unit length out.
// Layer: pipeline. Test: tests/unit/pipeline/embedder_test.cpp. Paper: Reimers and Gurevych 2019, "Sentence-BERT".
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/checkpoint/sentence_files.hpp"
#include "bert/core/error.hpp"
#include "bert/core/finite.hpp"
#include "bert/core/isa.hpp"
#include "bert/heads/pooling.hpp"
#include "bert/model/presets.hpp"
#include "bert/model/session.hpp"
#include "bert/pipeline/portions.hpp"
#include "bert/pipeline/similarity.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/unicode/lower.hpp"

namespace bert::inline BERT_ISA {

/// What is done if the folder names another pooling than the embedder's type.
enum class pooling_mismatch : std::uint8_t { refuse, allow };

struct embedder_options {
  std::size_t max_tokens = 0;  ///< of a sentence, longer ones are cut; 0 = the folder's limit, at most the positions
  std::optional<std::string> prompt = {};  ///< prefix of every sentence; absent: the folder's default prompt, if it has one
  pooling_mismatch other_pooling = pooling_mismatch::refuse;
};

/// Counts over the sentences of a call.
struct embedding_report {
  std::size_t cut = 0;  ///< sentences that were cut to max_tokens()
};

/// The name of a pooling in a folder: "mean", "cls", "max"; for a policy of your own its `name`, a std::string_view, or "".
template <pooling_policy Pooling>
[[nodiscard]] constexpr std::string_view pooling_name() noexcept {
  if constexpr (std::same_as<Pooling, pooling::mean>) return "mean";
  else if constexpr (std::same_as<Pooling, pooling::cls>) return "cls";
  else if constexpr (std::same_as<Pooling, pooling::max>) return "max";
  else if constexpr (requires { std::string_view(Pooling::name); }) return Pooling::name;
  else return "";
}

/// y[s,:] = p / |p|,  p = pooling(hidden states of sentence s)
///
///     using embedder = bert::embedder<bert::arch::minilm_l6, bert::pooling::mean>;
///     const auto embed = embedder::open("all-MiniLM-L6-v2");
///     const auto index = embed(sentences);                       // bert::vectors<384>, a row a sentence
///     const auto query = embed("small animals resting");         // std::array<float, 384>
///
/// A sentence's vector has the same bits whatever else is embedded with it. Immutable: copies share the weights, and any number
/// of threads may use one.
template <class A, class Pooling = pooling::mean, class Precision = precision::f32>
class embedder {
  static_assert(ensure<architecture<A>, facts<A>>,
                "bert::embedder: the first argument must be an architecture; take one from bert::arch or derive from "
                "bert::architecture_of<...>");
  static_assert(ensure<pooling_policy<Pooling>, facts<Pooling>>,
                "bert::embedder: the second argument must be a pooling policy; take one from bert::pooling");

 public:
  using model_type = model<A>;
  using frozen_type = frozen<model_type, Precision>;
  static constexpr std::size_t dimension = A::hidden;

  /// Opens a checkpoint folder, packed directly from its mapped file. Follows the files of sentence-transformers if the folder
  /// has them: longest sentence, lower case, default prompt. `e` runs the packing. Throws bert::error as bert::checkpoint does,
  /// if the folder names another pooling than `Pooling`, and for settings that are not supported.
  template <executor E = execution::serial>
  [[nodiscard]] static embedder open(const std::filesystem::path& folder, embedder_options options = {}, const E& e = {}) {
    const checkpoint files(folder);
    const sentence_settings s = files.sentences();
    constexpr std::string_view mine = pooling_name<Pooling>();
    if (options.other_pooling == pooling_mismatch::refuse && !s.pooling_file.empty() && !mine.empty() && mine != s.pooling)
      throw error({s.pooling_file, cat("the pooling of the embedder's type, ", mine), s.pooling,
                   cat("open it with bert::pooling::", s.pooling)});
    if (s.dimension != 0 && s.dimension != dimension)
      throw error({s.pooling_file + ", \"word_embedding_dimension\"", cat(dimension), cat(s.dimension), {}});
    if (options.max_tokens == 0) options.max_tokens = s.max_tokens;
    if (!options.prompt) options.prompt = s.prompt({}, folder.string());
    if (!options.prompt->empty() && !s.pools_prompt)
      throw error({s.pooling_file + ", \"include_prompt\"", "true, as there is a prompt", "false",
                   "the prompt's tokens cannot be left out of the pooling; ask for an empty prompt"});
    embedder made(files.freeze<model_type, Precision>(e), files.tokenizer(), options);
    made.lowercase_ = s.lowercase;
    return made;
  }

  embedder(const model_type& m, text::tokenizer tokenizer, embedder_options options = {})
      : embedder(freeze<Precision>(m), std::move(tokenizer), options) {}

  embedder(frozen_type f, text::tokenizer tokenizer, const embedder_options& options = {})
      : shared_(std::make_shared<const shared_state>(std::move(f), std::move(tokenizer))),
        max_tokens_(
            std::min(options.max_tokens == 0 ? std::size_t{A::positions} : options.max_tokens, std::size_t{A::positions})),
        prompt_(options.prompt.value_or("")) {
    if (max_tokens_ < 3)
      throw error({"bert::embedder_options", "max_tokens of 3 or more, for [CLS], a piece and [SEP]", cat(max_tokens_), {}});
  }

  /// One row a sentence. `e` runs the kernels: `embed(sentences, bert::execution::threads{2})`. Adds to `report`, if given.
  template <std::ranges::forward_range Sentences, executor E = execution::serial>
  requires(std::convertible_to<std::ranges::range_reference_t<const Sentences>, std::string_view> &&
           !std::convertible_to<const Sentences&, std::string_view>) [[nodiscard]] vectors<dimension>
  operator()(const Sentences& sentences, const E& e = {}, embedding_report* report = nullptr) const {
    vectors<dimension> out(static_cast<std::size_t>(std::ranges::distance(sentences)));
    if (out.rows() == 0) return out;
    token_batch batch;
    std::size_t cut = 0;
    for (const std::string_view sentence : sentences) cut += encode(batch, sentence) != 0 ? 1 : 0;
    if (report != nullptr) report->cut += cut;
    run(batch, e, [&](std::size_t row) { return std::span<float>(out[row]); });
    return out;
  }

  [[nodiscard]] std::array<float, dimension> operator()(std::string_view sentence) const {
    std::array<float, dimension> out;
    token_batch batch;
    encode(batch, sentence);
    run(batch, execution::serial{}, [&](std::size_t) { return std::span<float>(out); });
    return out;
  }

  [[nodiscard]] const text::tokenizer& tokenizer() const noexcept { return shared_->tokenizer; }
  [[nodiscard]] std::size_t max_tokens() const noexcept { return max_tokens_; }
  /// The prefix of every sentence.
  [[nodiscard]] const std::string& prompt() const noexcept { return prompt_; }

 private:
  struct shared_state {
    shared_state(frozen_type f, text::tokenizer t) : frozen(std::move(f)), tokenizer(std::move(t)) {}
    frozen_type frozen;
    text::tokenizer tokenizer;
  };

  /// Appends the sentence with prompt and lower case. Returns how many tokens were cut.
  std::size_t encode(token_batch& batch, std::string_view sentence) const {
    const text::encode_options options{.max_tokens = max_tokens_};
    if (prompt_.empty() && !lowercase_) return shared_->tokenizer.encode_into(batch, sentence, options);
    const std::string text = prompt_ + std::string(sentence);
    return shared_->tokenizer.encode_into(batch, lowercase_ ? text::lowercased(text) : text, options);
  }

  template <executor E, class Row>
  void run(const token_batch& all, const E& e, const Row& row) const {
    pipelines::encode_portions(shared_->frozen, all, e, [&](std::size_t s, matrix<const float> x) {
      const auto y = row(s);
      Pooling::pool(x, y);
      if (first_not_finite(y) != all_finite)
        throw error({cat("bert::embedder, sentence ", s), "a vector of finite numbers", "a NaN or an infinity",
                     "the weights overflow; use f32, or take other weights"});
      to_unit_length(y);
    });
  }

  std::shared_ptr<const shared_state> shared_;
  std::size_t max_tokens_;
  std::string prompt_;
  bool lowercase_ = false;
};

}  // namespace bert
