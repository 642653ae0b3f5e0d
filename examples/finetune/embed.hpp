// finetune --task embed: sentence vectors, from pairs, triplets or scored pairs.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "bert/data/pairs.hpp"
#include "bert/evaluation/similarity.hpp"
#include "bert/heads/embedding.hpp"
#include "bert/objectives/cosent.hpp"
#include "bert/objectives/cosine_mse.hpp"
#include "bert/objectives/multiple_negatives.hpp"
#include "bert/objectives/triplet.hpp"
#include "bert/pipeline/embedder.hpp"
#include "finetune/training.hpp"

namespace finetune {

namespace losses = bert::objectives;

/// A loss on vectors that is chosen by the command line.
class chosen_loss {
  using any_loss = std::variant<losses::multiple_negatives, losses::cosent, losses::cosine_mse, losses::triplet>;

 public:
  explicit chosen_loss(const std::string& name) {
    if (name == "cosent") loss_ = losses::cosent{};
    else if (name == "cosine") loss_ = losses::cosine_mse{};
    else if (name == "triplet") loss_ = losses::triplet{.margin = 0.3f};
  }

  template <class Model>
  static constexpr bool fits = losses::multiple_negatives::fits<Model>;

  /// The work of the loss that was chosen.
  class work {
   public:
    work(const chosen_loss& o, const bert::batch_shape& raw)
        : of_(std::visit(
              [&](const auto& loss) -> any_work { return typename std::remove_cvref_t<decltype(loss)>::work(loss, raw); },
              o.loss_)) {}

   private:
    friend chosen_loss;
    using any_work =
        std::variant<losses::multiple_negatives::work, losses::cosent::work, losses::cosine_mse::work, losses::triplet::work>;
    any_work of_;
  };

  [[nodiscard]] bert::named_facts fingerprint() const { return {{"loss", std::to_string(loss_.index())}}; }
  [[nodiscard]] static bert::batch_shape capacity(const bert::batch_shape& raw) noexcept {
    return losses::multiple_negatives::capacity(raw);
  }
  [[nodiscard]] const bert::token_batch& prepare(const bert::training_batch& in, std::uint64_t, work&) const {
    std::visit([&](const auto& loss) { loss.check(in); }, loss_);
    return in.tokens;
  }
  [[nodiscard]] losses::loss_terms counts(const bert::training_batch& in, const work&) const noexcept {
    losses::loss_terms terms;
    terms.add({.name = "loss", .count = std::visit([&](const auto& loss) { return loss.count(in); }, loss_)});
    return terms;
  }
  template <class Model, bert::executor E>
  losses::loss_terms score(const E& e, const bert::training_batch& in, work& w, bert::tape<Model>& t,
                           const losses::loss_scale& share) const {
    return std::visit(
        [&](const auto& loss) {
          auto& own = std::get<typename std::remove_cvref_t<decltype(loss)>::work>(w.of_);
          return loss.score(e, in, own, t, share);
        },
        loss_);
  }

 private:
  any_loss loss_;
};

/// Batches of pairs or triplets without a text twice, or of scored pairs.
class any_batches {
 public:
  using any = std::variant<bert::data::distinct_batches<bert::data::text_pairs::targets>,
                           bert::data::labeled_batches<bert::data::scored_text_pairs::targets>>;
  explicit any_batches(any batches) : batches_(std::move(batches)) {}

  [[nodiscard]] bert::batch_shape capacity() const {
    return std::visit([](const auto& b) { return b.capacity(); }, batches_);
  }
  [[nodiscard]] std::uint64_t batches_per_epoch() const {
    return std::visit([](const auto& b) { return b.batches_per_epoch(); }, batches_);
  }
  [[nodiscard]] bert::named_facts fingerprint() const {
    return std::visit([](const auto& b) { return b.fingerprint(); }, batches_);
  }
  void load(std::uint64_t step, bert::training_batch& out) const {
    std::visit([&](const auto& b) { b.load(step, out); }, batches_);
  }

 private:
  any batches_;
};

/// Sizes and activations of a dense layer behind the pooling. Each adds a training to compile, for mean and [CLS]; add your own
/// here.
using dense_sizes = std::integer_sequence<int, 128, 256, 512>;
using dense_activations = bert::type_list<bert::kernels::tanh_activation, bert::heads::identity>;

template <class A, class Pooling, class Dense = bert::heads::no_dense>
class embedding {
  using training_set = std::variant<bert::data::text_pairs, bert::data::scored_text_pairs>;

