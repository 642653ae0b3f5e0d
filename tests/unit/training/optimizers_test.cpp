// SGD, Lion, LAMB and Adafactor: against PyTorch over ten steps, in the trainer, resumed, with any number of threads.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/training/adafactor.hpp"
#include "bert/training/lamb.hpp"
#include "bert/training/lion.hpp"
#include "bert/training/measure.hpp"
#include "bert/training/sgd.hpp"
#include "bert/training/trainer.hpp"
#include "support/golden.hpp"
#include "support/temporary_file.hpp"

namespace {
namespace optim = bert::optim;
using model_type = bert::model<support::pocket, bert::heads::classify<support::mood>>;
const support::made_up_source source;

static_assert(optim::optimizer<optim::sgd> && optim::optimizer<optim::lion> && optim::optimizer<optim::lamb> &&
              optim::optimizer<optim::adafactor>);

/// Ten steps over the golden gradients; the largest difference to what PyTorch computed.
template <class O>
double error_of(const O& o, const std::string& name) {
  const bert::io::safetensors file(golden::folder("optimizers") / "golden.safetensors");
  auto matrix = golden::floats(file, "start.matrix"), vector = golden::floats(file, "start.vector");
  const auto of_matrix = golden::floats(file, "gradients.matrix"), of_vector = golden::floats(file, "gradients.vector");
  const std::size_t m = matrix.size(), v = vector.size();
  const bert::parameter weight{.stem = "w", .rows = 9, .cols = 23}, bias{.stem = "b", .rows = 23, .role = bert::role::bias};
  const auto tensors = [&](std::size_t step) {
    return std::vector<optim::trained_tensor>{
        {&weight, matrix, std::span(of_matrix).subspan(step * m, m), 0, 0.01f, optim::decay_of(weight.role)},
        {&bias, vector, std::span(of_vector).subspan(step * v, v), 208, 0.01f, optim::decay_of(bias.role)}};
  };
  auto state = optim::make_state(o, 256, tensors(0));
  for (std::uint64_t step = 0; step < 10; ++step) {
    const auto all = tensors(step);
    o.apply(bert::execution::serial{}, {all, 1.0, step}, state);
  }
  return std::max(support::largest_difference(matrix, golden::floats(file, name + ".matrix")),
                  support::largest_difference(vector, golden::floats(file, name + ".vector")));
}

std::vector<float> bits(const model_type& m) { return {m.block().begin(), m.block().end()}; }

struct scratch_file {
  std::filesystem::path path = support::temporary_path("bert_optimizers_test.state");
  ~scratch_file() { std::filesystem::remove(path); }
};

/// Trains `m` for `steps` of `total`; returns the accuracy on the training examples.
template <class O>
double train(model_type& m, const O& o, float rate, std::uint64_t steps, std::uint64_t total, std::size_t threads = 1,
             const std::filesystem::path& kept = {}) {
  bert::trainer t{m,
                  bert::objectives::cross_entropy{},
                  o,
                  bert::schedules::constant{.peak = rate, .total = total},
                  bert::training_options{.dropout = 0, .attention_dropout = 0},
                  bert::execution::threads{threads}};
  if (!kept.empty()) t.keep(kept, {.every = 1});
  if (t.done() < steps)
    for (const auto& step : t.over(source))
      if (step.index == steps) break;
  return total > 100 ? bert::measure(m, bert::objectives::cross_entropy{}, source)["loss"].accuracy() : 0;
}
model_type start() { return model_type::random({.stddev = 0.1f, .seed = 1}); }

template <class O>
void check_in_trainer(const O& o, float rate) {
  CAPTURE(o.describe());
  auto learned = start();
  CHECK(train(learned, o, rate, 300, 300) > 0.9);

  auto whole = start(), three = start();
  train(whole, o, rate, 6, 6);
  train(three, o, rate, 6, 6, 3);
  CHECK(bits(whole) == bits(three));
  const scratch_file file;
  auto cut = start();
  train(cut, o, rate, 4, 6, 1, file.path);
  auto resumed = model_type::random({.seed = 99});  // replaced by the state
  train(resumed, o, rate, 6, 6, 2, file.path);
  CHECK(bits(resumed) == bits(whole));
}
}  // namespace

