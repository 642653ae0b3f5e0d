// Sentence embeddings: sentences in, vectors out.
// Layer: pipeline. Test: tests/unit/pipeline/embedder_test.cpp, tests/unit/pipeline/sentence_folder_test.cpp
// Paper: Reimers and Gurevych 2019, "Sentence-BERT".
#ifndef BERT_PIPELINE_EMBEDDER_HPP
#define BERT_PIPELINE_EMBEDDER_HPP

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
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
#include "bert/checkpoint/sentence_files.hpp"
#include "bert/core/error.hpp"
#include "bert/core/finite.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/heads/pooling.hpp"
#include "bert/heads/pooling_modes.hpp"
#include "bert/model/presets.hpp"
#include "bert/model/session.hpp"
#include "bert/pipeline/portions.hpp"
#include "bert/pipeline/sentence_transform.hpp"
#include "bert/pipeline/similarity.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/unicode/lower.hpp"

namespace bert::inline BERT_ISA {

/// What is done if the folder names another pooling than the embedder's type.
enum class pooling_mismatch : std::uint8_t { refuse, allow };

/// The length of an embedder's vectors that follows its folder: as the folder says, or always 1.
enum class vector_length : std::uint8_t { as_folder, unit };

struct embedder_options {
  std::size_t max_tokens = 0;  ///< of a sentence, longer ones are cut; 0 = the folder's limit, at most the positions
  std::optional<std::string> prompt = {};  ///< prefix of every sentence; absent: the folder's default prompt, if it has one
  pooling_mismatch other_pooling = pooling_mismatch::refuse;
  std::optional<pooling::mode> pooling = {};  ///< in place of the folder's; of an embedder that follows its folder
  vector_length length = vector_length::as_folder;
};

/// Counts over the sentences of a call.
struct embedding_report {
  std::size_t cut = 0;  ///< sentences that were cut to max_tokens()
};

/// y[s,:] = p / |p|,  p = pooling(hidden states of sentence s)
///
///     using embedder = bert::embedder<bert::arch::minilm_l6, bert::pooling::mean>;
///     const auto embed = embedder::open("all-MiniLM-L6-v2");
///     const auto index = embed(sentences);                       // bert::vectors<384>, a row a sentence
///     const auto query = embed("small animals resting");         // std::array<float, 384>
///     const auto asked = embed.embed("small animals", "query");  // with the folder's prompt of that name
///
/// With `pooling::from_folder` it does what the folder of sentence-transformers says: any of its poolings, Dense layers, and
/// unit length only with a Normalize module; the dimension is then a number of the run, `columns()`, and rows are in
/// bert::vectors<std::dynamic_extent> and std::vector<float>. A folder without modules.json says nothing: mean and unit length.
///
///     const auto any = bert::embedder<bert::arch::base_cased, bert::pooling::from_folder>::open("LaBSE");
///
/// A sentence's vector has the same bits whatever else is embedded with it. Immutable: copies share the weights, and any number
/// of threads may use one.
template <class A, class Pooling = pooling::mean, class Precision = precision::f32>
class embedder {
  static constexpr bool follows = std::same_as<Pooling, pooling::from_folder>;
  static_assert(ensure<architecture<A>, facts<A>>,
                "bert::embedder: the first argument must be an architecture; take one from bert::arch or derive from "
                "bert::architecture_of<...>");
  static_assert(ensure < follows || pooling_policy<Pooling>, facts < Pooling >>,
                "bert::embedder: the second argument must be a pooling policy; take one from bert::pooling");

 public:
  using model_type = model<A>;
  using frozen_type = frozen<model_type, Precision>;
  static constexpr std::size_t dimension = follows ? std::dynamic_extent : std::size_t{A::hidden};
  using vectors_type = vectors<dimension>;
  using vector_type = std::conditional_t<follows, std::vector<float>, std::array<float, follows ? 0 : dimension>>;

  /// Opens a checkpoint folder, packed directly from its mapped file. Follows the files of sentence-transformers if the folder
  /// has them: longest sentence, lower case, prompts, measure. `e` runs the packing. Throws bert::error as bert::checkpoint
  /// does, if the folder makes its vectors otherwise than the type says, naming both, and for settings that are not supported.
  template <executor E = execution::serial>
  [[nodiscard]] static embedder open(const std::filesystem::path& folder, embedder_options options = {}, const E& e = {}) {
    const checkpoint files(folder);
    sentence_settings s = files.sentences();
    if (s.dimension != 0 && s.dimension != A::hidden)
      throw_error({s.pooling_file + ", \"word_embedding_dimension\"", cat(A::hidden), cat(s.dimension), {}});
    if constexpr (!follows) check_type(s, folder, options.other_pooling);
    if (options.max_tokens == 0) options.max_tokens = s.max_tokens;
    if (!options.prompt) options.prompt = s.prompt({}, path_text(folder));
    auto state = std::make_shared<shared_state>(files.freeze<model_type, Precision>(e), files.tokenizer());
    if constexpr (follows) {
      if (options.pooling) s.poolings = {*options.pooling};
      const bool unit = options.length == vector_length::unit || s.pooling_file.empty();
      state->transform.emplace(s, A::hidden, unit, e);
    }
    embedder made(std::move(state), options);
    made.lowercase_ = s.lowercase;
    made.pools_prompt_ = s.pools_prompt;
    made.prompts_ = std::move(s.prompts);
    made.folder_ = path_text(folder);
    bool cls = std::same_as<Pooling, pooling::cls>;
    if constexpr (follows) cls = s.poolings.size() == 1 && s.poolings.front() == pooling::mode::cls;
    if (cls && s.pooling_file.empty())
      made.notes_.push_back(path_text(folder) +
                            " was not trained to embed, so the vector of [CLS] says little about meaning; the mean says more, "
                            "and finetune --task embed trains either");
    for (const auto measure : {similarity_measure::dot, similarity_measure::euclidean, similarity_measure::manhattan})
      if (s.similarity == name_of(measure)) made.measure_ = measure;
    return made;
  }

