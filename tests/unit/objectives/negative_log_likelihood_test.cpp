#include "bert/objectives/negative_log_likelihood.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/heads/crf.hpp"
#include "bert/heads/tag.hpp"
#include "bert/kernels/reference/crf.hpp"
#include "bert/labels/bio.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/labels/transitions.hpp"
#include "bert/objectives/tag_cross_entropy.hpp"
#include "support/largest.hpp"
#include "support/slopes.hpp"

namespace {

struct names : bert::labels::bio<"PER", "LOC"> {};
using head = bert::heads::crf<names>;
using tagger = bert::model<support::pocket, head>;
using bert::word_part;
using bert::objectives::negative_log_likelihood;

static_assert(bert::objectives::objective_for<negative_log_likelihood, tagger>);
static_assert(!negative_log_likelihood::fits<bert::model<support::pocket, bert::heads::tag<names>>>);
static_assert(!bert::objectives::tag_cross_entropy::fits<tagger>);
static_assert(bert::objectives::tells_counts<negative_log_likelihood>);

tagger disturbed(std::uint64_t seed = 2) {
  auto m = tagger::random({.stddev = 0.3f, .seed = seed});
  for (const auto& p : m.table())
    if (p.stem.starts_with("crf.")) {
      bert::random_stream random(5, bert::draw::user, p.stem.size());
      for (float& x : m.values(p)) x = 0.5f * random.normal();
    }
  return m;
}

/// Three sequences with [CLS], [SEP], a word of several pieces and a word without a tag.
bert::training_batch tagged_batch() {
  bert::training_batch b;
  b.tokens.add(support::ids(1, 8));
  b.tokens.add(support::ids(2, 3));
  b.tokens.add(support::ids(3, 6));
  b.tags = {-1, 1, -1, 2, 0, -1, 3, -1, -1, -1, -1, -1, 3, 4, 4, 0, -1};
  using enum word_part;
  b.parts = {special, begins,  continues, begins, begins, begins, begins, special, special,
             begins,  special, special,   begins, begins, begins, begins, special};
  return b;
}

struct scored {
  bert::objectives::loss_terms terms;
  std::vector<float> emissions;  ///< their gradient
  std::vector<float> gradient;   ///< of all parameters
};

template <class Model, bert::executor E = bert::execution::serial>
scored score(const Model& model, const bert::training_batch& batch, float scale = 1, const E& e = {},
             std::span<const std::size_t> split = {}) {
  const negative_log_likelihood objective;
  auto capacity = batch.tokens.shape();
  capacity.leaves = std::max<std::size_t>(1, split.size() - (split.empty() ? 0 : 1));
  negative_log_likelihood::work work(objective, capacity);
  bert::tape<Model> tape(objective.capacity(capacity), model.sizes());
  if (!split.empty()) tape.split(split);
  tape.forward(e, model, objective.prepare(batch, 0, work));
  scored out{objective.score(e, batch, work, tape, scale), {}, {}};
  const auto d = tape.template head<0>().logits();
  out.emissions.assign(d.data, d.data + d.rows * d.cols);
  out.gradient.resize(model.block().size());
  tape.backward(e, model, batch.tokens, out.gradient.data(), {}, bert::gradients::written);
  return out;
}

/// The loss of a sentence whose emissions are the given rows of the model's output, in double.
double expected_loss(const tagger& model, const bert::training_batch& batch, const std::vector<std::size_t>& rows) {
  const auto frozen = bert::freeze(model);
  auto run = frozen.session(batch.tokens.shape());
  const auto x = run(batch.tokens);
  std::vector<double> emissions, weights, d_x(rows.size() * 5), d_w(35);
  std::vector<std::int32_t> path;
  for (const auto n : rows) {
    emissions.insert(emissions.end(), x[n].begin(), x[n].end());
    path.push_back(batch.tags[n]);
  }
  for (const char* name : {"crf.start", "crf.end", "crf.transitions"})
    weights.insert(weights.end(), model.values(name).begin(), model.values(name).end());
  const bert::labels::transition_table table(names{});
  return bert::kernels::reference::crf_loss<double>({5, weights, table.allowed()}, {emissions.data(), rows.size(), 5}, path,
                                                    {d_x.data(), rows.size(), 5}, d_w, 1.0);
}

}  // namespace

