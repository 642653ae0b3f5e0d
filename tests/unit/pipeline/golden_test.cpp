// Against PyTorch and transformers: outputs, gradients and ten training steps of the checkpoints in tests/golden.
// Layer: tests.
#include "golden.hpp"

#include <doctest/doctest.h>

#include <array>

#include "bert/heads/classify.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/heads/next_sentence.hpp"
#include "bert/labels/one_of.hpp"
#include "bert/model/session.hpp"
#include "bert/objectives/joint.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/next_sentence.hpp"
#include "bert/pipeline/weights.hpp"
#include "bert/training/trainer.hpp"

using namespace bert;
using namespace bert::testing;

namespace {

struct urgency : labels::one_of<"routine", "soon", "urgent"> {};

template <class A, class Objective>
model_for<A, Objective> open(const golden& g) {
  return pipelines::load_weights<model_for<A, Objective>>(io::safetensors(g.folder() / "model.safetensors"), A::vocab);
}

/// The two training batches of a case, in turn. `keys` says which of them a batch is.
struct golden_source {
  explicit golden_source(const golden& g) : batches{g.labelled("train.0"), g.labelled("train.1")} {
    for (std::uint64_t i = 0; i < 2; ++i) batches[i].keys = {i};
  }
  [[nodiscard]] batch_shape capacity() const {
    const auto a = batches[0].tokens.shape(), b = batches[1].tokens.shape();
    return {std::max(a.sequences, b.sequences), std::max(a.tokens, b.tokens), std::max(a.scored, b.scored),
            std::max(a.longest, b.longest)};
  }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return 2; }
  void load(std::uint64_t step, training_batch& out) const { out = batches[step % 2]; }

  std::array<training_batch, 2> batches;
};

/// Masks that are in the batch already; their targets are set by the test.
struct given_masks : masking::rates {
  static inline std::array<std::vector<std::int32_t>, 2> targets;

  void operator()(const training_batch& in, std::uint64_t, masked_batch& out) const {
    out.tokens = in.tokens;
    out.targets = targets[in.keys.front()];
  }
  [[nodiscard]] std::size_t max_scored(const batch_shape& shape) const { return shape.scored; }
};

using golden_mlm = objectives::masked_lm<given_masks>;
using golden_pretraining_objective = objectives::joint<golden_mlm, objectives::next_sentence>;

struct classification : objectives::cross_entropy {
  using heads = bert::detail::type_list<bert::heads::classify<urgency>>;
};

template <class Objective>
void use_targets(const golden& g) {
  if constexpr (!std::is_same_v<Objective, classification>)
    given_masks::targets = {g.ints("train.0.targets"), g.ints("train.1.targets")};
}

template <class A, class Objective>
void check_outputs(const std::string& name) {
  CAPTURE(name);
  const golden g(name);
  const auto model = open<A, Objective>(g);
  const auto frozen = freeze(model);
  const auto batch = g.batch("eval");
  auto run = frozen.session(batch.shape());
  (void)run(batch);
  const auto compare = [&](const std::string& output, std::span<const float> found) {
    CAPTURE(output);
    CHECK(largest_difference(found, g.floats(output)) <= 2e-5);
  };
  compare("eval.hidden", run.hidden().flat());
  if constexpr (decltype(model)::reads_pooler) compare("eval.pooler", run.pooled().flat());
  if constexpr (decltype(model)::template has_head<heads::masked_lm>)
    compare("eval.mlm", run.template output<heads::masked_lm>().flat());
  if constexpr (decltype(model)::template has_head<heads::next_sentence>)
    compare("eval.nsp", run.template output<heads::next_sentence>().flat());
  if constexpr (decltype(model)::template has_head<heads::classify<urgency>>)
    compare("eval.logits", run.template output<heads::classify<urgency>>().flat());
}

