#include "bert/training/adamw.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "../../support/small_models.hpp"

namespace {
using model_type = bert::model<support::pocket, bert::heads::masked_lm>;

/// One step from gradient `g` everywhere that a tensor is, by the formula, in double.
double expected(double p, double g, double rate, double decay, bool corrected) {
  const double m = 0.1 * g, v = 0.001 * g * g;
  const double m1 = corrected ? m / (1 - 0.9) : m, v1 = corrected ? v / (1 - 0.999) : v;
  return p - rate * (m1 / (std::sqrt(v1) + 1e-8) + decay * p);
}

template <class Check>
void one_step(bert::optim::adamw adamw, float gradient, const Check& check) {
  auto model = model_type::random({.stddev = 0.1f, .seed = 1});
  const auto before = model;
  bert::buffer<float> gradients(model.block().size());
  for (const auto& p : model.table()) std::fill_n(gradients.begin() + p.offset, p.count(), gradient);
  bert::optim::adamw::state state(model.block().size());
  const double norm = static_cast<double>(gradient) * std::sqrt(static_cast<double>(model.count()));
  adamw.apply(bert::execution::serial{}, model, gradients.span(), norm, state, {.encoder = 0.01f, .head = 0.02f}, 0);
  for (std::size_t i = 0; i < model.table().size(); ++i) {
    const auto& p = model.table()[i];
    CAPTURE(p.name());
    check(i, p, static_cast<double>(before.values(p)[0]), static_cast<double>(model.values(p)[0]));
  }
}
}  // namespace

TEST_CASE("a step is Adam's with decay on weights and embeddings alone, and the heads have a rate of their own") {
  one_step({.weight_decay = 0.1f, .clip_norm = 0}, 0.5f,
           [](std::size_t i, const bert::parameter& p, double before, double after) {
             const bool pooler = p.stem.find("pooler") != std::string_view::npos;
             const double decay = p.role == bert::role::weight || p.role == bert::role::embedding ? 0.1 : 0.0;
             const double rate = i < bert::place::pooler<support::pocket> ? 0.01 : 0.02;
             CHECK(after == doctest::Approx(pooler ? before : expected(before, 0.5, rate, decay, true)).epsilon(1e-5));
           });
}

TEST_CASE("without bias correction the first step is as long as google-research/bert's") {
  one_step({.weight_decay = 0, .clip_norm = 0, .correction = bert::optim::bias_correction::off}, 0.5f,
           [](std::size_t i, const bert::parameter& p, double before, double after) {
             if (p.stem.find("pooler") != std::string_view::npos) return;
             const double rate = i < bert::place::pooler<support::pocket> ? 0.01 : 0.02;
             CHECK(after == doctest::Approx(expected(before, 0.5, rate, 0, false)).epsilon(1e-5));
           });
}

TEST_CASE("gradients longer than the clip norm are shortened to it, shorter ones are left alone") {
  // Without bias correction and from zero moments the step depends on the gradient only through epsilon, so watch m.
  auto model = model_type::random({.seed = 1});
  bert::buffer<float> gradients(model.block().size());
  gradients[model.table()[0].offset] = 30.0f;
  bert::optim::adamw::state state(model.block().size());
  bert::optim::adamw{.clip_norm = 3.0f}.apply(bert::execution::serial{}, model, gradients.span(), 30, state, {}, 0);
  CHECK(state.m[model.table()[0].offset] == doctest::Approx(0.3));
  gradients[model.table()[0].offset] = 2.0f;
  bert::optim::adamw::state fresh(model.block().size());
  bert::optim::adamw{.clip_norm = 3.0f}.apply(bert::execution::serial{}, model, gradients.span(), 2, fresh, {}, 0);
  CHECK(fresh.m[model.table()[0].offset] == doctest::Approx(0.2));
}
