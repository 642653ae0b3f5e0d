// How an objective runs the passes of a step (training/passes.hpp): one with two passes, the second over perturbed embedding
// outputs; and one that trains a second network with the model. Papers: Jain et al. 2023, "NEFTune: noisy embeddings improve
// instruction finetuning"; Zhang et al. 2018, "Deep mutual learning".
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "../../support/small_models.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/training/measure.hpp"
#include "bert/training/trainer.hpp"
#include "support/slopes.hpp"
#include "support/temporary_file.hpp"

namespace guide {

using bert::objectives::loss_term, bert::objectives::loss_terms, bert::objectives::loss_scale;
using classifier = bert::objectives::cross_entropy;

/// loss = (L(y) + L(y + r)) / 2,  r uniform noise of norm epsilon per sequence, added to the embeddings' output y [N, H]
///
/// Cross-entropy with other passes.
struct noisy_twice : classifier {
  float epsilon = 1;

  struct work : classifier::work {
    work(const noisy_twice& o, const bert::batch_shape& raw) : classifier::work(o, raw) {}
    std::vector<float> noise;
  };

  template <class Passes>
  loss_terms run(Passes& p, const bert::training_batch& in, work& w, const loss_scale& scale) const {
    auto& tape = p.forward(0);
    loss_terms terms = score(p.executor(), in, w, tape, scale.times(0.5f));
    p.backward();
    fill(w.noise, p.batch(), tape.hidden(0).cols, p.noise(1).key);
    auto& disturbed = p.forward(1, {w.noise.data(), p.batch().tokens(), tape.hidden(0).cols});
    const loss_term second = score(p.executor(), in, w, disturbed, scale.times(0.5f))["loss"];
    terms.add({.name = "noisy", .sum = second.sum, .count = second.count, .correct = second.correct});
    p.backward();
    return terms;
  }

 private:
  // Keyed like the step's dropout, so that a resumed run draws the same noise.
  void fill(std::vector<float>& noise, const bert::token_batch& batch, std::size_t cols, std::uint64_t key) const {
    noise.resize(batch.tokens() * cols);
    for (std::size_t s = 0; s < batch.sequences(); ++s) {
      bert::random_stream random(key, bert::draw::user, s);
      const std::span<float> own(noise.data() + batch.starts()[s] * cols, batch.length(s) * cols);
      double squares = 0;
      for (float& x : own) {
        x = 2 * random.uniform() - 1;
        squares += static_cast<double>(x) * static_cast<double>(x);
      }
      for (float& x : own) x *= epsilon / static_cast<float>(std::sqrt(squares));
    }
  }
};

/// loss = L(z1) + L(z2) + mean_s |z1[s,:] - z2[s,:]|^2,  z1 and z2 the logits of the model and of a second model
///
/// Both learn from the labels and from each other. The trainer needs only `second_model`: it keeps gradients and optimizer
/// state for it, checks and updates it with the model, and writes it into the state file. The second model is passed by
/// reference: it must outlive the trainer.
template <class Second>
struct mutual : classifier {
  explicit mutual(Second& s) : second(&s) {}
  Second* second;
  [[nodiscard]] Second& second_model() const noexcept { return *second; }

  struct work : classifier::work {
    work(const mutual& o, const bert::batch_shape& raw) : classifier::work(o, raw), tape(raw, o.second->sizes()) {}
    bert::tape<Second> tape;
  };

