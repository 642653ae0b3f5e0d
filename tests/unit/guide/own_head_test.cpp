// docs/architecture.md, "How to add a head" and "How to add an objective", as a program: one score per token.
#include <doctest/doctest.h>

#include "../../support/small_models.hpp"
#include "bert/heads/token_linear.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"

namespace guide {

// A head: y[n] = hidden[n,:] w + b, a score for every token, as for picking the key words of a text. The base has the tensors
// (names for the checkpoint, shapes, roles), packs them for inference, runs a session, and trains: forward keeps what backward
// needs, backward adds to the gradients. A head with other arithmetic defines these types itself, as heads/token_linear.hpp
// does.
struct token_score : bert::heads::token_linear<"token_score.weight", "token_score.bias", 1> {};

// An objective: loss = mean_n (y[n] - values[n])^2.
struct score_error {
  using needs = bert::target_list<bert::target::value>;  // what a source must carry beside the tokens
  using heads = bert::type_list<token_score>;            // the heads that bert::model_for gives a model
  template <class Model>
  static constexpr bool fits = Model::template has_head<token_score>;
  static constexpr bool rewrites = false;  // the model is fed the batch's own tokens

  struct work {
    work(const score_error&, const bert::batch_shape&) {}
  };
  [[nodiscard]] static bert::batch_shape capacity(const bert::batch_shape& raw) noexcept { return raw; }
  [[nodiscard]] static const bert::token_batch& prepare(const bert::training_batch& in, std::uint64_t, work&) noexcept {
    return in.tokens;
  }

  // Turns the head's output into its gradient, times `scale`, and reports the loss.
  template <class Model, bert::executor E>
  static bert::objectives::loss_terms score(const E&, const bert::training_batch& in, work&, bert::tape<Model>& t,
                                            const bert::objectives::loss_scale& scale) {
    const auto y = t.template head<token_score>().logits();
    bert::objectives::loss_term term{.name = "loss", .count = y.rows};
    for (std::size_t n = 0; n < y.rows; ++n) {
      const float difference = y(n, 0) - in.values[n];
      term.sum += static_cast<double>(difference * difference);
      y(n, 0) = scale.share("loss", y.rows, 2.0f * difference);
    }
    bert::objectives::loss_terms terms;
    terms.add(term);
    return terms;
  }
};

/// Every token's value is 1 if its id is a multiple of 3, else 0.
struct source : support::made_up_source {
  void load(std::uint64_t step, bert::training_batch& out) const {
    made_up_source::load(step, out);
    for (const auto id : out.tokens.ids()) out.values.push_back(id % 3 == 0 ? 1.0f : 0.0f);
  }
};

}  // namespace guide

TEST_CASE("a head and an objective written outside the library train and run") {
  using model_type = bert::model_for<support::pocket, guide::score_error>;
  static_assert(std::same_as<model_type, bert::model<support::pocket, guide::token_score>>);
  auto model = model_type::random({.stddev = 0.1f, .seed = 4});
  const guide::source batches;
  const double before = bert::measure(model, guide::score_error{}, batches)["loss"].mean();
  bert::fit(model, guide::score_error{}, batches, {.epochs = 60, .learning_rate = 3e-3f, .dropout = 0, .attention_dropout = 0});
  CHECK(before > 0.2);
  CHECK(bert::measure(model, guide::score_error{}, batches)["loss"].mean() < 0.05);

  bert::training_batch batch;
  batches.load(0, batch);
  const auto frozen = bert::freeze(model);
  auto run = frozen.session(batch.tokens.shape());
  const auto scores = run(batch.tokens);
  std::size_t right = 0;
  for (std::size_t n = 0; n < scores.rows(); ++n) right += (scores(n, 0) > 0.5f) == (batch.values[n] > 0.5f) ? 1 : 0;
  CHECK(right * 20 >= scores.rows() * 19);
}
