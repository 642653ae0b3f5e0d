// ELECTRA's objective: a generator fills masked positions, the model says of every token whether it was replaced.
// Layer: objectives. Test: tests/unit/objectives/replaced_token_test.cpp
// Paper: Clark et al. 2020, "ELECTRA: Pre-training text encoders as discriminators rather than generators".
#ifndef BERT_OBJECTIVES_REPLACED_TOKEN_HPP
#define BERT_OBJECTIVES_REPLACED_TOKEN_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/heads/replaced.hpp"
#include "bert/kernels/loss/binary_cross_entropy.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/kernels/rows/sample.hpp"
#include "bert/objectives/masked_lm.hpp"

namespace bert::inline BERT_ISA::objectives {

/// A generator for a discriminator of architecture A: its layers, a quarter as many of them. It has the discriminator's hidden
/// size, as it shares its embeddings. The paper's best generators have a quarter to half of the discriminator's size.
///
///     bert::model<bert::objectives::generator_of<A>, bert::heads::masked_lm>
template <architecture A>
struct generator_of : architecture_of<dims{.vocab = A::vocab,
                                           .hidden = A::hidden,
                                           .layers = A::layers < 4 ? 1 : A::layers / 4,
                                           .heads = A::heads,
                                           .intermediate = A::intermediate,
                                           .positions = A::positions,
                                           .segments = A::segments,
                                           .norm_epsilon_exponent = A::dimensions.norm_epsilon_exponent},
                                      typename A::layer_module, typename A::embedding_module> {};

/// Whether generator and discriminator have one set of embeddings: words, positions, segments and their norm.
namespace generator_embeddings {
struct tied {};  ///< one set, trained by both losses, as in the paper
struct own {};   ///< two sets; the hidden sizes may differ
}  // namespace generator_embeddings

/// How the generator's pieces are chosen: `policy(executor, logits [M, V], u [M], pieces [M])`, u uniform in [0, 1).
namespace fill {
/// A sample of the generator's distribution.
struct sample {
  template <executor E>
  void operator()(const E& e, matrix<const float> logits, std::span<const double> u, token_id* pieces) const noexcept {
    kernels::sample_rows(e, logits, u, pieces);
  }
};
}  // namespace fill

struct replaced_token_options {
  float weight = 50;  ///< of the discriminator's loss beside the generator's
};

/// loss = mean_m -log softmax(g[m,:])[original m]  +  weight mean_n -(y_n log p_n + (1 - y_n) log(1 - p_n)),
/// p_n = sigmoid(z[n]),  y_n = 1 if token n is not the original one
///
/// g [M, V] are the generator's logits at the masked positions, z [N, 1] the model's at all tokens of the text in which a
/// sample of the generator stands at each masked position. A sample that is the original piece counts as original. No gradient
/// goes through the sampling. The terms are "mlm", of the generator, and "replaced".
///
///     auto generator = bert::model<objectives::generator_of<A>, heads::masked_lm>::random({…});
///     bert::model<A, heads::replaced> model = …;
///     bert::fit(model, objectives::replaced_token{generator}, corpus, …);
///
/// The generator is held by reference: it must outlive the objective. The trainer updates it with the model, with the same
/// optimizer and schedule, and keeps it in the state file. With tied embeddings those of the generator are a copy of the
/// model's, made before each pass; `tie` makes one after the training. What is sampled depends on the seed, the sequence's key,
/// the epoch and the generator's weights. Two replicas sum the generator's gradients in another order than one does.
///
/// Throws bert::error where the two vocabularies differ, and for a weight that is not positive.
template <class Generator, class Masking = masking::token, class Embeddings = generator_embeddings::tied,
          class Fill = fill::sample>
class replaced_token {
  using mlm = masked_lm<Masking>;
  static constexpr bool tied = std::same_as<Embeddings, generator_embeddings::tied>;
  using of_generator = typename Generator::architecture;
  static_assert(ensure<Generator::template has_head<bert::heads::masked_lm>, facts<Generator>>,
                "bert::objectives::replaced_token: the generator needs a masked-LM head; make it a "
                "bert::model<generator_of<Architecture>, bert::heads::masked_lm>");