  template <class Passes>
  loss_terms run(Passes& p, const bert::training_batch& in, work& w, const loss_scale& scale) const {
    auto& tape = p.forward();
    w.tape.forward(p.executor(), *second, p.batch(), p.noise(2));
    const auto z1 = logits(tape), z2 = logits(w.tape);
    // The loss terms overwrite logits by gradients, so the distance, which needs both, is computed first.
    std::vector<float> apart(z1.rows * z1.cols);
    loss_term distance{.name = "mutual", .count = z1.rows};
    for (std::size_t i = 0; i < apart.size(); ++i) {
      apart[i] = z1(i / z1.cols, i % z1.cols) - z2(i / z1.cols, i % z1.cols);
      distance.sum += static_cast<double>(apart[i]) * static_cast<double>(apart[i]);
    }
    loss_terms terms = score(p.executor(), in, w, tape, scale);
    const loss_term other = score(p.executor(), in, w, w.tape, scale)["loss"];
    terms.add({.name = "second", .sum = other.sum, .count = other.count, .correct = other.correct});
    terms.add(distance);
    for (std::size_t i = 0; i < apart.size(); ++i) {
      const float d = scale.share("mutual", distance.count, 2 * apart[i]);
      z1(i / z1.cols, i % z1.cols) += d;
      z2(i / z1.cols, i % z1.cols) -= d;
    }
    p.backward();
    w.tape.backward(p.executor(), *second, p.batch(), p.second_gradients(), p.noise(2));
    return terms;
  }
  // Each term's mean is over all accumulated batches, so the trainer needs the counts first.
  [[nodiscard]] static loss_terms counts(const bert::training_batch& in, const work&) noexcept {
    loss_terms terms;
    const std::uint64_t labels = bert::objectives::counted(in.labels);
    terms.add({.name = "loss", .count = labels});
    terms.add({.name = "mutual", .count = in.tokens.sequences()});
    return terms;
  }
};

}  // namespace guide

namespace {
using model_type = bert::model<support::pocket, bert::heads::classify<support::mood>>;
struct narrow : bert::architecture_of<bert::dims{
                    .vocab = 131, .hidden = 24, .layers = 1, .heads = 2, .intermediate = 40, .positions = 64}> {};
using second_type = bert::model<narrow, bert::heads::classify<support::mood>>;
using objective = guide::mutual<second_type>;

const support::made_up_source source;

/// Runs one step's passes over the first batch as the trainer does; writes the gradients.
template <class Objective>
bert::objectives::loss_terms one_step(const Objective& o, const model_type& m, bert::buffer<float>& gradients,
                                      bert::training::second_network_of<Objective, bert::optim::adamw>& second,
                                      float dropout = 0.1f) {
  bert::training_batch batch;
  source.load(0, batch);
  typename Objective::work work(o, source.capacity());
  const bert::execution::serial e;
  bert::tape<model_type> tape(source.capacity(), m.sizes(), bert::objectives::tape_options_of(o));
  bert::training::passes passes(e, m, tape, o.prepare(batch, 0, work), bert::step_noise{dropout, dropout, 77},
                                m.view(gradients.data()), bert::gradients::written, second);
  return bert::training::run_passes(o, passes, e, batch, work, 1.0f);
}

struct scratch_file {
  std::filesystem::path path = support::temporary_path("bert_own_passes_test.state");
  ~scratch_file() { std::filesystem::remove(path); }
};

struct pair_of_models {
  model_type first = model_type::random({.stddev = 0.1f, .seed = 1});
  second_type second = second_type::random({.stddev = 0.1f, .seed = 2});
  [[nodiscard]] std::vector<float> bits() const {
    std::vector<float> all(first.block().begin(), first.block().end());
    all.insert(all.end(), second.block().begin(), second.block().end());
    return all;
  }
};
/// Trains both up to `steps`, from the state file `kept` if there is one.
bert::step_report train(pair_of_models& both, std::uint64_t steps, std::size_t threads, const std::filesystem::path& kept = {},
                        float dropout = 0.1f) {
  bert::trainer t{both.first,
                  objective{both.second},
                  bert::optim::adamw{},
                  bert::schedules::constant{.peak = 2e-3f, .total = 180},
                  bert::training_options{.seed = 3, .dropout = dropout, .attention_dropout = dropout},
                  bert::execution::threads{threads}};
  if (!kept.empty()) t.keep(kept, {.every = 4});
  bert::step_report last;
  for (const auto& step : t.over(source))
    if ((last = step).index == steps) break;
  return last;
}
}  // namespace