template <class A, class Objective>
void check_gradients(const std::string& name) {
  CAPTURE(name);
  const golden g(name);
  use_targets<Objective>(g);
  const auto model = open<A, Objective>(g);
  const golden_source source(g);
  const Objective objective{};
  typename Objective::work work(objective, source.capacity());
  tape<std::remove_const_t<decltype(model)>> t(objective.capacity(source.capacity()), model.sizes());
  buffer<float> gradients(model.block().size());
  const execution::serial e;
  const training_batch& raw = source.batches[0];
  const token_batch& fed = objective.prepare(raw, 0, work);
  t.forward(e, model, fed);
  const auto parts = objective.score(e, raw, work, t, 1.0f);
  t.backward(e, model, fed, gradients.data());
  CHECK(parts.loss() == doctest::Approx(static_cast<double>(g.floats("loss.total")[0])).epsilon(1e-5));

  for (const parameter& p : model.table()) {
    const std::string key = "grad." + p.name();
    if (!decltype(model)::reads_pooler && p.stem.starts_with("bert.pooler.")) {
      CHECK(g.file().find(key) == nullptr);
      continue;
    }
    CAPTURE(key);
    const auto expected = g.floats(key);
    // The key bias has no gradient but rounding: held to the scale of the query bias's.
    std::string scale = key;
    if (const auto at = scale.find(".key.bias"); at != std::string::npos) scale.replace(at, 9, ".query.bias");
    CHECK(distance(gradients.span().subspan(p.offset, p.count()), expected) <= 1e-4 * length_of(g.floats(scale)));
  }
}

template <class A, class Objective>
void check_training(const std::string& name) {
  CAPTURE(name);
  const golden g(name);
  use_targets<Objective>(g);
  auto model = open<A, Objective>(g);
  const golden_source source(g);
  trainer trainer(model, Objective{}, optim::adamw{.weight_decay = 0.01f, .clip_norm = 1.0f},
                  schedules::warmup_linear{.peak = 1e-3f, .warmup = 3, .total = 10},
                  training_options{.dropout = 0, .attention_dropout = 0});
  const auto losses = g.floats("steps.loss"), rates = g.floats("steps.learning_rate"), norms = g.floats("steps.grad_norm");
  std::size_t i = 0;
  for (const auto& step : trainer.over(source)) {
    CHECK(step.rate == doctest::Approx(static_cast<double>(rates[i])).epsilon(1e-6));
    CHECK(std::abs(step.loss / static_cast<double>(losses[i]) - 1) <= 1e-4);
    CHECK(step.gradient_norm == doctest::Approx(static_cast<double>(norms[i])).epsilon(1e-3));
    ++i;
  }
  REQUIRE(i == losses.size());
  for (const auto& tensor : g.file().tensors())
    if (tensor.name.starts_with("final.")) {
      CAPTURE(tensor.name);
      const auto expected = g.floats(tensor.name);
      CHECK(distance(model.values(tensor.name.substr(6)), expected) <= 1e-3 * length_of(expected));
    }
}

}  // namespace

TEST_CASE("outputs are within 2e-5 of those of transformers") {
  check_outputs<golden_pretraining, golden_pretraining_objective>("pretraining");
  check_outputs<golden_tanh, golden_pretraining_objective>("tanh");
  check_outputs<golden_relu, golden_mlm>("relu");
  check_outputs<golden_classifier, classification>("classifier");
}

TEST_CASE("the encoder alone gives BertModel's hidden states and pooler") {
  const golden g("encoder");
  const io::safetensors weights(g.folder() / "model.safetensors");
  const auto batch = g.batch("eval");
  const auto bare = freeze(pipelines::load_weights<model<golden_encoder>>(weights, 101));
  auto encode = bare.session(batch.shape());
  CHECK(largest_difference(encode(batch).flat(), g.floats("eval.hidden")) <= 2e-5);
  const auto pooled = freeze(pipelines::load_weights<model<golden_encoder, heads::pooled>>(weights, 101));
  auto pool = pooled.session(batch.shape());
  CHECK(largest_difference(pool(batch).flat(), g.floats("eval.pooler")) <= 2e-5);
}

TEST_CASE("every gradient is within 1e-4 of PyTorch's, relative to its length") {
  check_gradients<golden_pretraining, golden_pretraining_objective>("pretraining");
  check_gradients<golden_tanh, golden_pretraining_objective>("tanh");
  check_gradients<golden_relu, golden_mlm>("relu");
  check_gradients<golden_classifier, classification>("classifier");
}

TEST_CASE("ten AdamW steps give PyTorch's losses within 1e-4") {
  check_training<golden_pretraining, golden_pretraining_objective>("pretraining");
  check_training<golden_tanh, golden_pretraining_objective>("tanh");
  check_training<golden_relu, golden_mlm>("relu");
  check_training<golden_classifier, classification>("classifier");
}