TEST_CASE("the loss is the mean over sentences of the words' first pieces; all other tokens have no gradient") {
  const auto model = disturbed();
  const auto batch = tagged_batch();
  const auto found = score(model, batch, 0.5f);
  CHECK(found.terms["loss"].count == 2);  // the second sequence has no tag
  const double sum = expected_loss(model, batch, {1, 3, 4, 6}) + expected_loss(model, batch, {12, 13, 14, 15});
  CHECK(found.terms["loss"].sum == doctest::Approx(sum).epsilon(1e-6));
  CHECK(found.terms.loss() == doctest::Approx(sum / 2).epsilon(1e-6));
  for (std::size_t n = 0; n < batch.tokens.tokens(); ++n) {
    double magnitude = 0;
    for (std::size_t c = 0; c < 5; ++c) magnitude += std::abs(static_cast<double>(found.emissions[n * 5 + c]));
    CHECK((magnitude > 0) == negative_log_likelihood::work::counts(batch, n));
    CHECK(magnitude < 2 * 0.5 / 2 + 1e-6);  // |p - onehot| is at most 2, times scale / 2
  }
}

TEST_CASE("windows of a sentence are one chain of the words that have a tag") {
  auto batch = tagged_batch();
  batch.tags[9] = 2;  // begins with I-PER: legal only behind the first window's B-PER
  batch.tags[6] = 1;
  const auto model = disturbed();
  CHECK_THROWS_AS((void)score(model, batch), bert::error);
  batch.groups = {0, 2, 3};
  const auto found = score(model, batch);
  CHECK(found.terms["loss"].count == 2);
  const double sum = expected_loss(model, batch, {1, 3, 4, 6, 9}) + expected_loss(model, batch, {12, 13, 14, 15});
  CHECK(found.terms["loss"].sum == doctest::Approx(sum).epsilon(1e-6));
}

TEST_CASE("a sentence is right where each word's likeliest tag is") {
  auto model = tagger::random({.stddev = 0.01f, .seed = 2});
  const auto bias = model.values("classifier.bias");
  const auto set = [&](std::vector<float> values) {
    std::copy(values.begin(), values.end(), model.block().begin() + (bias.data() - model.block().data()));
  };
  bert::training_batch batch;
  batch.tokens.add(support::ids(1, 3));
  batch.tokens.add(support::ids(2, 2));
  batch.tags = {0, 0, 0, 0, 1};
  set({5, 0, 0, 0, 0});
  CHECK(score(model, batch).terms["loss"].correct == 1);
  set({0, 5, 0, 0, 0});
  CHECK(score(model, batch).terms["loss"].correct == 0);
}

TEST_CASE("the gradients of all parameters are the slopes of the loss, with dropout and without, windows included") {
  auto model = disturbed(9);
  auto batch = tagged_batch();
  batch.groups = {0, 2, 3};
  batch.tags[9] = 4;
  const negative_log_likelihood objective;
  const bert::execution::serial e;
  for (const float rate : {0.0f, 0.3f}) {
    const bert::step_noise noise{rate, 0, 77};
    negative_log_likelihood::work work(objective, batch.tokens.shape());
    bert::tape<tagger> tape(batch.tokens.shape(), model.sizes());
    const auto loss = [&] {
      tape.forward(e, model, batch.tokens, noise);
      return objective.score(e, batch, work, tape, 1.0f).loss();
    };
    (void)loss();
    std::vector<float> gradient(model.block().size());
    tape.backward(e, model, batch.tokens, gradient.data(), noise, bert::gradients::written);
    CHECK(support::largest_magnitude(gradient) > 0.05);
    CHECK(support::element_slope_error(
              model, gradient,
              {"classifier.weight", "classifier.bias", "crf.start", "crf.end", "crf.transitions",
               "bert.encoder.layer.1.output.LayerNorm.weight", "bert.encoder.layer.0.attention.output.dense.bias"},
              9, loss) < 2e-3);
  }
}

TEST_CASE("threads change no bit, and a split of the batch into groups changes sums by rounding alone") {
  const auto model = disturbed();
  const auto batch = tagged_batch();
  const auto one = score(model, batch);
  for (const std::size_t n : {2u, 3u}) {
    const auto many = score(model, batch, 1, bert::execution::threads{n});
    CHECK(std::memcmp(one.gradient.data(), many.gradient.data(), one.gradient.size() * sizeof(float)) == 0);
    CHECK(one.terms.loss() == many.terms.loss());
  }
  const std::vector<std::size_t> split{0, 1, 3};
  const auto grouped = score(model, batch, 1, bert::execution::serial{}, split);
  CHECK(support::largest_difference(one.gradient, grouped.gradient) < 1e-6);
}

