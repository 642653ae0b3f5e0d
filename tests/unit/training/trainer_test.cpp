#include "bert/training/trainer.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include "../../support/allocations.hpp"
#include "../../support/small_models.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/objectives/joint.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/next_sentence.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/temporary_file.hpp"

namespace {
using support::pocket;
using objective =
    bert::objectives::joint<bert::objectives::masked_lm<bert::masking::whole_word>, bert::objectives::next_sentence>;
using model_type = bert::model_for<pocket, objective>;
static_assert(std::same_as<model_type, bert::model<pocket, bert::heads::masked_lm, bert::heads::next_sentence>>);

const support::made_up_source source;

template <class E, class Activations = bert::activations::keep, class Precision = bert::precision::f32>
auto make_trainer(model_type& m, const E& e, bert::training_options options = {.seed = 11}, Activations kept = {},
                  Precision p = {}) {
  return bert::trainer{m,
                       objective{},
                       bert::optim::adamw{},
                       bert::schedules::warmup_linear{.peak = 3e-3f, .warmup = 4, .total = 20},
                       options,
                       e,
                       kept,
                       p};
}

template <class Trainer>
std::uint64_t take(Trainer& t, std::uint64_t steps) {
  std::uint64_t last = 0;
  for (const auto& step : t.over(source))
    if ((last = step.index) == steps) break;
  return last;
}

template <class Activations = bert::activations::keep, class Precision = bert::precision::f32>
std::vector<float> trained(std::size_t threads, bert::training_options options = {.seed = 11}, Activations kept = {},
                           Precision p = {}) {
  auto m = model_type::random({.stddev = 0.1f, .seed = 1});
  auto t = make_trainer(m, bert::execution::threads{threads}, options, kept, p);
  take(t, 20);
  return {m.block().begin(), m.block().end()};
}

struct scratch_file {
  std::filesystem::path path = support::temporary_path("bert_trainer_test.state");
  ~scratch_file() { std::filesystem::remove(path); }
};
}  // namespace

TEST_CASE("training gives the same bits with 1, 2 and 3 threads, dropout on") {
  const auto one = trained(1);
  CHECK(trained(2) == one);
  CHECK(trained(3) == one);
  CHECK(trained(1, {.seed = 12}) != one);
}

TEST_CASE("training with products in bf16 gives the same bits with 1 and 3 threads and with recomputed activations") {
  const bert::precision::bf16 bf16;
  const auto one = trained(1, {.seed = 11}, bert::activations::keep{}, bf16);
  CHECK(trained(3, {.seed = 11}, bert::activations::keep{}, bf16) == one);
  CHECK(trained(2, {.seed = 11}, bert::activations::recompute{}, bf16) == one);
  CHECK(trained(1) != one);
}

TEST_CASE("recomputed activations train to the same bits as kept ones, with accumulated batches too") {
  const bert::training_options options{.seed = 11, .accumulate = 2};
  CHECK(trained(2, options, bert::activations::recompute{}) == trained(1, options));
}

namespace {
// The same batches under a fact of another value, or of another name.
struct telling_source : support::made_up_source {
  bert::named_facts facts;
  [[nodiscard]] bert::named_facts fingerprint() const { return facts; }
};
}  // namespace

TEST_CASE("a state of another source or objective is refused, naming only what differs") {
  const scratch_file file;
  const auto resumed = [&](const bert::named_facts& facts, auto masks) -> std::string {
    using other = bert::objectives::joint<bert::objectives::masked_lm<decltype(masks)>, bert::objectives::next_sentence>;
    auto m = model_type::random({.stddev = 0.1f, .seed = 1});
    bert::trainer t{m, other{}, bert::optim::adamw{}, bert::schedules::warmup_linear{.peak = 3e-3f, .warmup = 4, .total = 20},
                    bert::training_options{.seed = 11}};
    t.keep(file.path, {.every = 2});
    const telling_source from{{}, facts};
    try {
      for (const auto& step : t.over(from))
        if (step.index % 2 == 0) return "step " + std::to_string(step.index);
    } catch (const bert::error& e) {
      return e.what();
    }
    return "no step";
  };
  CHECK(resumed({{"corpus", "1f"}, {"batch", "4"}}, bert::masking::whole_word{}) == "step 2");
  CHECK(resumed({{"corpus", "1f"}, {"batch", "4"}}, bert::masking::whole_word{}) == "step 4");
  const auto message = resumed({{"corpus", "1f"}, {"batch", "8"}}, bert::masking::whole_word{});
  CHECK(message.find(": expected batch 8, as this run has, found batch 4, as the state was made with;") != std::string::npos);
  CHECK(resumed({{"corpus", "1f"}, {"batch", "4"}}, bert::masking::token{})
            .find("expected masking token, as this run has, found masking whole_word") != std::string::npos);
  CHECK(resumed({{"corpus", "1f"}}, bert::masking::whole_word{}) ==
        "step 6");  // a fact that the run does not know is no difference
}

