// Policies over weights: averages, mixout, gradual unfreezing, new top layers; in the trainer and in fit.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/training/averaged.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "bert/training/mixout.hpp"
#include "bert/training/reinitialize.hpp"
#include "bert/training/sgd.hpp"
#include "bert/training/unfreezing.hpp"
#include "support/largest.hpp"
#include "support/slopes.hpp"
#include "support/temporary_file.hpp"

namespace {
using namespace bert::training;
using model_type = bert::model<support::pocket, bert::heads::classify<support::mood>>;
const support::made_up_source source;
const bert::execution::serial serial;

model_type start(std::uint64_t seed = 1) { return model_type::random({.stddev = 0.1f, .seed = seed}); }
std::vector<float> bits(const model_type& m) { return {m.block().begin(), m.block().end()}; }

struct scratch_file {
  std::filesystem::path path = support::temporary_path("bert_weights_test.state");
  ~scratch_file() { std::filesystem::remove(path); }
};

/// Trains by plain SGD up to `steps` of `total` and calls body(trainer, step) after each.
template <class Body, class... Policies>
void train(model_type& m, std::uint64_t steps, std::uint64_t total, const std::filesystem::path& kept, const Body& body,
           const Policies&... policies) {
  bert::trainer t{m,
                  bert::objectives::cross_entropy{},
                  bert::optim::sgd{.momentum = 0, .clip_norm = 0},
                  bert::schedules::constant{.peak = 0.05f, .total = total},
                  bert::training_options{.seed = 3},
                  policies...};
  if (!kept.empty()) t.keep(kept, {.every = 1});
  for (const auto& step : t.over(source)) {
    body(t, step);
    if (step.index == steps) break;
  }
}
const auto nothing = [](const auto&, const auto&) {};

/// The model and the result are the same bits, cut and resumed or not, with one thread or three.
template <class Policy>
void check_resumed(const Policy& policy) {
  std::vector<float> result, other;
  const auto last = [](std::vector<float>& to) {
    return [&to](const auto& t, const auto&) {
      if (t.result() != nullptr) to = bits(*t.result());
    };
  };
  auto whole = start();
  train(whole, 7, 7, {}, last(result), policy);
  const scratch_file file;
  auto cut = start();
  train(cut, 4, 7, file.path, nothing, policy);
  auto resumed = start(9);  // replaced by the state
  train(resumed, 7, 7, file.path, last(other), policy, bert::execution::threads{3});
  CHECK(bits(resumed) == bits(whole));
  CHECK(result == other);
}
}  // namespace

TEST_CASE("a moving average follows its formula, early steps with a smaller decay, and does not change the training") {
  auto m = start(), plain = start();
  std::vector<double> expected(m.block().begin(), m.block().end());
  train(
      m, 30, 30, {},
      [&](const auto& t, const bert::step_report& step) {
        const double steps = static_cast<double>(step.index - 1), d = std::min(0.5, (1 + steps) / (10 + steps));
        for (std::size_t i = 0; i < expected.size(); ++i)
          expected[i] = d * expected[i] + (1 - d) * static_cast<double>(m.block()[i]);
        CHECK(support::largest_difference(t.result()->block(), expected) < 1e-6);
      },
      averaged{.decay = 0.5f});
  train(plain, 30, 30, {}, nothing);
  CHECK(bits(m) == bits(plain));
}

TEST_CASE("an equal average is the mean of the weights from its first step on, and there is none before") {
  auto m = start();
  std::vector<double> sum(m.block().size());
  double count = 0;
  train(
      m, 10, 10, {},
      [&](const auto& t, const bert::step_report& step) {
        if (step.index < 5) {
          CHECK(t.result() == nullptr);
          return;
        }
        if ((step.index - 5) % 2 == 0) {
          for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(m.block()[i]);
          ++count;
        }
        std::vector<double> mean = sum;
        for (double& x : mean) x /= count;
        CHECK(support::largest_difference(t.result()->block(), mean) < 1e-6);
      },
      averaged{.kind = average_kind::equal, .from = 4, .every = 2});
}

TEST_CASE("averages and mixtures are resumed with the bits of a run that was not interrupted") {
  check_resumed(averaged{.decay = 0.9f});
  check_resumed(averaged{.kind = average_kind::equal, .from = 2});
  check_resumed(mixout{.rate = 0.5f, .seed = 5});
  check_resumed(unfreezing{.every = 2});
}

TEST_CASE("a policy that is off leaves the training and its description as they are") {
  auto m = start(), plain = start();
  train(m, 4, 4, {}, nothing, averaged{.kind = average_kind::none}, mixout{}, unfreezing{});
  train(plain, 4, 4, {}, nothing);
  CHECK(bits(m) == bits(plain));
  CHECK(averaged{.kind = average_kind::none}.describe().empty());
  CHECK(mixout{}.describe().empty());
  CHECK(unfreezing{}.describe().empty());
}

