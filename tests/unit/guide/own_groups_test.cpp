// How to train on groups of sequences: an example is an anchor, a positive and a negative, and an objective pulls the vectors
// of the first two together. Paper: Schroff et al. 2015, "FaceNet: a unified embedding for face recognition".
#include <doctest/doctest.h>

#include <cmath>

#include "../../support/small_models.hpp"
#include "bert/heads/pooled_linear.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/slopes.hpp"

namespace guide {

// A head: a vector of 16 values per sequence, linear in the pooled first token. The base has the rest.
struct direction : bert::heads::pooled_linear<"direction.weight", "direction.bias", 16, false> {};

/// loss = mean_g log(1 + exp(|a_g - p_g|^2 - |a_g - n_g|^2)),  a, p and n the vectors of example g's three sequences
struct triplet {
  using heads = bert::type_list<direction>;
  using needs = bert::target_list<bert::target::group>;  // a trainer compiles only with a source that has groups
  template <class Model>
  static constexpr bool fits = Model::template has_head<direction>;
  static constexpr bool rewrites = false;

  struct work {
    work(const triplet&, const bert::batch_shape&) {}
  };
  [[nodiscard]] static bert::batch_shape capacity(const bert::batch_shape& raw) noexcept { return raw; }
  [[nodiscard]] static const bert::token_batch& prepare(const bert::training_batch& in, std::uint64_t, work&) {
    // groups[g] is the first sequence of example g; the last entry is one past the last sequence.
    for (std::size_t g = 0; g < in.examples(); ++g) {
      const std::size_t sequences = in.groups.empty() ? 1 : in.groups[g + 1] - in.groups[g];
      if (sequences != 3)
        throw bert::error({bert::cat("guide::triplet, example ", g), "three sequences: anchor, positive, negative",
                           bert::cat(sequences), "use a source of triplets"});
    }
    return in.tokens;
  }
  [[nodiscard]] static bert::objectives::loss_terms counts(const bert::training_batch& in, const work&) noexcept {
    bert::objectives::loss_terms terms;
    terms.add({.name = "triplet", .count = in.examples()});
    return terms;
  }
  template <class Model, bert::executor E>
  static bert::objectives::loss_terms score(const E&, const bert::training_batch& in, work&, bert::tape<Model>& t,
                                            const bert::objectives::loss_scale& scale) noexcept {
    const auto y = t.template head<direction>().logits();  // [S, 16]; each row becomes its gradient
    bert::objectives::loss_term term{.name = "triplet", .count = in.examples()};
    for (std::size_t g = 0; g < in.examples(); ++g) {
      const auto anchor = y[in.groups[g]], positive = y[in.groups[g] + 1], negative = y[in.groups[g] + 2];
      double apart = 0;
      for (std::size_t j = 0; j < y.cols; ++j) {
        const double p = static_cast<double>(anchor[j] - positive[j]), n = static_cast<double>(anchor[j] - negative[j]);
        apart += p * p - n * n;
      }
      term.sum += std::max(apart, 0.0) + std::log1p(std::exp(-std::abs(apart)));  // no overflow
      term.correct += apart < 0 ? 1 : 0;
      const float d = scale.share("triplet", in.examples(), static_cast<float>(2 / (1 + std::exp(-apart))));
      for (std::size_t j = 0; j < y.cols; ++j) {
        const float a = anchor[j], p = positive[j], n = negative[j];
        anchor[j] = d * (n - p);
        positive[j] = d * (p - a);
        negative[j] = d * (a - n);
      }
    }
    bert::objectives::loss_terms terms;
    terms.add(term);
    return terms;
  }
};

/// Anchor and positive begin with the same id, the negative with another.
struct triplets_by_id : support::made_up_source {
  using targets = bert::target_list<bert::target::group>;
  triplets_by_id() : made_up_source{.sequences = 12} {}
  void load(std::uint64_t step, bert::training_batch& out) const {
    made_up_source::load(step, out);
    out.groups.push_back(0);
    for (std::size_t s = 0; s < out.tokens.sequences(); s += 3) {
      const auto first = [&](std::size_t i) -> bert::token_id& { return out.tokens.ids()[out.tokens.starts()[s + i]]; };
      first(0) = 5 + first(0) % 8;
      first(1) = first(0);
      first(2) = 5 + (first(0) - 5 + 1 + first(2) % 7) % 8;
      out.groups.push_back(s + 3);
    }
  }
};

}  // namespace guide

namespace {
using model_type = bert::model_for<support::pocket, guide::triplet>;
static_assert(bert::carries_targets<guide::triplets_by_id, guide::triplet>);
struct plain_source : support::made_up_source {
  using targets = bert::target_list<bert::target::label>;
};
static_assert(!bert::carries_targets<plain_source, guide::triplet>);
}  // namespace

TEST_CASE("triplets train a new head until positives are nearer than negatives") {
  auto m = model_type::random({.stddev = 0.1f, .seed = 4});
  const guide::triplets_by_id batches;
  CHECK(bert::measure(m, guide::triplet{}, batches)["triplet"].count == 24);
  bert::fit(m, guide::triplet{}, batches, {.epochs = 40, .learning_rate = 2e-3f, .dropout = 0, .attention_dropout = 0});
  CHECK(bert::measure(m, guide::triplet{}, batches)["triplet"].accuracy() > 0.95);
}

TEST_CASE("the gradients of an objective over groups are the slopes of its loss") {
  auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  const guide::triplets_by_id batches;
  bert::training_batch batch;
  batches.load(0, batch);
  guide::triplet::work work({}, batches.capacity());
  bert::tape<model_type> tape(batches.capacity(), m.sizes());
  const auto loss = [&] {
    tape.forward(bert::execution::serial{}, m, guide::triplet::prepare(batch, 1, work));
    return guide::triplet::score(bert::execution::serial{}, batch, work, tape, 1.0f).loss();
  };
  loss();
  bert::buffer<float> gradients(m.block().size());
  tape.backward(bert::execution::serial{}, m, batch.tokens, gradients.data());
  CHECK(support::slope_error(m, gradients.data(), loss) < 0.03);
}

TEST_CASE("an example without its three sequences is refused with its index") {
  auto m = model_type::random({.stddev = 0.1f, .seed = 4});
  const support::made_up_source without_groups;
  CHECK_THROWS_WITH_AS(bert::fit(m, guide::triplet{}, without_groups), doctest::Contains("example 0"), bert::error);
}