TEST_CASE("a run that was interrupted and resumed ends with the bits of one that was not") {
  const auto whole = trained(1);
  scratch_file file;
  for (const std::uint64_t cut : {7u, 13u, 20u}) {
    auto m = model_type::random({.stddev = 0.1f, .seed = 1});
    auto t = make_trainer(m, bert::execution::serial{});
    t.keep(file.path, {.every = 3});
    take(t, cut);
  }
  auto m = model_type::random({.seed = 99});  // whatever it starts from, the state replaces it
  auto t = make_trainer(m, bert::execution::threads{2});
  t.keep(file.path, {.every = 3});
  CHECK(t.done() == 20);
  CHECK(take(t, 20) == 0);
  CHECK(std::equal(whole.begin(), whole.end(), m.block().begin()));
}

TEST_CASE("a state of other settings, half a state and an empty file are refused") {
  scratch_file file;
  auto m = model_type::random({.stddev = 0.1f, .seed = 1});
  {
    auto t = make_trainer(m, bert::execution::serial{});
    t.keep(file.path, {.every = 2});
    take(t, 2);
  }
  auto other = make_trainer(m, bert::execution::serial{}, {.seed = 12});
  CHECK_THROWS_WITH_AS(other.keep(file.path), doctest::Contains("seed=12"), bert::error);
  auto cut = make_trainer(m, bert::execution::serial{}, {.seed = 11, .leaves = 2});
  CHECK_THROWS_WITH_AS(cut.keep(file.path), doctest::Contains("leaves=2"), bert::error);
  std::filesystem::resize_file(file.path, std::filesystem::file_size(file.path) / 2);
  auto same = make_trainer(m, bert::execution::serial{});
  CHECK_THROWS_AS(same.keep(file.path), bert::error);
  std::ofstream(file.path, std::ios::trunc) << "";
  CHECK_THROWS_AS(same.keep(file.path), bert::error);
}

TEST_CASE("request_stop ends a run after its step with the state on disk, and the resumed run ends with the same bits") {
  const auto whole = trained(1);
  scratch_file file;
  auto m = model_type::random({.stddev = 0.1f, .seed = 1});
  {
    auto t = make_trainer(m, bert::execution::serial{});
    t.keep(file.path, {.every = 1000});
    std::uint64_t last = 0;
    for (const auto& step : t.over(source))
      if ((last = step.index) == 6) t.request_stop();
    CHECK(last == 6);
    CHECK(t.done() == 6);
  }
  auto again = model_type::random({.seed = 99});
  auto t = make_trainer(again, bert::execution::serial{});
  t.keep(file.path);
  CHECK(t.done() == 6);
  take(t, 20);
  CHECK(std::equal(whole.begin(), whole.end(), again.block().begin()));
}

TEST_CASE("a state file that cannot be written is an error of keep, not of the first write") {
  auto m = model_type::random({.seed = 1});
  auto t = make_trainer(m, bert::execution::serial{});
  CHECK_THROWS_WITH_AS(t.keep("/nowhere/at/all/run.state"), doctest::Contains("a file to write"), bert::error);
  CHECK_THROWS_WITH_AS(t.keep("/dev/null"), doctest::Contains("no regular file"), bert::error);
}

TEST_CASE("a training step allocates nothing after the first") {
  const auto check = [](auto kept, auto precision) {
    auto m = model_type::random({.stddev = 0.1f, .seed = 1});
    auto t = make_trainer(m, bert::execution::threads{2}, {.seed = 11}, kept, precision);
    std::size_t before = 0;
    for (const auto& step : t.over(source)) {
      if (step.index == 1) before = support::allocations;
      if (step.index == 20) CHECK(support::allocations == before);
    }
  };
  check(bert::activations::keep{}, bert::precision::f32{});
  check(bert::activations::recompute{}, bert::precision::f32{});
  check(bert::activations::keep{}, bert::precision::bf16{});
  check(bert::activations::keep{}, bert::precision::bf16x6{});
}

