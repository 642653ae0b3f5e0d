// Training sentence embeddings end to end: pairs from a file, a fit, an evaluation.
// Layer: tests. Of: include/bert/evaluation/similarity.hpp, include/bert/metrics/similarity.hpp
#include "bert/evaluation/similarity.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "bert/data/pairs.hpp"
#include "bert/data/twice.hpp"
#include "bert/evaluation/evaluate.hpp"
#include "bert/objectives/cached.hpp"
#include "bert/objectives/cosent.hpp"
#include "bert/objectives/cosine_mse.hpp"
#include "bert/objectives/matryoshka.hpp"
#include "bert/objectives/multiple_negatives.hpp"
#include "bert/training/fit.hpp"
#include "support/allocations.hpp"
#include "support/temporary_file.hpp"
#include "support/toy_tokenizer.hpp"

namespace {

struct dot : bert::architecture_of<bert::dims{
                 .vocab = 400, .hidden = 32, .layers = 1, .heads = 2, .intermediate = 48, .positions = 16}> {};
using embedding = bert::heads::embedding<bert::pooling::mean>;
using bi_encoder = bert::model<dot, embedding>;

/// Texts of words of six topics; two of one topic are similar, though no word is in both.
std::string made_up_pairs(std::uint64_t seed, int count, bool scored) {
  bert::random_stream random(seed, bert::draw::user);
  std::string file;
  for (int i = 0; i < count; ++i) {
    const std::uint32_t left = random.below(6), right = scored ? random.below(6) : left;
    const auto text = [&](std::uint32_t topic, std::uint32_t half) {
      std::string words;
      for (int w = 0; w < 4; ++w)
        words += (w == 0 ? "" : " ") + std::string("w") + std::to_string(topic * 12 + half * 6 + random.below(6));
      return words;
    };
    file += text(left, 0) + '\t' + text(right, 1);
    if (scored) file += left == right ? "\t5" : (left + 1) % 6 == right ? "\t2" : "\t0";
    file += '\n';
  }
  return file;
}

const toy::tokenizer tokenizer(400);

}  // namespace

TEST_CASE("an evaluation is Spearman and Pearson of the cosines of a session's vectors") {
  const support::temporary_file file(made_up_pairs(1, 60, true));
  const auto dev = bert::data::scored_pairs(file.path(), tokenizer, {.score_range = 5, .max_tokens = 16});
  const auto m = bi_encoder::random({.stddev = 0.2f, .seed = 3});
  const auto report = bert::evaluate(m, dev.batches(16, {.order = bert::data::order::sequential}));
  REQUIRE(report.total() == 60);
  const auto frozen = bert::freeze(m);
  auto run = frozen.session({.sequences = 2, .tokens = 32});
  std::vector<double> scores, cosines;
  for (std::size_t i = 0; i < 60; ++i) {
    bert::token_batch pair;
    pair.add(dev.text(i, 0));
    pair.add(dev.text(i, 1));
    const auto y = run(pair);
    double sum = 0;
    for (std::size_t h = 0; h < 32; ++h) sum += static_cast<double>(y(0, h)) * static_cast<double>(y(1, h));
    cosines.push_back(sum);
    scores.push_back(static_cast<double>(dev.score(i)));
  }
  CHECK(report.spearman() == doctest::Approx(bert::metrics::spearman(scores, cosines)).epsilon(1e-6));
  CHECK(report.pearson() == doctest::Approx(bert::metrics::pearson(scores, cosines)).epsilon(1e-6));
  const auto shuffled = bert::evaluate<bert::precision::f32>(m, dev.batches(7), bert::execution::threads{2});
  CHECK(shuffled.spearman() == doctest::Approx(report.spearman()).epsilon(1e-9));
}