TEST_CASE("fit evaluates the average at the end of each epoch, ends with it, and keeps the best of the averages") {
  auto m = start();
  std::vector<std::vector<float>> seen;
  std::vector<float> after_epoch, plain_after_epoch;
  bert::fit(m, bert::objectives::cross_entropy{}, source, {.epochs = 3, .learning_rate = 1e-3f}, averaged{.decay = 0.9f},
            [&](const bert::step_report& step) {
              if (step.index % 6 == 0) seen.push_back(bits(m));
              if (step.index == 7) after_epoch = bits(m);
            });
  REQUIRE(seen.size() == 3);
  CHECK(bits(m) == seen[2]);
  auto silent = start();  // nothing looks at its averages on the way
  bert::fit(silent, bert::objectives::cross_entropy{}, source, {.epochs = 3, .learning_rate = 1e-3f}, averaged{.decay = 0.9f});
  CHECK(bits(silent) == seen[2]);
  auto plain = start();
  bert::fit(plain, bert::objectives::cross_entropy{}, source, {.epochs = 3, .learning_rate = 1e-3f},
            [&](const bert::step_report& step) {
              if (step.index == 7) plain_after_epoch = bits(plain);
            });
  CHECK(bits(plain) != bits(m));
  CHECK(after_epoch == plain_after_epoch);  // the training went on from its own weights
  auto best = start();
  int epoch = 0;
  bert::fit(best, bert::objectives::cross_entropy{}, source,
            {.epochs = 3,
             .learning_rate = 1e-3f,
             .keep_best =
                 [&](const auto& now) {
                   CHECK(bits(now) == seen[static_cast<std::size_t>(epoch)]);
                   return epoch++ == 1 ? 1.0 : 0.0;
                 }},
            averaged{.decay = 0.9f});
  CHECK(bits(best) == seen[1]);
}

TEST_CASE("mixout takes that share of the encoder's matrices from the start, keeps the mean, and leaves the rest alone") {
  const auto from = start(1);
  auto now = start(2);
  mixout::kept<model_type> state(mixout{.rate = 0.7f, .seed = 5}, from);
  const auto& mixed = state.before(serial, now, 3);
  std::size_t taken = 0, all = 0;
  double moved = 0, distance = 0;
  for (const auto& p : now.table()) {
    const auto u = from.values(p), w = std::as_const(now).values(p), x = mixed.values(p);
    const bool mixes =
        p.role == bert::role::weight && (p.module == bert::module_kind::layer || p.module == bert::module_kind::pooler);
    for (std::size_t i = 0; i < p.count(); ++i) {
      if (!mixes) {
        CHECK(x[i] == w[i]);
        continue;
      }
      ++all;
      taken += x[i] == u[i] ? 1 : 0;
      if (x[i] != u[i]) CHECK(x[i] == doctest::Approx(static_cast<double>(u[i] + (w[i] - u[i]) / 0.3f)).epsilon(1e-4));
      moved += std::abs(static_cast<double>(x[i] - u[i]));
      distance += std::abs(static_cast<double>(w[i] - u[i]));
    }
  }
  CHECK(static_cast<double>(taken) / static_cast<double>(all) == doctest::Approx(0.7).epsilon(0.02));
  CHECK(moved / distance == doctest::Approx(1).epsilon(0.03));
  mixout::kept<model_type> again(mixout{.rate = 0.7f, .seed = 5}, from);
  const auto same = bits(again.before(bert::execution::threads{3}, now, 3));
  CHECK(same == bits(mixed));
  CHECK(bits(again.before(serial, now, 4)) != same);
}

TEST_CASE("mixout's gradients are the slopes of the loss of the mixed weights") {
  const auto from = start(1);
  auto now = start(2);
  mixout::kept<model_type> state(mixout{.rate = 0.5f, .seed = 5}, from);
  bert::training_batch batch;
  source.load(0, batch);
  using objective = bert::objectives::cross_entropy;
  bert::tape<model_type> tape(source.capacity(), now.sizes());
  objective::work work({}, source.capacity());
  const auto loss = [&] {
    const auto& mixed = state.before(serial, now, 0);
    tape.forward(serial, mixed, batch.tokens);
    return objective{}.score(serial, batch, work, tape, 1.0f).loss();
  };
  loss();
  bert::buffer<float> gradients(now.block().size());
  tape.backward(serial, state.before(serial, now, 0), batch.tokens, gradients.data());
  state.gradients(serial, now.view(gradients.data()), 0);
  CHECK(support::slope_error(now, gradients.data(), loss) < 0.03);
}