TEST_CASE("the loss falls on a set small enough to memorize, with products in bf16 as in f32") {
  const auto learn = [](auto precision) {
    auto m = model_type::random({.stddev = 0.1f, .seed = 1});
    const auto first = bert::measure(m, objective{}, source, {.seed = 5});
    bert::trainer t{m,
                    objective{},
                    bert::optim::adamw{},
                    bert::schedules::warmup_linear{.peak = 3e-3f, .warmup = 20, .total = 400},
                    bert::training_options{.dropout = 0, .attention_dropout = 0},
                    bert::execution::serial{},
                    bert::activations::keep{},
                    precision};
    take(t, 400);
    const auto last = bert::measure(m, objective{}, source, {.seed = 5});
    CHECK(first["mlm"].mean() > 4.5);
    CHECK(last["mlm"].mean() < first["mlm"].mean() - 1.0);
    CHECK(last["nsp"].accuracy() > 0.9);
    CHECK(last["mlm"].count == first["mlm"].count);
    return last["mlm"].mean();
  };
  CHECK(learn(bert::precision::bf16{}) == doctest::Approx(learn(bert::precision::f32{})).epsilon(0.1));
}

TEST_CASE("two accumulated batches make the step of one batch of both, if every sequence has one prediction") {
  // Next sentence alone: one prediction a sequence, so the mean of two means is the mean over all.
  const support::made_up_source twice{.sequences = 8, .longest = 24, .batches = 3};
  using head = bert::model<pocket, bert::heads::next_sentence>;
  const auto step = [](const auto& batches, unsigned accumulate, unsigned leaves = 1) {
    auto m = head::random({.stddev = 0.1f, .seed = 1});
    bert::trainer t{m, bert::objectives::next_sentence{}, bert::optim::adamw{},
                    bert::schedules::constant{.peak = 1e-3f, .total = 1},
                    bert::training_options{.dropout = 0, .attention_dropout = 0, .accumulate = accumulate, .leaves = leaves}};
    double norm = 0;
    for (const auto& s : t.over(batches)) norm = s.gradient_norm;
    return norm;
  };
  const double expected = step(twice, 1);
  CHECK(step(source, 2) == doctest::Approx(expected).epsilon(1e-4));
  CHECK(step(source, 2, 4) == doctest::Approx(expected).epsilon(1e-4));
}

TEST_CASE("with dropout, the gradient is the central difference of the loss under the same noise") {
  auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  bert::training_batch batch;
  source.load(0, batch);
  const objective o{};
  objective::work work(o, source.capacity());
  bert::tape<model_type> tape(o.capacity(source.capacity()), m.sizes());
  const bert::step_noise noise{0.2f, 0.2f, 12345};
  const auto loss = [&] {
    const auto& tokens = o.prepare(batch, 1, work);
    tape.forward(bert::execution::serial{}, m, tokens, noise);
    return o.score(bert::execution::serial{}, batch, work, tape, 1.0f).loss();
  };
  loss();
  bert::buffer<float> gradient(m.block().size());
  tape.backward(bert::execution::serial{}, m, work.first.masked.tokens, gradient.data(), noise);
  for (const auto& p : m.table()) {
    if (p.stem == "attention.self.key.bias") continue;  // truly zero
    // Along the gradient of one tensor, the loss changes by |g| per unit of length.
    double norm = 0;
    for (std::size_t i = 0; i < p.count(); ++i)
      norm += static_cast<double>(gradient[p.offset + i]) * static_cast<double>(gradient[p.offset + i]);
    norm = std::sqrt(norm);
    CAPTURE(p.name());
    REQUIRE(norm > 0);
    const std::vector<float> saved(m.values(p).begin(), m.values(p).end());
    const double h = 0.01 / std::max(norm, 1.0) * (norm < 0.1 ? 5 : 1);
    const auto moved = [&](double by) {
      for (std::size_t i = 0; i < p.count(); ++i)
        m.values(p)[i] = saved[i] + static_cast<float>(by * static_cast<double>(gradient[p.offset + i]) / norm);
      return loss();
    };
    const double slope = (moved(h) - moved(-h)) / (2 * h);
    std::copy(saved.begin(), saved.end(), m.values(p).begin());
    CHECK(slope == doctest::Approx(norm).epsilon(0.03));
  }
}

TEST_CASE("a diverging learning rate is an error that names the step and the remedy") {
  auto m = model_type::random({.stddev = 0.1f, .seed = 1});
  bert::trainer t{m, objective{}, bert::optim::adamw{.clip_norm = 0}, bert::schedules::constant{.peak = 1e30f, .total = 50}};
  CHECK_THROWS_WITH_AS(take(t, 50), doctest::Contains("lower the learning rate"), bert::error);
}