TEST_CASE("the gradients of two passes, one of them over perturbed embeddings, are the slopes of the loss") {
  auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  guide::noisy_twice o;
  o.epsilon = 3;
  bert::training::no_second_network none(o);
  bert::buffer<float> gradients(m.block().size()), unused(m.block().size());
  const auto terms = one_step(o, m, gradients, none);
  CHECK(std::abs(terms["noisy"].mean() - terms["loss"].mean()) > 1e-4);
  CHECK(support::slope_error(m, gradients.data(), [&] { return one_step(o, m, unused, none).loss() / 2; }) < 0.03);
}

TEST_CASE("a model learns from an objective of two passes") {
  auto m = model_type::random({.stddev = 0.1f, .seed = 1});
  bert::trainer t{m,
                  guide::noisy_twice{},
                  bert::optim::adamw{},
                  bert::schedules::constant{.peak = 2e-3f, .total = 180},
                  bert::training_options{.dropout = 0, .attention_dropout = 0},
                  bert::activations::recompute{}};
  for ([[maybe_unused]] const auto& step : t.over(source)) continue;
  CHECK(bert::measure(m, bert::objectives::cross_entropy{}, source)["loss"].accuracy() > 0.9);
}

TEST_CASE("the gradients of a model and of its objective's second model are the slopes of their common loss") {
  pair_of_models both{model_type::random({.stddev = 0.2f, .seed = 1}), second_type::random({.stddev = 0.2f, .seed = 2})};
  const objective o{both.second};
  bert::training::second_network_of<objective, bert::optim::adamw> second(o), unused_second(o);
  bert::buffer<float> gradients(both.first.block().size()), unused(both.first.block().size());
  one_step(o, both.first, gradients, second);
  const auto loss = [&] { return one_step(o, both.first, unused, unused_second).loss(); };
  CHECK(support::slope_error(both.first, gradients.data(), loss) < 0.03);
  CHECK(support::slope_error(both.second, second.gradient_view(), loss) < 0.03);
}

TEST_CASE("both models learn, to the same bits with one thread and with three") {
  pair_of_models one, three;
  const auto first = train(one, 1, 1);
  CHECK(first.terms["second"].mean() > 0.5);
  pair_of_models learned;
  const auto last = train(learned, 180, 2, {}, 0);
  CHECK(last.terms["loss"].mean() < 0.2);
  CHECK(last.terms["second"].mean() < 0.2);
  train(three, 1, 3);
  CHECK(one.bits() == three.bits());
  CHECK(one.second.block()[0] != pair_of_models{}.second.block()[0]);
}

TEST_CASE("an interrupted and resumed run with a second network ends with the bits of an uninterrupted one") {
  pair_of_models whole;
  train(whole, 12, 1);
  const scratch_file file;
  pair_of_models cut;
  train(cut, 8, 1, file.path);
  pair_of_models resumed{model_type::random({.seed = 8}), second_type::random({.seed = 9})};  // the state replaces both
  CHECK(train(resumed, 12, 1, file.path).index == 12);
  CHECK(resumed.bits() == whole.bits());
}

TEST_CASE("a step with a non-finite second network changes neither model") {
  pair_of_models both;
  for (const auto& p : both.second.table())
    if (p.name() == "classifier.weight") both.second.values(p)[0] = std::numeric_limits<float>::infinity();
  const auto before = both.bits();
  CHECK_THROWS_WITH_AS(train(both, 1, 1), doctest::Contains("the step was not taken"), bert::error);
  CHECK(std::memcmp(before.data(), both.bits().data(), before.size() * sizeof(float)) == 0);
}

TEST_CASE("the gradient norm of a step is that of both models together") {
  pair_of_models both;
  const objective o{both.second};
  bert::training::second_network_of<objective, bert::optim::adamw> second(o);
  bert::buffer<float> gradients(both.first.block().size());
  one_step(o, both.first, gradients, second, 0);
  double squares = 0;
  for (const std::span<const float> block :
       {std::span<const float>(gradients.span()), std::span<const float>(second.gradients())})
    for (const float g : block) squares += static_cast<double>(g) * static_cast<double>(g);
  CHECK(train(both, 1, 1, {}, 0).gradient_norm == doctest::Approx(std::sqrt(squares)).epsilon(1e-5));
}