  embedder(const model_type& m, text::tokenizer tokenizer, embedder_options options = {}) requires(!follows)
      : embedder(freeze<Precision>(m), std::move(tokenizer), options) {}

  embedder(frozen_type f, text::tokenizer tokenizer, const embedder_options& options = {}) requires(!follows)
      : embedder(std::make_shared<shared_state>(std::move(f), std::move(tokenizer)), options) {}

  /// One row a sentence. `e` runs the kernels: `embed(sentences, bert::execution::threads{2})`. Adds to `report`, if given.
  template <std::ranges::forward_range Sentences, executor E = execution::serial>
  requires(std::convertible_to<std::ranges::range_reference_t<const Sentences>, std::string_view> &&
           !std::convertible_to<const Sentences&, std::string_view>) [[nodiscard]] vectors_type
  operator()(const Sentences& sentences, const E& e = {}, embedding_report* report = nullptr) const {
    return embed_all(sentences, prompt_, e, report);
  }
  [[nodiscard]] vector_type operator()(std::string_view sentence) const { return embed_one(sentence, prompt_); }
  /// Sentences in braces; without it, two literals would be the ends of one text.
  template <executor E = execution::serial>
  [[nodiscard]] vectors_type operator()(std::initializer_list<std::string_view> sentences, const E& e = {}) const {
    return embed_all(sentences, prompt_, e, nullptr);
  }

  /// The same with the folder's prompt of a name in place of the default one. Throws bert::error, listing the names, if the
  /// folder has none of that name.
  template <std::ranges::forward_range Sentences, executor E = execution::serial>
  requires(std::convertible_to<std::ranges::range_reference_t<const Sentences>, std::string_view> &&
           !std::convertible_to<const Sentences&, std::string_view>) [[nodiscard]] vectors_type
      embed(const Sentences& sentences, const std::string& prompt, const E& e = {}, embedding_report* report = nullptr) const {
    return embed_all(sentences, prompt_named(prompts_, prompt, folder_), e, report);
  }
  [[nodiscard]] vector_type embed(std::string_view sentence, const std::string& prompt) const {
    return embed_one(sentence, prompt_named(prompts_, prompt, folder_));
  }

  /// The similarity of two vectors, or of each row and a query, by the folder's measure.
  [[nodiscard]] float similarity(std::span<const float> a, std::span<const float> b) const noexcept {
    return bert::similarity(a, b, measure_);
  }
  [[nodiscard]] std::vector<float> similarity(const vectors_type& index, std::span<const float> query) const {
    return bert::similarity(index, query, measure_);
  }

  [[nodiscard]] const text::tokenizer& tokenizer() const noexcept { return shared_->tokenizer; }
  [[nodiscard]] std::size_t max_tokens() const noexcept { return max_tokens_; }
  /// The dimension of a vector.
  [[nodiscard]] std::size_t columns() const noexcept {
    if constexpr (follows) return shared_->transform->outputs();
    else return dimension;
  }
  /// The prefix of every sentence.
  [[nodiscard]] const std::string& prompt() const noexcept { return prompt_; }
  /// The folder's prompts by name.
  [[nodiscard]] const std::map<std::string, std::string>& prompts() const noexcept { return prompts_; }
  /// What a user should be told of the vectors: that [CLS] says little about meaning where the folder was only pretrained, or
  /// trained for another task. Empty for a folder that says how it embeds.
  [[nodiscard]] const pipelines::reading_notes& notes() const noexcept { return notes_; }
  /// How the folder compares vectors; cosine if it does not say.
  [[nodiscard]] similarity_measure measure() const noexcept { return measure_; }

 private:
  struct shared_state {
    shared_state(frozen_type f, text::tokenizer t) : frozen(std::move(f)), tokenizer(std::move(t)) {}
    frozen_type frozen;
    text::tokenizer tokenizer;
    std::optional<pipelines::sentence_transform> transform;  ///< of an embedder that follows its folder
  };

