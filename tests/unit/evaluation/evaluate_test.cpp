#include "bert/evaluation/evaluate.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "bert/heads/classify.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/heads/regress.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/bio.hpp"
#include "bert/labels/one_of.hpp"
#include "bert/objectives/mean_squared_error.hpp"
#include "bert/objectives/tag_cross_entropy.hpp"
#include "bert/training/measure.hpp"

namespace {

struct dot : bert::architecture_of<bert::dims{
                 .vocab = 23, .hidden = 16, .layers = 2, .heads = 2, .intermediate = 32, .positions = 12}> {};
struct sizes : bert::labels::one_of<"small", "middle", "large"> {};

using fixed_model = bert::model<dot, bert::heads::classify<sizes>>;
using open_model = bert::model<dot, bert::heads::classify<bert::labels::dynamic_set>>;

/// `examples` sequences of 2 to 11 tokens in batches of `batch`; with `gaps` every fifth has no label.
struct made_up {
  int examples = 17, batch = 5;
  bool gaps = false;

  [[nodiscard]] bert::batch_shape capacity() const {
    return {.sequences = static_cast<std::size_t>(batch), .tokens = static_cast<std::size_t>(batch) * 12, .longest = 12};
  }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return static_cast<std::uint64_t>((examples + batch - 1) / batch); }
  void load(std::uint64_t step, bert::training_batch& out) const {
    out.clear();
    for (int i = static_cast<int>(step) * batch; i < std::min(examples, static_cast<int>(step + 1) * batch); ++i) {
      std::vector<bert::token_id> ids;
      for (int t = 0; t < 2 + i % 10; ++t) ids.push_back((7 * i + 3 * t) % 23);
      out.tokens.add(ids);
      out.labels.push_back(gaps && i % 5 == 0 ? -1 : i % 3);
    }
  }
};

}  // namespace

TEST_CASE("an evaluation counts the predictions of a session, example by example") {
  const auto model = fixed_model::random({.stddev = 0.5f, .seed = 3});
  const made_up source;
  const auto report = bert::evaluate(model, source);

  const auto frozen = bert::freeze(model);
  auto run = frozen.session({.sequences = 1, .tokens = 12});
  bert::training_batch all;
  made_up{.batch = 17}.load(0, all);
  double loss = 0;
  bert::metrics::reliability sure;
  std::uint64_t right = 0;
  for (std::size_t s = 0; s < 17; ++s) {
    bert::token_batch one;
    one.add(all.tokens[s]);
    const auto logits = run(one);
    const auto label = static_cast<std::size_t>(all.labels[s]);
    double sum = 0;
    std::size_t best = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      sum += std::exp(static_cast<double>(logits(0, c)));
      if (logits(0, c) > logits(0, best)) best = c;
    }
    right += best == label ? 1 : 0;
    loss += std::log(sum) - static_cast<double>(logits(0, label));
    sure.add(std::exp(static_cast<double>(logits(0, best))) / sum, best == label);
  }
  CHECK(report.total() == 17);
  CHECK(report.calibration().total() == 17);
  CHECK(report.calibration().expected_calibration_error() == doctest::Approx(sure.expected_calibration_error()).epsilon(1e-6));
  CHECK(report.correct() == right);
  CHECK(report.loss() == doctest::Approx(loss / 17).epsilon(1e-6));
  CHECK(report.expected(0) == 6);
  CHECK(report.recall<"large">() == report.recall(2));
}

TEST_CASE("neither the batch size nor the number of threads changes an evaluation") {
  const auto model = fixed_model::random({.stddev = 0.5f, .seed = 4});
  const auto a = bert::evaluate(model, made_up{.examples = 40, .batch = 7});
  const auto b = bert::evaluate(model, made_up{.examples = 40, .batch = 40}, bert::execution::threads{2});
  CHECK(a.loss() == b.loss());
  for (int e = 0; e < 3; ++e)
    for (int p = 0; p < 3; ++p) CHECK(a.count(e, p) == b.count(e, p));
}

TEST_CASE("labels known only at run time give the metrics of the same labels in a type") {
  const auto fixed = fixed_model::random({.stddev = 0.5f, .seed = 5});
  const auto open = open_model::random({.stddev = 0.5f, .seed = 5, .labels = {"small", "middle", "large"}});
  const auto a = bert::evaluate(fixed, made_up{});
  const auto b = bert::evaluate(open, made_up{});
  CHECK(a.loss() == b.loss());
  CHECK(a.correct() == b.correct());
  CHECK(b.recall("large") == a.recall<"large">());
  CHECK(b.names().name(1) == "middle");
}

TEST_CASE("examples without a label are not counted") {
  const auto model = fixed_model::random({.stddev = 0.5f, .seed = 6});
  CHECK(bert::evaluate(model, made_up{.examples = 17, .gaps = true}).total() == 13);
}

TEST_CASE("a label that the head does not have is an error") {
  const auto model = open_model::random({.seed = 7, .labels = {"small", "middle"}});
  CHECK_THROWS_AS((void)bert::evaluate(model, made_up{}), bert::error);
}