TEST_CASE("gradual unfreezing trains the head first, then a layer more at a time from the top, the embeddings last") {
  auto m = start();
  std::vector<float> before = bits(m);
  train(
      m, 8, 8, {},
      [&](const auto&, const bert::step_report& step) {
        const std::vector<float> now = bits(m);
        for (const auto& p : m.table()) {
          CAPTURE(p.name());
          CAPTURE(step.index);
          const std::uint64_t at = step.index - 1;  // 2 layers, one more every 2 steps
          const bool trained = p.module == bert::module_kind::pooler || p.module == bert::module_kind::head ||
                               (p.module == bert::module_kind::layer && at >= (p.layer == 1 ? 2u : 4u)) ||
                               (p.module == bert::module_kind::embeddings && at >= 6);
          const bool moved = !std::equal(now.begin() + static_cast<std::ptrdiff_t>(p.offset),
                                         now.begin() + static_cast<std::ptrdiff_t>(p.offset + p.count()),
                                         before.begin() + static_cast<std::ptrdiff_t>(p.offset));
          if (p.stem.find("key.bias") == std::string_view::npos) CHECK(moved == trained);  // its gradient is 0 but for rounding
        }
        before = now;
      },
      unfreezing{.every = 2});
}

TEST_CASE("once all is unfrozen, a step is that of a training without") {
  auto m = start(), plain = start();
  train(m, 1, 1, {}, nothing, unfreezing{.every = 1});
  CHECK(bits(m) != bits(start()));
  auto late = m;
  unfreezing::kept<model_type> state(unfreezing{.every = 1}, m);
  CHECK(state.lowest(2) == 0);
  CHECK(state.lowest(3) == bert::lowest_is_embeddings);
  CHECK(state.lowest(1'000'000'000'000) == bert::lowest_is_embeddings);
}

TEST_CASE("reinitialize gives the topmost layers and the pooler new weights and leaves the others") {
  auto m = start();
  const auto before = m;
  reinitialize(m, 1, {.stddev = 0.1f, .seed = 8});
  for (const auto& p : m.table()) {
    CAPTURE(p.name());
    const bool same = std::equal(m.values(p).begin(), m.values(p).end(), before.values(p).begin());
    const bool anew = p.role == bert::role::weight &&
                      (p.module == bert::module_kind::pooler || (p.module == bert::module_kind::layer && p.layer == 1));
    CHECK(same == !anew);  // biases and norms are 0 and 1 in a random model
  }
  auto none = before;
  reinitialize(none, 0, {.seed = 8});
  CHECK(bits(none) == bits(before));
  CHECK_THROWS_WITH_AS(reinitialize(none, 3), doctest::Contains("0 to 2 layers"), bert::error);
}

TEST_CASE("fit takes an optimizer and a schedule among its policies, and sets the schedule's length and peak") {
  auto m = start(), other = start();
  std::vector<float> rates;
  bert::fit(m, bert::objectives::cross_entropy{}, source, {.epochs = 2, .learning_rate = 0.5f, .warmup = 0.25f},
            bert::optim::sgd{}, bert::schedules::inverse_sqrt{}, [&](const bert::step_report& s) { rates.push_back(s.rate); });
  const bert::schedules::inverse_sqrt expected{.peak = 0.5f, .warmup = 3, .total = 12};
  REQUIRE(rates.size() == 12);
  for (std::size_t i = 0; i < 12; ++i) CHECK(rates[i] == expected.rate(i));
  bert::trainer t{other, bert::objectives::cross_entropy{}, bert::optim::sgd{}, expected, bert::training_options{}};
  for ([[maybe_unused]] const auto& step : t.over(source)) continue;
  CHECK(bits(m) == bits(other));
}

TEST_CASE("policies out of range are refused") {
  const auto m = start();
  CHECK_THROWS_AS((averaged::kept<model_type>(averaged{.decay = 1}, m)), bert::error);
  CHECK_THROWS_AS((averaged::kept<model_type>(averaged{.every = 0}, m)), bert::error);
  CHECK_THROWS_AS((mixout::kept<model_type>(mixout{.rate = 1}, m)), bert::error);
}

TEST_CASE("a run is not resumed with another policy over weights") {
  const scratch_file file;
  auto m = start();
  train(m, 2, 7, file.path, nothing, averaged{.decay = 0.9f});
  auto other = start();
  CHECK_THROWS_WITH_AS(train(other, 7, 7, file.path, nothing, averaged{.decay = 0.8f}), doctest::Contains("0.8"), bert::error);
}