 public:
  using head = bert::heads::embedding<Pooling, bert::heads::unit_length, Dense>;
  using model_type = bert::model<A, head>;
  static constexpr const char* part = head::has_dense ? "dense layer" : "vectors";
  static constexpr logits_of logits = logits_of::none;

  embedding(const settings& s, const bert::checkpoint& files, const bert::text::tokenizer& tokenizer)
      : why_new(why(s, files)),
        settings_(&s),
        train_(read(s, tokenizer)),
        dev_(bert::data::scored_pairs(bert::path_from(s.dev), tokenizer, options(s))) {
    const auto size = std::visit([](const auto& set) { return set.size(); }, train_);
    std::cout << "train " << size << (s.loss == "triplet" ? " triplets" : " pairs") << ", dev " << dev_.size()
              << " pairs, pooling " << bert::pooling_name<Pooling>()
              << (head::has_dense ? ", " + bert::pipelines::dense_text<head, A>() : std::string()) << '\n';
    std::visit([&](const auto& set) { support::tell_about(s.train, set, s.columns.max_tokens, std::cout); }, train_);
    support::tell_about(s.dev, dev_, s.columns.max_tokens, std::cout);
  }

  [[nodiscard]] any_batches batches() const {
    if (const auto* pairs = std::get_if<bert::data::text_pairs>(&train_))
      return any_batches(pairs->distinct_batches(settings_->batch, drawn(*settings_)));
    return any_batches(std::get<bert::data::scored_text_pairs>(train_).batches(settings_->batch, drawn(*settings_)));
  }
  [[nodiscard]] chosen_loss objective() const { return chosen_loss(settings_->loss); }
  [[nodiscard]] std::uint64_t train_tokens() const {
    return std::visit([](const auto& set) { return set.tokens(); }, train_);
  }

  template <class E>
  [[nodiscard]] auto evaluate(const model_type& model, const E& threads) const {
    return bert::evaluate(model, dev_.batches(settings_->batch, {.order = bert::data::order::sequential}), threads);
  }
  static std::string table(const bert::metrics::similarity_report& report) { return bert::cat(report); }

  template <class E>
  void sections(html::page& page, const bert::metrics::similarity_report& report, const model_type&,
                const bert::text::tokenizer&, const E&) const {
    page.section("Cosines", "A dot a pair of " + settings_->dev + ": its score, and upward the cosine of its vectors.",
                 html::scatter(report.scores(), report.cosines(), "score; upward: cosine"), html::page::size::half);
  }

  std::vector<std::string> names;
  std::string why_new;

 private:
  /// Why the folder's vectors are not gone on with; empty if they are.
  static std::string why(const settings& s, const bert::checkpoint& files) {
    if (s.from_scratch) return "all weights are random";
    if constexpr (head::has_dense) {
      const std::string found = bert::pipelines::dense_text(files.sentences());
      if (s.new_head) return "--new-head asks for one";
      if (files.sentences().dense().empty()) return s.model + " has none";
      if (found != bert::pipelines::dense_text<head, A>()) return "that of " + s.model + " is " + found;
    }
    return {};
  }
  static bert::data::pair_options options(const settings& s) {
    const auto o = s.columns.options();
    bert::data::pair_options pairs{.first_column = o.text_column,
                                   .second_column = o.second_column.value_or(1),
                                   .score_column = o.label_column,
                                   .score_range = s.score_range,
                                   .header = o.header,
                                   .max_tokens = std::min(o.max_tokens, A::positions),
                                   .format = o.format,
                                   .uneven = o.uneven};
    if (!s.negative_column.empty()) pairs.negative_column = support::columns::column(s.negative_column, "--negative-column");
    return pairs;
  }
  static training_set read(const settings& s, const bert::text::tokenizer& tokenizer) {
    if (s.loss == "cosent" || s.loss == "cosine")
      return bert::data::scored_pairs(bert::path_from(s.train), tokenizer, options(s));
    if (s.loss == "triplet" || !s.negative_column.empty()) return bert::data::triplets(s.train, tokenizer, options(s));
    return bert::data::pairs(bert::path_from(s.train), tokenizer, options(s));
  }

  const settings* settings_;
  training_set train_;
  bert::data::scored_text_pairs dev_;
};

}  // namespace finetune