TEST_CASE("an evaluation in bf16 predicts as a bf16 session does, with a loss near that of f32 but not equal") {
  const auto model = fixed_model::random({.stddev = 0.5f, .seed = 3});
  const made_up source{.examples = 40};
  const auto full = bert::evaluate(model, source), half = bert::evaluate<bert::precision::bf16>(model, source);
  CHECK(half.loss() == doctest::Approx(full.loss()).epsilon(0.02));
  CHECK(half.loss() != full.loss());

  const auto frozen = bert::freeze<bert::precision::bf16>(model);
  auto run = frozen.session({.sequences = 40, .tokens = 40 * 12});
  bert::training_batch all;
  made_up{.examples = 40, .batch = 40}.load(0, all);
  const auto logits = run(all.tokens);
  std::uint64_t right = 0;
  for (std::size_t s = 0; s < 40; ++s) {
    const auto row = logits[s];
    right += std::max_element(row.begin(), row.end()) - row.begin() == all.labels[s] ? 1 : 0;
  }
  CHECK(half.accuracy() == doctest::Approx(static_cast<double>(right) / 40));
}

namespace {

/// The same sequences with one value each and one tag a token; every fourth token has no tag.
struct with_targets : made_up {
  void load(std::uint64_t step, bert::training_batch& out) const {
    made_up::load(step, out);
    for (const auto label : out.labels) out.values.push_back(0.25f * static_cast<float>(label));
    for (std::size_t n = 0; n < out.tokens.tokens(); ++n) {
      const auto id = out.tokens.ids()[n];
      out.tags.push_back(id % 4 == 0 ? untagged : id % 5);
    }
  }
  std::int32_t untagged = -1;
};

struct places : bert::labels::bio<"LOC", "ORG"> {};
struct mine : bert::heads::classify<sizes> {};

}  // namespace

TEST_CASE("a regression is scored by its error, the objective's loss, and by correlations") {
  using model_type = bert::model<dot, bert::heads::regress>;
  const auto model = model_type::random({.stddev = 0.5f, .seed = 3});
  const with_targets source;
  const auto report = bert::evaluate(model, source);
  CHECK(report.total() == 17);
  const auto measured = bert::measure(model, bert::objectives::mean_squared_error{}, source);
  CHECK(report.loss() == doctest::Approx(measured.loss()).epsilon(1e-5));
  CHECK(report.pearson() == bert::metrics::pearson(report.expected(), report.predicted()));
  CHECK(report.spearman() == bert::metrics::spearman(report.expected(), report.predicted()));
  CHECK(report.expected()[4] == 0.25f);
}

TEST_CASE("a tagger is scored on the tokens with a tag, with the objective's loss, for any batch size") {
  using model_type = bert::model<dot, bert::heads::tag<places>>;
  const auto model = model_type::random({.stddev = 0.5f, .seed = 3});
  const auto report = bert::evaluate(model, with_targets{});
  const auto measured = bert::measure(model, bert::objectives::tag_cross_entropy{}, with_targets{})["loss"];
  CHECK(report.tags() == measured.count);
  CHECK(report.loss() == doctest::Approx(measured.mean()).epsilon(1e-5));
  CHECK(report.accuracy() == doctest::Approx(measured.accuracy()));
  CHECK(report.total().expected > 10);
  const auto whole = bert::evaluate(model, with_targets{{.batch = 17}}, bert::execution::threads{2});
  CHECK(whole.line() == report.line());
  CHECK_THROWS_AS((void)bert::evaluate(model, made_up{}), bert::error);
}

TEST_CASE("a tagger of joined pieces is scored by their mean, as the objective does") {
  using model_type = bert::model<dot, bert::heads::tag<places>>;
  const auto model = model_type::random({.stddev = 0.5f, .seed = 3});
  with_targets joined;
  joined.untagged = bert::joined_tag;
  const auto report = bert::evaluate(model, joined);
  const auto measured = bert::measure(model, bert::objectives::tag_cross_entropy{}, joined)["loss"];
  CHECK(report.tags() == measured.count);
  CHECK(report.loss() == doctest::Approx(measured.mean()).epsilon(1e-5));
  CHECK(report.accuracy() == doctest::Approx(measured.accuracy()));
  CHECK(report.loss() != bert::evaluate(model, with_targets{}).loss());
}

TEST_CASE("a head derived from a classifier is evaluated as one, also after a head that cannot be evaluated") {
  const auto model = fixed_model::random({.stddev = 0.5f, .seed = 3});
  const auto report = bert::evaluate(model, made_up{});
  const auto same = bert::evaluate(model.with_head<mine>(), made_up{});
  const auto second = bert::evaluate(model.with_head<bert::heads::masked_lm, bert::heads::classify<sizes>>(), made_up{});
  CHECK(same.loss() == report.loss());
  CHECK(second.loss() == report.loss());
}