 public:
  /// 85 % of the masked positions are [MASK], the others keep their piece, as in the paper's code.
  [[nodiscard]] static mlm paper_masks() { return {.rate = 0.15f, .mask = 0.85f, .random = 0}; }

  explicit replaced_token(Generator& generator, mlm masks = paper_masks(), replaced_token_options options = {}, Embeddings = {},
                          Fill fill = {})
      : generator_(&generator), masks_(std::move(masks)), options_(options), fill_(std::move(fill)) {}

  using heads = bert::type_list<bert::heads::replaced>;
  using needs = target_list<>;
  static constexpr bool rewrites = true;
  template <class Model>
  static constexpr bool fits = Model::template has_head<bert::heads::replaced> &&
                               (!tied || (Model::architecture::hidden == of_generator::hidden &&
                                          Model::architecture::positions == of_generator::positions &&
                                          Model::architecture::segments == of_generator::segments));

  [[nodiscard]] Generator& second_model() const noexcept { return *generator_; }

  class work {
   public:
    work(const replaced_token& o, const batch_shape& raw)
        : mlm_(o.masks_, raw), tape_(o.capacity(raw), o.generator_->sizes()), losses_(raw.tokens) {
      if (!(std::isfinite(o.options_.weight) && o.options_.weight > 0))
        throw_error({where, "a .weight above 0", cat(o.options_.weight), {}});
      targets_.reserve(raw.tokens);
      uniform_.reserve(o.capacity(raw).scored);
      pieces_.reserve(o.capacity(raw).scored);
    }
    /// The text with the generator's pieces, after a pass.
    [[nodiscard]] const token_batch& tokens() const noexcept { return mlm_.masked.tokens; }

   private:
    friend replaced_token;
    typename mlm::work mlm_;
    tape<Generator> tape_;
    buffer<float> losses_;
    std::vector<float> targets_;   ///< 1 where a token was replaced
    std::vector<double> uniform_;  ///< one a masked position
    std::vector<token_id> pieces_;
  };

  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = fingerprint_of(masks_);
    append(facts, {{"replaced tokens", cat("weight ", options_.weight, tied ? ", tied embeddings" : ", own embeddings")}});
    return facts;
  }
  [[nodiscard]] batch_shape capacity(const batch_shape& raw) const noexcept { return masks_.capacity(raw); }
  /// The masked text, as the generator reads it.
  [[nodiscard]] const token_batch& prepare(const training_batch& in, std::uint64_t seed, work& w) const {
    const token_batch& masked = masks_.prepare(in, seed, w.mlm_);
    w.uniform_.clear();
    std::size_t next = 0;
    for (std::size_t s = 0; s < masked.sequences(); ++s) {
      random_stream random(seed ^ key_of("pieces of the generator"), draw::masking, in.keys[s],
                           static_cast<std::uint32_t>(in.epoch));
      for (; next < masked.scored().size() && masked.scored()[next] < masked.starts()[s + 1]; ++next)
        w.uniform_.push_back(static_cast<double>(random()) * 0x1p-32);
    }
    return masked;
  }
  [[nodiscard]] static loss_terms counts(const training_batch& in, const work& w) {
    loss_terms terms = mlm::counts(in, w.mlm_);
    terms.add({.name = "replaced", .count = in.tokens.tokens()});
    return terms;
  }

  template <class Passes>
  loss_terms run(Passes& p, const training_batch& in, work& w, const loss_scale& scale) const {
    const auto& e = p.executor();
    const auto noise = p.noise(generator_pass);
    if constexpr (tied) tie(p.model(), *generator_);
    w.tape_.forward(e, *generator_, p.batch(), noise);
    fill_masks(e, w);
    loss_terms terms = masks_.score(e, in, w.mlm_, w.tape_, scale);
    w.tape_.backward(e, *generator_, p.batch(), p.second_gradients(), noise);
    replace(in, w);
    auto& tape = p.forward(0);
    terms.add(discriminate(e, w, tape, scale));
    p.backward();
    if constexpr (tied) share_gradient(e, p.second_gradients(), p.gradients());
    return terms;
  }