TEST_CASE("the gradients of two parts of a batch, added, have the bits of the whole split into these parts") {
  const auto model = disturbed();
  const auto whole_batch = tagged_batch();
  bert::training_batch parts[2];
  bert::copy_sequences(whole_batch, 0, 1, parts[0]);
  bert::copy_sequences(whole_batch, 1, 3, parts[1]);
  const std::vector<std::size_t> split{0, 1, 3};
  const auto whole = score(model, whole_batch, 1, bert::execution::serial{}, split);
  const auto a = score(model, parts[0], 0.5f),
             b = score(model, parts[1], 0.5f);  // a sentence each: 0.5 is the share of one of two
  for (const auto& p : model.table()) {
    if (p.module != bert::module_kind::head) continue;
    for (std::size_t i = p.offset; i < p.offset + p.count(); ++i) CHECK(whole.gradient[i] == a.gradient[i] + b.gradient[i]);
  }
}

TEST_CASE("frozen tensors of a CRF have no gradient, and the others keep theirs") {
  const auto model = disturbed();
  const auto batch = tagged_batch();
  const auto all = score(model, batch);
  std::vector<std::size_t> offsets;
  for (const auto& p : model.table()) offsets.push_back(p.stem == "crf.end" ? bert::not_trained : p.offset);
  const negative_log_likelihood objective;
  negative_log_likelihood::work work(objective, batch.tokens.shape());
  bert::tape<tagger> tape(batch.tokens.shape(), model.sizes());
  tape.forward(bert::execution::serial{}, model, batch.tokens);
  (void)objective.score(bert::execution::serial{}, batch, work, tape, 1.0f);
  std::vector<float> gradient(model.block().size());
  tape.backward(bert::execution::serial{}, model, batch.tokens,
                bert::block_view<support::pocket, float>(model.table(), gradient.data(), offsets), {},
                bert::gradients::written);
  for (const auto& p : model.table())
    for (std::size_t i = p.offset; i < p.offset + p.count(); ++i)
      CHECK(gradient[i] == (p.stem == "crf.end" ? 0.0f : all.gradient[i]));
}

TEST_CASE("tags known at run time have the bits of the same tags in a type") {
  using open = bert::model<support::pocket, bert::heads::crf<bert::labels::dynamic_set>>;
  std::vector<std::string> labels;
  for (int i = 0; i < names::count; ++i) labels.emplace_back(names::name(i));
  const auto a = score(tagger::random({.stddev = 0.3f, .seed = 4}), tagged_batch());
  const auto b = score(open::random({.stddev = 0.3f, .seed = 4, .labels = labels}), tagged_batch());
  CHECK(a.terms.loss() == b.terms.loss());
  CHECK(a.emissions == b.emissions);
}

TEST_CASE("tags that the constraints forbid are an error that names the sentence; without constraints they have a loss") {
  const auto model = disturbed();
  auto batch = tagged_batch();
  batch.tags[13] = 2;
  CHECK_THROWS_WITH_AS((void)score(model, batch),
                       doctest::Contains("sentence 2 of the batch: expected tags that the CRF's constraints allow, found I-PER "
                                         "after B-LOC, word 1 of: B-LOC I-PER I-LOC O"),
                       bert::error);
  batch.tags[12] = 4;
  batch.groups = {0, 2, 3};
  CHECK_THROWS_WITH_AS((void)score(model, batch), doctest::Contains("sentence 1 of the batch"), bert::error);
  CHECK_THROWS_WITH_AS((void)score(model, batch), doctest::Contains("found I-LOC at the start, word 0 of: I-LOC"), bert::error);
  using free_model = bert::model<support::pocket, bert::heads::crf<names, bert::labels::unconstrained>>;
  CHECK(score(free_model::random({.seed = 2}), batch).terms.loss() > 0);
}

TEST_CASE("a batch without tags, with too few, or with a tag beyond the head's is an error; without words its loss is 0") {
  const auto model = disturbed();
  bert::training_batch batch;
  batch.tokens.add(support::ids(1, 3));
  CHECK_THROWS_WITH_AS((void)score(model, batch), doctest::Contains("expected 3 tags, one a token, found 0"), bert::error);
  batch.tags = {0, 1, 5};
  CHECK_THROWS_WITH_AS((void)score(model, batch), doctest::Contains("expected tags below 5, found 5"), bert::error);
  batch.tags = {-1, -1, -1};
  const auto none = score(model, batch);
  CHECK(none.terms["loss"].count == 0);
  CHECK(none.terms.loss() == 0);
  CHECK(support::largest_magnitude(none.gradient) == 0);
}