TEST_CASE("a step that is not finite changes neither the model nor the state file") {
  scratch_file file;
  auto m = model_type::random({.stddev = 0.1f, .seed = 1});
  {
    auto t = make_trainer(m, bert::execution::serial{});
    t.keep(file.path, {.every = 1});
    take(t, 3);
  }
  const auto bytes = [&] {
    std::ifstream in(file.path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string kept = bytes();
  auto t = make_trainer(m, bert::execution::serial{});
  t.keep(file.path, {.every = 1});
  REQUIRE(t.done() == 3);
  m.block()[0] = std::numeric_limits<float>::quiet_NaN();  // the first float of the [PAD] row, which no batch reads
  for (float& x : m.values(m.table()[4])) x = 3e38f;       // the norm of the embeddings overflows
  const std::vector<float> before(m.block().begin(), m.block().end());
  CHECK_THROWS_WITH_AS(take(t, 4), doctest::Contains("step 4"), bert::error);
  CHECK(t.done() == 3);
  CHECK(std::memcmp(before.data(), m.block().data(), before.size() * sizeof(float)) == 0);
  CHECK(bytes() == kept);
}

TEST_CASE("a source that gives an empty batch is an error, also after a batch whose gradients are accumulated") {
  struct runs_dry : support::made_up_source {
    void load(std::uint64_t step, bert::training_batch& out) const {
      made_up_source::load(step, out);
      if (step == 1) out.clear();
    }
  };
  for (const unsigned leaves : {1u, 2u}) {
    auto m = model_type::random({.stddev = 0.1f, .seed = 1});
    auto t = make_trainer(m, bert::execution::serial{}, {.seed = 11, .accumulate = 2, .leaves = leaves});
    const runs_dry batches;
    auto run = t.over(batches);
    CHECK_THROWS_WITH_AS((void)run.begin(), doctest::Contains("an empty batch"), bert::error);
    CHECK(t.done() == 0);
  }
}

TEST_CASE("fit trains a classifier and refuses options out of range") {
  using classifier = bert::model<pocket, bert::heads::classify<support::mood>>;
  auto m = classifier::random({.stddev = 0.1f, .seed = 1});
  std::uint64_t calls = 0;
  const auto last = bert::fit(m, bert::objectives::cross_entropy{}, source,
                              {.epochs = 30, .learning_rate = 2e-3f, .dropout = 0, .attention_dropout = 0},
                              bert::execution::serial{}, [&](const bert::step_report&) { ++calls; });
  CHECK(calls == 180);
  CHECK(last.index == 180);
  CHECK(bert::measure(m, bert::objectives::cross_entropy{}, source)["loss"].accuracy() > 0.9);
  CHECK_THROWS_AS(bert::fit(m, bert::objectives::cross_entropy{}, source, {.epochs = 0}), bert::error);
  CHECK_THROWS_AS(bert::fit(m, bert::objectives::cross_entropy{}, source, {.learning_rate = 0}), bert::error);
}

TEST_CASE("fit trains to the trainer's bits in every precision, with activations kept or recomputed") {
  using classifier = bert::model<pocket, bert::heads::classify<support::mood>>;
  const auto start = classifier::random({.stddev = 0.1f, .seed = 1});
  const auto bits = [](const classifier& m) { return std::vector<float>(m.block().begin(), m.block().end()); };
  const bert::fit_options<classifier> options{.epochs = 2, .learning_rate = 2e-3f, .seed = 5};
  const auto fitted = [&](auto... last) {
    auto m = start;
    bert::fit(m, bert::objectives::cross_entropy{}, source, options, bert::execution::threads{2}, last...);
    return bits(m);
  };
  const auto by_trainer = [&](auto kept, auto p) {
    auto m = start;
    bert::trainer t{m,
                    bert::objectives::cross_entropy{},
                    bert::optim::adamw{.weight_decay = 0.01f, .clip_norm = 1.0f},
                    bert::schedules::warmup_linear{.peak = 2e-3f, .warmup = 1, .total = 12},
                    bert::training_options{.seed = 5},
                    bert::execution::serial{},
                    kept,
                    p};
    take(t, 12);
    return bits(m);
  };
  const bert::activations::keep keep;
  const bert::activations::recompute recompute;
  const bert::precision::bf16 bf16;
  const auto plain = fitted(), rounded = fitted(keep, bf16);
  CHECK(plain != bits(start));
  CHECK(plain == by_trainer(keep, bert::precision::f32{}));
  CHECK(fitted(recompute) == plain);
  CHECK(rounded != plain);
  CHECK(rounded == by_trainer(keep, bf16));
  std::uint64_t calls = 0;
  auto m = start;
  bert::fit(m, bert::objectives::cross_entropy{}, source, options, bert::execution::serial{}, recompute, bf16,
            [&](const bert::step_report&) { ++calls; });
  CHECK(bits(m) == rounded);
  CHECK(calls == 12);
}
