#include "bert/training/adamw.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "../../support/small_models.hpp"

namespace {
using model_type = bert::model<support::pocket, bert::heads::masked_lm>;

/// One step by the formula, in double, with gradient `g` in every element of a tensor.
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
  std::vector<bert::optim::trained_tensor> tensors;
  for (const auto& p : model.table()) {
    std::fill_n(gradients.begin() + p.offset, p.count(), gradient);
    tensors.push_back(
        {&p, model.values(p), gradients.span().subspan(p.offset, p.count()), p.offset, 0.01f, bert::optim::decay_of(p.role)});
  }
  bert::optim::adamw::state state(model.block().size());
  const double norm = static_cast<double>(gradient) * std::sqrt(static_cast<double>(model.count()));
  adamw.apply(bert::execution::serial{}, {tensors, norm, 0}, state);
  for (const auto& p : model.table()) {
    CAPTURE(p.name());
    check(p, static_cast<double>(before.values(p)[0]), static_cast<double>(model.values(p)[0]));
  }
}
}  // namespace

TEST_CASE("a step is Adam's, with weight decay on weights and embeddings alone") {
  one_step({.weight_decay = 0.1f, .clip_norm = 0}, 0.5f, [](const bert::parameter& p, double before, double after) {
    const double decay = p.role == bert::role::weight || p.role == bert::role::embedding ? 0.1 : 0.0;
    CHECK(after == doctest::Approx(expected(before, 0.5, 0.01, decay, true)).epsilon(1e-5));
  });
}

TEST_CASE("under one gradient every step is as long as the first: the bias correction follows the number of the step") {
  const bert::parameter p{.stem = "w", .rows = 3};
  std::vector<float> values(3, 1.0f);
  const std::vector<float> gradient{0.5f, -0.25f, 4.0f};
  bert::optim::adamw::state state(3);
  const bert::optim::trained_tensor tensor{&p, values, gradient, 0, 0.01f, 0.0f};
  for (std::uint64_t step = 0; step < 5; ++step) {
    CAPTURE(step);
    bert::optim::adamw{.clip_norm = 0}.apply(bert::execution::serial{}, {{&tensor, 1}, 1.0, step}, state);
    const double moved = 0.01 * static_cast<double>(step + 1);
    CHECK((1 - static_cast<double>(values[0])) / moved == doctest::Approx(1).epsilon(1e-4));
    CHECK((static_cast<double>(values[1]) - 1) / moved == doctest::Approx(1).epsilon(1e-4));
  }
}

TEST_CASE("without bias correction the first step is as long as google-research/bert's") {
  one_step({.weight_decay = 0, .clip_norm = 0, .correction = bert::optim::bias_correction::off}, 0.5f,
           [](const bert::parameter&, double before, double after) {
             CHECK(after == doctest::Approx(expected(before, 0.5, 0.01, 0, false)).epsilon(1e-5));
           });
}

TEST_CASE("gradients of more than the clip norm are scaled to it, others are unchanged") {
  // Without bias correction and from zero moments the step depends on the gradient only through epsilon, so watch m.
  const bert::parameter p{.stem = "w", .rows = 4};
  std::vector<float> values(4, 1.0f), gradient(4);
  const auto first_moment = [&](float g) {
    gradient[0] = g;
    const bert::optim::trained_tensor tensor{&p, values, gradient, 0, 0.0f, 1.0f};
    bert::optim::adamw::state state(4);
    bert::optim::adamw{.clip_norm = 3.0f}.apply(bert::execution::serial{}, {{&tensor, 1}, static_cast<double>(g), 0}, state);
    return state.m[0];
  };
  CHECK(first_moment(30.0f) == doctest::Approx(0.3));
  CHECK(first_moment(2.0f) == doctest::Approx(0.2));
}

TEST_CASE("describe() distinguishes all hyper-parameters, bias correction too") {
  using bert::optim::adamw;
  CHECK(adamw{}.describe() == "adamw beta1=0.9 beta2=0.999 epsilon=1e-08 weight_decay=0.01 clip_norm=1 bias_correction=on");
  CHECK(adamw{.correction = bert::optim::bias_correction::off}.describe().ends_with("bias_correction=off"));
}