  embedder(std::shared_ptr<const shared_state> shared, const embedder_options& options)
      : shared_(std::move(shared)),
        max_tokens_(
            std::min(options.max_tokens == 0 ? std::size_t{A::positions} : options.max_tokens, std::size_t{A::positions})),
        prompt_(options.prompt.value_or("")) {
    if (max_tokens_ < 3)
      throw_error({"bert::embedder_options",
                   "max_tokens of 3 or more, as [CLS], one token of text and [SEP] need 3",
                   cat(max_tokens_),
                   {}});
  }

  /// Throws unless a vector of `Pooling`, brought to unit length, is what the folder makes, or has its direction.
  static void check_type(const sentence_settings& s, const std::filesystem::path& folder, pooling_mismatch other) {
    constexpr std::string_view mine = pooling_name<Pooling>();
    // sum / sqrt(T) has the direction of the mean.
    const bool same = mine == s.pooling || (mine == "mean" && s.pooling == "mean_sqrt_len");
    if (other == pooling_mismatch::refuse && !s.pooling_file.empty() && !mine.empty() && !same) {
      const bool is_type = s.pooling == "mean" || s.pooling == "cls" || s.pooling == "max";
      throw_error({s.pooling_file, cat("the pooling of the embedder's type, ", mine), s.pooling,
                   cat("open it with bert::pooling::", is_type ? s.pooling : "from_folder")});
    }
    pipelines::check_unit_vectors(s, folder, "open it with bert::pooling::from_folder");
  }

  template <class Sentences, executor E>
  [[nodiscard]] vectors_type embed_all(const Sentences& sentences, const std::string& prompt, const E& e,
                                       embedding_report* report) const {
    token_batch batch;
    std::size_t cut = 0;
    for (const std::string_view sentence : sentences) cut += encode(batch, sentence, prompt) != 0 ? 1 : 0;
    if (report != nullptr) report->cut += cut;
    vectors_type out(batch.sequences(), columns());
    if (out.rows() != 0) run(batch, prompt, e, [&](std::size_t row) { return std::span<float>(out[row]); });
    return out;
  }
  [[nodiscard]] vector_type embed_one(std::string_view sentence, const std::string& prompt) const {
    vector_type out{};
    if constexpr (follows) out.resize(columns());
    token_batch batch;
    encode(batch, sentence, prompt);
    run(batch, prompt, execution::serial{}, [&](std::size_t) { return std::span<float>(out); });
    return out;
  }

  /// Appends the sentence with prompt and lower case. Returns how many tokens were cut.
  std::size_t encode(token_batch& batch, std::string_view sentence, const std::string& prompt) const {
    const text::encode_options options{.max_tokens = max_tokens_};
    if (prompt.empty() && !lowercase_) return shared_->tokenizer.encode_into(batch, sentence, options);
    const std::string text = prompt + std::string(sentence);
    return shared_->tokenizer.encode_into(batch, lowercase_ ? text::lowercased(text) : text, options);
  }

  /// Tokens at the start of a sentence that are not pooled: [CLS] and the prompt, if the folder leaves them out.
  [[nodiscard]] std::size_t not_pooled(const std::string& prompt) const {
    if (pools_prompt_ || prompt.empty()) return 0;
    token_batch alone;
    encode(alone, {}, prompt);
    return alone.tokens() - 1;  // without [SEP]
  }

  template <executor E, class Row>
  void run(const token_batch& all, const std::string& prompt, const E& e, const Row& row) const {
    const std::size_t left_out = not_pooled(prompt);
    buffer<float> pooled;
    std::size_t width = 0;
    if constexpr (follows) {
      width = shared_->transform->pooled();
      pooled = buffer<float>(all.sequences() * width);
    }
    pipelines::encode_portions(shared_->frozen, all, e, [&](std::size_t s, matrix<const float> x) {
      const std::size_t skip = std::min(left_out, x.rows - 1);
      if constexpr (follows) {
        shared_->transform->pool(x, skip, {pooled.data() + s * width, width});
      } else {
        Pooling::pool(std::same_as<Pooling, pooling::cls> ? x : x.block(skip, x.rows - skip), row(s));
        check(s, row(s));
        to_unit_length(row(s));
      }
    });
    if constexpr (follows) {
      pooled = shared_->transform->finish(e, std::move(pooled), all.sequences());
      for (std::size_t s = 0; s < all.sequences(); ++s) {
        std::copy_n(pooled.data() + s * columns(), columns(), row(s).begin());
        check(s, row(s));
      }
    }
  }

  static void check(std::size_t sentence, std::span<const float> y) {
    if (first_not_finite(y) != all_finite)
      throw_error({cat("bert::embedder, sentence ", sentence), "a vector of finite numbers", "a NaN or an infinity",
                   "the weights overflow; use f32, or take other weights"});
  }

  std::shared_ptr<const shared_state> shared_;
  std::size_t max_tokens_;
  std::string prompt_, folder_ = "bert::embedder";
  std::map<std::string, std::string> prompts_;
  pipelines::reading_notes notes_;
  similarity_measure measure_ = similarity_measure::cosine;
  bool lowercase_ = false, pools_prompt_ = true;
};

}  // namespace bert

#endif  // BERT_PIPELINE_EMBEDDER_HPP
