// One step of an objective that runs its own passes, over a pocket classifier: terms, gradients, the loss of a single pass.
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "bert/objectives/cross_entropy.hpp"
#include "bert/training/trainer.hpp"
#include "support/small_models.hpp"

namespace support::passes {

using bert::objectives::cross_entropy, bert::objectives::loss_terms, bert::objectives::loss_scale;
struct weather : bert::labels::one_of<"rain", "sun", "snow"> {};
using model_type = bert::model<pocket, bert::heads::classify<weather>>;
using tape_type = bert::tape<model_type>;

/// The labels of every third batch's first two sequences are not counted, so a mean of means is not the mean.
struct uneven_source : made_up_source {
  void load(std::uint64_t step, bert::training_batch& out) const {
    made_up_source::load(step, out);
    for (std::size_t s = 0; s < out.labels.size(); ++s) {
      out.labels[s] = out.tokens[s][0] % 3;
      if (out.keys[s] % 12 < 2) out.labels[s] = -1;
    }
  }
};
inline const uneven_source source;
inline const bert::execution::serial serial;
inline const bert::step_noise dropout{0.2f, 0.2f, 77};

inline bert::training_batch batch_of(std::uint64_t step) {
  bert::training_batch batch;
  source.load(step, batch);
  return batch;
}

/// One step's passes as the trainer runs them, and their results.
template <class Objective>
struct step {
  step(const Objective& o, const model_type& m, const bert::step_noise& noise, const loss_scale& scale = 1.0f,
       std::span<const model_type* const> teachers = {})
      : batch(batch_of(0)),
        work(o, source.capacity()),
        tape(source.capacity(), m.sizes(), bert::objectives::tape_options_of(o)),
        gradients(m.block().size()) {
    bert::training::no_second_network none(o);
    bert::training::passes passes(serial, m, tape, o.prepare(batch, 0, work), noise, m.view(gradients.data()),
                                  bert::gradients::written, none, teachers);
    terms = bert::training::run_passes(o, passes, serial, batch, work, scale);
    other_noise = passes.noise(1);
  }
  bert::training_batch batch;
  typename Objective::work work;
  tape_type tape;
  bert::buffer<float> gradients;
  bert::step_noise other_noise;
  loss_terms terms;
};

/// Logits of one forward pass.
inline std::vector<std::vector<double>> logits_of(const model_type& m, const bert::step_noise& noise) {
  const auto batch = batch_of(0);
  tape_type t(source.capacity(), m.sizes());
  t.forward(serial, m, batch.tokens, noise);
  const auto z = t.head<0>().logits();
  std::vector<std::vector<double>> out;
  for (std::size_t s = 0; s < z.rows; ++s) out.emplace_back(z.row(s), z.row(s) + z.cols);
  return out;
}
/// Cross-entropy of one pass.
inline double loss_of(const model_type& m, const bert::step_noise& noise, bert::matrix<const float> perturbation = {}) {
  const auto batch = batch_of(0);
  tape_type t(source.capacity(), m.sizes());
  t.forward(serial, m, batch.tokens, noise, perturbation);
  cross_entropy::work work({}, source.capacity());
  return cross_entropy{}.score(serial, batch, work, t, 1.0f).loss();
}

/// The gradient norm of a first step.
template <class Objective>
double norm_of_step(const Objective& o, const auto& batches, unsigned accumulate) {
  auto m = model_type::random({.stddev = 0.1f, .seed = 1});
  bert::trainer t{m, o, bert::optim::adamw{}, bert::schedules::constant{.peak = 1e-3f, .total = 1},
                  bert::training_options{.dropout = 0, .attention_dropout = 0, .accumulate = accumulate}};
  double norm = 0;
  for (const auto& s : t.over(batches)) norm = s.gradient_norm;
  return norm;
}
/// The same sequences, eight a batch.
struct twice_source : uneven_source {
  twice_source() {
    sequences = 8;
    batches = 3;
  }
};

}  // namespace support::passes