TEST_CASE("ten steps of SGD are PyTorch's, plain, with momentum and with Nesterov's") {
  CHECK(error_of(optim::sgd{.weight_decay = 0.1f, .clip_norm = 0}, "sgd") < 2e-6);
  CHECK(error_of(optim::sgd{.momentum = 0, .weight_decay = 0.1f, .clip_norm = 0}, "sgd_plain") < 2e-6);
  CHECK(error_of(optim::sgd{.weight_decay = 0.1f, .clip_norm = 0, .kind = optim::momentum_kind::nesterov}, "sgd_nesterov") <
        2e-6);
}
TEST_CASE("ten steps of Lion are those of its paper's formula in double") {
  CHECK(error_of(optim::lion{.weight_decay = 0.1f, .clip_norm = 0}, "lion") < 2e-6);
}
TEST_CASE("ten steps of LAMB are those of its paper's formula in double, biases without a ratio") {
  CHECK(error_of(optim::lamb{.weight_decay = 0.1f, .clip_norm = 0}, "lamb") < 2e-6);
}
TEST_CASE("ten steps of Adafactor are those of transformers, with and without the scale of the parameter") {
  CHECK(error_of(optim::adafactor{.weight_decay = 0.1f}, "adafactor") < 2e-6);
  CHECK(error_of(optim::adafactor{.weight_decay = 0.1f, .scale = optim::parameter_scale::on}, "adafactor_scaled") < 2e-6);
}

TEST_CASE("every optimizer trains, with the same bits for any number of threads and when it is resumed") {
  check_in_trainer(optim::sgd{}, 0.03f);
  check_in_trainer(optim::lion{}, 5e-4f);
  check_in_trainer(optim::lamb{}, 1e-2f);
  check_in_trainer(optim::adafactor{}, 1e-3f);
}

TEST_CASE("gradients beyond the clip norm are scaled to it by every optimizer") {
  const bert::parameter p{.stem = "w", .rows = 4};
  const auto moved = [&](const auto& o, float g) {
    std::vector<float> values(4, 1.0f);
    const std::vector<float> gradient{g, 0, 0, 0};
    const optim::trained_tensor tensor{&p, values, gradient, 0, 0.01f, 0.0f};
    auto state = optim::make_state(o, 4, {&tensor, 1});
    o.apply(bert::execution::serial{}, {{&tensor, 1}, static_cast<double>(g), 0}, state);
    return 1.0 - static_cast<double>(values[0]);
  };
  CHECK(moved(optim::sgd{.clip_norm = 3.0f}, 30.0f) == doctest::Approx(0.03).epsilon(1e-4));
  CHECK(moved(optim::sgd{.clip_norm = 3.0f}, 2.0f) == doctest::Approx(0.02).epsilon(1e-4));
  CHECK(moved(optim::sgd{.clip_norm = 0}, 30.0f) == doctest::Approx(0.3).epsilon(1e-4));
}

TEST_CASE("Adafactor keeps a vector's length for every row and column of a matrix, and of a vector its elements") {
  const bert::parameter w{.stem = "w", .rows = 768, .cols = 3072}, b{.stem = "b", .rows = 768};
  const std::vector<optim::trained_tensor> tensors{{&w, {}, {}, 0}, {&b, {}, {}, 2359296}};
  optim::adafactor::state s(tensors);
  CHECK(s.blocks()[0].second.size() == 768 + 3072 + 768);
  CHECK(s.of(tensors[1]).data() == s.v.data() + 768 + 3072);
}

TEST_CASE("the descriptions of optimizers distinguish all hyper-parameters") {
  CHECK(optim::sgd{.kind = optim::momentum_kind::nesterov}.describe() ==
        "sgd momentum=0.9 nesterov weight_decay=0 clip_norm=1");
  CHECK(optim::lion{}.describe() == "lion beta1=0.9 beta2=0.99 weight_decay=0.1 clip_norm=1");
  CHECK(optim::lamb{}.describe() ==
        "lamb beta1=0.9 beta2=0.999 epsilon=1e-06 weight_decay=0.01 clip_norm=1 bias_correction=on");
  CHECK(optim::adafactor{}.describe().find("floor") == std::string::npos);
  CHECK(optim::adafactor{.scale = optim::parameter_scale::on}.describe().ends_with(" floor=0.001"));
}

namespace {
/// An optimizer whose state depends on its own numbers, on the size of the block and on the tensors.
struct of_all_three {
  float number = 0;
  struct state {
    state(const of_all_three& o, std::size_t size, std::span<const bert::optim::trained_tensor> all)
        : number(o.number), floats(size), tensors(all.size()) {}
    [[nodiscard]] static std::array<bert::optim::state_block, 0> blocks() noexcept { return {}; }
    float number;
    std::size_t floats, tensors;
  };
  template <bert::executor E>
  static void apply(const E&, const bert::optim::update&, state&) noexcept {}
  [[nodiscard]] static std::string describe() { return "of_all_three"; }
};
}  // namespace

TEST_CASE("an optimizer's state is made of the optimizer, the floats and the tensors if it asks for them") {
  const std::array<bert::optim::trained_tensor, 3> tensors{};
  const auto state = bert::optim::make_state(of_all_three{.number = 2.5f}, 77, tensors);
  CHECK(state.number == 2.5f);
  CHECK(state.floats == 77);
  CHECK(state.tensors == 3);
}