  /// The loss terms of one batch without training, for bert::measure. Overwrites the generator's embeddings if they are tied.
  template <class Model, executor E>
  loss_terms measure(const E& e, const Model& m, const training_batch& in, std::uint64_t seed, work& w, tape<Model>& t) const {
    const token_batch& batch = prepare(in, seed, w);
    if constexpr (tied) tie(m, *generator_);
    w.tape_.forward(e, *generator_, batch);
    fill_masks(e, w);
    loss_terms terms = masks_.score(e, in, w.mlm_, w.tape_, 1.0f);
    replace(in, w);
    t.forward(e, m, batch);
    terms.add(discriminate(e, w, t, 1.0f));
    return terms;
  }

  /// Copies the model's embeddings to the generator.
  template <class Model>
  static void tie(const Model& from, Generator& to) {
    if (from.sizes().vocab != to.sizes().vocab)
      throw_error({where,
                   cat("a generator of the model's vocabulary, ", from.sizes().vocab, " pieces"),
                   cat(to.sizes().vocab, " pieces"),
                   {}});
    for (std::size_t i = 0; i < embedding_tensors; ++i) {
      const auto values = from.values(from.table()[i]);
      std::copy(values.begin(), values.end(), to.values(to.table()[i]).begin());
    }
  }

 private:
  static constexpr const char* where = "bert::objectives::replaced_token";
  static constexpr std::uint64_t generator_pass = 2;  ///< number of its dropout
  static constexpr std::size_t embedding_tensors = table_index<of_generator>::layers;

  /// Chooses a piece for each masked position.
  template <executor E>
  void fill_masks(const E& e, work& w) const {
    const matrix<const float> logits = w.tape_.template head<bert::heads::masked_lm>().logits();
    w.pieces_.resize(logits.rows);
    fill_(e, logits, w.uniform_, w.pieces_.data());
  }
  /// Puts the chosen pieces in the place of the masks, and marks those that are not the original ones.
  static void replace(const training_batch& in, work& w) {
    token_batch& tokens = w.mlm_.masked.tokens;
    w.targets_.assign(tokens.tokens(), 0.0f);
    std::size_t r = 0;
    for (const std::uint32_t n : tokens.scored()) {
      const token_id piece = w.pieces_[r++];
      tokens.ids()[n] = piece;
      w.targets_[n] = piece == in.tokens.ids()[n] ? 0.0f : 1.0f;
    }
  }
  template <class Model, executor E>
  loss_term discriminate(const E& e, work& w, tape<Model>& t, const loss_scale& scale) const {
    const matrix<float> z = t.template head<bert::heads::replaced>().logits();
    loss_term term{.name = "replaced", .count = z.rows, .factor = static_cast<double>(options_.weight)};
    for (std::size_t n = 0; n < z.rows; ++n) term.correct += (z(n, 0) > 0) == (w.targets_[n] > 0) ? 1 : 0;
    const matrix<const float> y{w.targets_.data(), z.rows, 1};
    kernels::binary_cross_entropy(e, z, y, {}, w.losses_.data(), z, scale.times(options_.weight).of(term));
    for (std::size_t n = 0; n < z.rows; ++n) term.sum += static_cast<double>(w.losses_[n]);
    return term;
  }
  /// Moves the gradient of the generator's embeddings to that of the model's.
  template <executor E, class View, class Other>
  static void share_gradient(const E& e, const View& from, const Other& to) noexcept {
    for (std::size_t i = 0; i < embedding_tensors; ++i) {
      const auto d = from.values(i);
      const auto cols = static_cast<std::size_t>(std::max(1, from.table()[i].cols)), rows = d.size() / cols;
      if (to.at(i) != nullptr)
        kernels::add_in_place(e, matrix<const float>{d.data(), rows, cols}, matrix<float>{to.at(i), rows, cols});
      kernels::clear(e, d);
    }
  }

  Generator* generator_;
  mlm masks_;
  replaced_token_options options_;
  [[no_unique_address]] Fill fill_;
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_REPLACED_TOKEN_HPP
