// How to define parameter groups: layer-wise learning-rate decay over the upper half of the layers; the lower half and the
// embeddings are frozen. Frozen parameters have no gradient, moments or backward pass, and the memory is a compile-time
// constant.
// Papers: Howard and Ruder 2018, "Universal language model fine-tuning"; Clark et al. 2020, "ELECTRA".
#include <doctest/doctest.h>

#include <algorithm>

#include "../../support/small_models.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/training/fit.hpp"
#include "support/largest.hpp"

namespace guide {

/// rate = factor^(n - 1 - l) for layer l of n; embeddings and layers below n / 2 are frozen.
///
/// A parameter has the kind of its module, its layer, its role and its name. The function is a constant expression, so that the
/// memory of a training run is one.
struct upper_half {
  float factor = 0.8f;
  float frozen_rate = -1;  // for the test: train at this rate instead of freezing

  [[nodiscard]] constexpr bert::optim::group operator()(const bert::parameter& p, int layers) const noexcept {
    bert::optim::group g{.decay = bert::optim::decay_of(p.role)};
    if (p.module == bert::module_kind::embeddings || (p.module == bert::module_kind::layer && p.layer < layers / 2)) {
      g.frozen = frozen_rate < 0;
      g.rate = std::max(0.0f, frozen_rate);
    } else if (p.module == bert::module_kind::layer) {
      for (int l = p.layer; l + 1 < layers; ++l) g.rate *= factor;
    }
    return g;
  }
  // A run is resumed only under the same description.
  [[nodiscard]] std::string describe() const { return bert::cat("upper_half factor=", factor); }
};

}  // namespace guide

namespace {
struct tower : bert::architecture_of<bert::dims{
                   .vocab = 131, .hidden = 40, .layers = 4, .heads = 5, .intermediate = 56, .positions = 64}> {};
using model_type = bert::model<tower, bert::heads::classify<support::mood>>;

// Memory, at compile time. Two layers, the pooler and the head have a gradient and two moments of 4 bytes; all counts here but
// the head's bias are multiples of 8 floats, and tensors begin at multiples of 16.
constexpr std::size_t layer = 4 * 40 * 40 + 2 * 40 * 56 + 9 * 40 + 56;
constexpr std::size_t trained = bert::gradient_bytes<model_type>(guide::upper_half{});
static_assert(trained >= 3 * sizeof(float) * (2 * layer + 40 * 40 + 40 + 2 * 40 + 2));
static_assert(trained < 3 * sizeof(float) * (2 * layer + 40 * 40 + 40 + 2 * 40 + 2) + 3 * 64 * 40);
static_assert(trained < bert::gradient_bytes<model_type>() / 2 + 3 * sizeof(float) * (40 * 40 + 40 + 2 * 40 + 2));

// Layers without a backward pass share one tape.
constexpr bert::batch_shape shape{.sequences = 4, .tokens = 96, .longest = 24};
constexpr int lowest =
    bert::training::layout_of<tower>(model_type::table_of({.vocab = tower::vocab}), guide::upper_half{}).lowest;
static_assert(lowest == 2);
static_assert(bert::tape_bytes<model_type>(shape, {.vocab = tower::vocab}, {.lowest = lowest}) <
              bert::tape_bytes<model_type>(shape));

const support::made_up_source source;

std::vector<float> after_training(guide::upper_half groups, std::size_t threads, auto kept) {
  auto m = model_type::random({.stddev = 0.1f, .seed = 1});
  // No clipping: its norm would not include frozen gradients.
  bert::fit(m, bert::objectives::cross_entropy{}, source, {.epochs = 2, .learning_rate = 2e-3f, .clip_norm = 0, .seed = 5},
            groups, bert::execution::threads{threads}, kept);
  return {m.block().begin(), m.block().end()};
}
}  // namespace

TEST_CASE("frozen parameters keep every bit, and the others learn as if the frozen ones' gradients were computed and dropped") {
  const auto start = model_type::random({.stddev = 0.1f, .seed = 1});
  const auto frozen = after_training({}, 2, bert::activations::keep{});
  for (const auto& p : start.table()) {
    const auto before = start.values(p);
    const bool same = std::equal(before.begin(), before.end(), frozen.begin() + static_cast<std::ptrdiff_t>(p.offset));
    CAPTURE(p.name());
    CHECK(same == (p.module == bert::module_kind::embeddings || (p.module == bert::module_kind::layer && p.layer < 2)));
  }
  CHECK(frozen == after_training({.frozen_rate = 0}, 1, bert::activations::keep{}));
  CHECK(frozen == after_training({}, 1, bert::activations::recompute{}));
}

TEST_CASE("the factor of a new group slows the lower trained layer and leaves the pooler at the full rate") {
  const auto start = model_type::random({.stddev = 0.1f, .seed = 1});
  // Adam's first step moves a parameter by its rate, for any gradient.
  auto m = start;
  bert::trainer t{m,
                  bert::objectives::cross_entropy{},
                  bert::optim::adamw{.weight_decay = 0, .clip_norm = 0},
                  bert::schedules::constant{.peak = 1e-3f, .total = 1},
                  bert::training_options{.dropout = 0, .attention_dropout = 0},
                  guide::upper_half{.factor = 0.5f}};
  for ([[maybe_unused]] const auto& step : t.over(source)) continue;
  const auto moved = [&](bert::module_kind kind, int l) {
    support::largest most;
    for (const auto& p : m.table())
      if (p.module == kind && p.layer == l && p.role == bert::role::weight)
        for (std::size_t i = 0; i < p.count(); ++i) most.add(std::abs(m.values(p)[i] - start.values(p)[i]));
    return most.value();
  };
  CHECK(moved(bert::module_kind::layer, 1) == 0);
  CHECK(moved(bert::module_kind::layer, 2) / 0.5e-3 == doctest::Approx(1).epsilon(0.02));
  CHECK(moved(bert::module_kind::layer, 3) / 1e-3 == doctest::Approx(1).epsilon(0.02));
  CHECK(moved(bert::module_kind::pooler, -1) / 1e-3 == doctest::Approx(1).epsilon(0.02));
}
