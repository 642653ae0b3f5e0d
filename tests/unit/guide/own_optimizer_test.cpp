// How to write an optimizer and a schedule: SGD with momentum, and a rate that falls by steps. The trainer uses only what the
// concepts optim::optimizer and schedules::schedule list.
// Paper: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "../../support/small_models.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/training/measure.hpp"
#include "bert/training/trainer.hpp"
#include "support/largest.hpp"
#include "support/temporary_file.hpp"

namespace guide {

/// v <- momentum v + g;  p <- p - rate (v + decay p)
///
/// Weight decay skips biases and norms, to which the trainer's groups give a share of 0.
struct sgd {
  float momentum = 0.9f;
  float decay = 0;

  // The state of a run: one float per trained parameter. `blocks` names it for the state file, so that a resumed run continues
  // bit for bit.
  struct state {
    explicit state(std::size_t floats) : velocity(floats) {}
    [[nodiscard]] std::array<bert::optim::state_block, 1> blocks() noexcept { return {{{"velocity", velocity.span()}}}; }
    bert::buffer<float> velocity;
  };

  // One update. Each tensor comes with its gradient, its rate in this step, its share of weight decay, and its offset in the
  // state.
  template <bert::executor E>
  void apply(const E& e, const bert::optim::update& u, state& s) const noexcept {
    for (const bert::optim::trained_tensor& t : u.tensors) {
      float* const v = s.velocity.data() + t.offset;
      bert::kernels::for_each_range(e, t.values.size(), bert::kernels::floats_a_task, [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) {
          v[i] = momentum * v[i] + t.gradient[i];
          t.values[i] -= t.rate * (v[i] + decay * t.decay * t.values[i]);
        }
      });
    }
  }

  // A run is resumed only under the same description.
  [[nodiscard]] std::string describe() const { return bert::cat("sgd momentum=", momentum, " decay=", decay); }
};

/// rate = peak * factor^floor(step / width)
struct staircase {
  float peak = 0.1f;
  float factor = 0.5f;
  std::uint64_t width = 100;
  std::uint64_t total = 0;

  [[nodiscard]] float rate(std::uint64_t step) const noexcept {
    float r = peak;
    for (std::uint64_t i = width; i <= step; i += width) r *= factor;
    return r;
  }
  [[nodiscard]] std::string describe() const {
    return bert::cat("staircase peak=", peak, " factor=", factor, " width=", width, " total=", total);
  }
};

static_assert(bert::optim::optimizer<sgd>);
static_assert(bert::schedules::schedule<staircase>);

}  // namespace guide

namespace {
using model_type = bert::model<support::pocket, bert::heads::classify<support::mood>>;
const support::made_up_source source;

auto trainer_of(model_type& m, std::size_t threads = 1, guide::sgd optimizer = {.decay = 0.01f}, std::uint64_t total = 12) {
  return bert::trainer{m,
                       bert::objectives::cross_entropy{},
                       optimizer,
                       guide::staircase{.peak = 0.02f, .factor = 0.5f, .width = total / 3, .total = total},
                       bert::training_options{.seed = 11},
                       bert::execution::threads{threads}};
}
template <class Trainer>
bert::step_report take(Trainer& t, std::uint64_t steps) {
  bert::step_report last;
  for (const auto& step : t.over(source))
    if ((last = step).index == steps) break;
  return last;
}
std::vector<float> bits(const model_type& m) { return {m.block().begin(), m.block().end()}; }
model_type start() { return model_type::random({.stddev = 0.1f, .seed = 1}); }

struct scratch_file {
  std::filesystem::path path = support::temporary_path("bert_own_optimizer_test.state");
  ~scratch_file() { std::filesystem::remove(path); }
};
}  // namespace

TEST_CASE("two tensors are updated by the formula of SGD with momentum") {
  std::vector<float> p{1, 2, 3}, g{0.5f, -1, 2};
  const bert::parameter weight{.stem = "w", .rows = 2}, bias{.stem = "b", .rows = 1, .role = bert::role::bias};
  const std::array<bert::optim::trained_tensor, 2> tensors{
      {{.parameter = &weight, .values = {p.data(), 2}, .gradient = {g.data(), 2}, .offset = 0, .rate = 0.1f, .decay = 1},
       {.parameter = &bias,
        .values = {p.data() + 2, 1},
        .gradient = {g.data() + 2, 1},
        .offset = 16,
        .rate = 0.1f,
        .decay = 0}}};
  const guide::sgd o{.momentum = 0.9f, .decay = 0.2f};
  guide::sgd::state s(32);
  std::vector<double> expected{1, 2, 3}, v{0, 0, 0};
  for (std::uint64_t step = 0; step < 3; ++step) {
    o.apply(bert::execution::serial{}, {tensors, 2.3, step}, s);
    for (std::size_t i = 0; i < 3; ++i) {
      v[i] = 0.9 * v[i] + static_cast<double>(g[i]);
      expected[i] -= 0.1 * (v[i] + (i < 2 ? 0.2 : 0.0) * expected[i]);
    }
  }
  CHECK(support::largest_difference(p, expected) < 1e-6);
  CHECK(s.blocks()[0].second[16] == doctest::Approx(v[2]));
}

TEST_CASE("a staircase falls by its factor after every width of steps, and the report has its rate") {
  const guide::staircase s{.peak = 0.4f, .factor = 0.5f, .width = 3, .total = 9};
  for (std::uint64_t step = 0; step < 9; ++step) CHECK(s.rate(step) == (step < 3 ? 0.4f : step < 6 ? 0.2f : 0.1f));
  auto m = start();
  auto t = trainer_of(m);
  for (const auto& step : t.over(source)) CHECK(step.rate == (step.index <= 4 ? 0.02f : step.index <= 8 ? 0.01f : 0.005f));
}

TEST_CASE("an interrupted and resumed run of a new optimizer and schedule ends with the bits of an uninterrupted one") {
  auto whole = start();
  auto t = trainer_of(whole);
  take(t, 12);
  const scratch_file file;
  for (const std::uint64_t cut : {3u, 7u, 12u}) {
    auto m = cut == 3 ? start() : model_type::random({.seed = 99});  // replaced by the state
    auto resumed = trainer_of(m, cut);
    resumed.keep(file.path, {.every = 1});
    take(resumed, cut);
    CHECK((bits(m) == bits(whole)) == (cut == 12));
  }
  auto m = start();
  auto other = trainer_of(m, 1, {.momentum = 0.5f, .decay = 0.01f});
  CHECK_THROWS_WITH_AS(other.keep(file.path), doctest::Contains("momentum=0.5"), bert::error);
}

TEST_CASE("a new optimizer trains a model") {
  auto m = start();
  bert::trainer t{m, bert::objectives::cross_entropy{}, guide::sgd{},
                  guide::staircase{.peak = 0.02f, .width = 200, .total = 400},
                  bert::training_options{.dropout = 0, .attention_dropout = 0}};
  take(t, 400);
  CHECK(bert::measure(m, bert::objectives::cross_entropy{}, source)["loss"].accuracy() > 0.9);
}