TEST_CASE("scored pairs and plain pairs each raise Spearman on other pairs of the same topics") {
  const support::temporary_file train_file(made_up_pairs(1, 600, true)), dev_file(made_up_pairs(2, 200, true)),
      pair_file(made_up_pairs(3, 400, false));
  const bert::data::pair_options scored{.score_range = 5, .max_tokens = 16};
  const auto train = bert::data::scored_pairs(train_file.path(), tokenizer, scored),
             dev = bert::data::scored_pairs(dev_file.path(), tokenizer, scored);
  const auto paired = bert::data::pairs(pair_file.path(), tokenizer, {.max_tokens = 16});
  const auto start = bi_encoder::random({.stddev = 0.1f, .seed = 3});
  const double before = bert::evaluate(start, dev.batches(64)).spearman();
  CHECK(before < 0.3);

  auto by_scores = bi_encoder::random({.stddev = 0.1f, .seed = 3});
  double best = -1;
  bert::fit(by_scores, bert::objectives::cosine_mse{}, train.batches(32),
            {.epochs = 12, .learning_rate = 3e-3f, .dropout = 0, .attention_dropout = 0, .keep_best = [&](const auto& m) {
               const double found = bert::evaluate(m, dev.batches(64)).spearman();
               best = std::max(best, found);
               return found;
             }});
  const double after = bert::evaluate(by_scores, dev.batches(64)).spearman();
  CHECK(after == best);
  CHECK(after > 0.7);
  CHECK(after > before + 0.3);

  auto by_pairs = bi_encoder::random({.stddev = 0.1f, .seed = 3});
  bert::fit(by_pairs, bert::objectives::multiple_negatives{.scale = 20}, paired.distinct_batches(32),
            {.epochs = 12, .learning_rate = 3e-3f, .dropout = 0, .attention_dropout = 0});
  CHECK(bert::evaluate(by_pairs, dev.batches(64)).spearman() > before + 0.2);
}

TEST_CASE("the same text twice with other dropout has a loss that training lowers") {
  const support::temporary_file file(made_up_pairs(5, 128, false));
  const auto texts = bert::data::pairs(file.path(), tokenizer, {.max_tokens = 16});
  auto m = bi_encoder::random({.stddev = 0.1f, .seed = 3});
  const bert::data::twice source(texts.batches(16));
  double first = 0, last = 0;
  bert::fit(m, bert::objectives::multiple_negatives{}, source, {.epochs = 10, .learning_rate = 1e-3f},
            [&](const bert::step_report& step) {
              if (step.index == 1) first = step.loss;
              last = step.loss;
            });
  CHECK(last < first);
}

TEST_CASE("a training step on vectors allocates nothing after the first, loading included") {
  const support::temporary_file scored_file(made_up_pairs(1, 200, true)), pair_file(made_up_pairs(3, 200, false));
  const auto scored = bert::data::scored_pairs(scored_file.path(), tokenizer, {.score_range = 5, .max_tokens = 16}).batches(16);
  const auto pairs = bert::data::pairs(pair_file.path(), tokenizer, {.max_tokens = 16});
  const auto check = [](const auto& objective, const auto& source) {
    auto m = bi_encoder::random({.stddev = 0.1f, .seed = 3});
    bert::trainer t{m,
                    objective,
                    bert::optim::adamw{},
                    bert::schedules::constant{.peak = 1e-3f, .total = 30},
                    bert::training_options{.seed = 3, .dropout = 0.1f},
                    bert::execution::threads{2}};
    std::size_t before = 0;
    for (const auto& step : t.over(source)) {
      if (step.index == 1) before = support::allocations;
      if (step.index == 30) CHECK(support::allocations == before);
    }
  };
  using namespace bert::objectives;  // NOLINT
  check(multiple_negatives{.symmetric = true}, pairs.distinct_batches(16));
  check(cached_multiple_negatives{{.at_once = 5}}, pairs.distinct_batches(16));
  check(matryoshka<multiple_negatives, 16, 32>{}, bert::data::twice(pairs.batches(8)));
  check(cosent{}, scored);
  check(angle{}, scored);
  check(cosine_mse{}, scored);
}

TEST_CASE("a report prints a line for scripts") {
  bert::metrics::similarity_report report;
  report.add(0, 0.1);
  report.add(0.5, 0.2);
  report.add(1, 0.9);
  CHECK(report.line() == "spearman=1.0000 pearson=0.9177");
}
