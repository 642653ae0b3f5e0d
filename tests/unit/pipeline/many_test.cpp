// Pipelines of classifiers of several labels, and their folders.
// Layer: tests.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/heads/classify_many.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/labels/many_of.hpp"
#include "bert/pipeline/decoding_many.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;

namespace {
struct topics : labels::many_of<"routine", "soon", "urgent"> {};
using many_model = model<golden::pocket, heads::classify_many<topics>>;
using open_model = model<open_vocabulary<golden::pocket>, heads::classify_many<labels::dynamic_set>>;

many_model golden_many() {
  const checkpoint files(golden::folder("classifier"));
  return files.load<golden::classifier_model>().with_head<heads::classify_many<topics>>();
}
}  // namespace

TEST_CASE("a text gets the labels whose probability reaches the threshold, likeliest first") {
  const checkpoint files(golden::folder("classifier"));
  const auto m = golden_many();
  const auto tokenizer = files.tokenizer();
  const auto all = pipeline{m, tokenizer, {.thresholds = {0.0f}}}("the film was bad");
  REQUIRE(all.size() == 3);
  const auto frozen = freeze(m);
  const auto batch = tokenizer.encode("the film was bad");
  auto run = frozen.session(batch.shape());
  const auto logits = run(batch);
  for (std::size_t l = 0; l < 3; ++l)
    CHECK(static_cast<double>(all.probabilities[l]) == doctest::Approx(1 / (1 + std::exp(-static_cast<double>(logits(0, l))))));
  float last = 1;
  for (const auto& [label, score, number] : all) {
    CHECK(score <= last);
    CHECK(label == topics::name(number));
    CHECK(score == all.probabilities[static_cast<std::size_t>(number)]);
    last = score;
  }
  std::size_t likely = 0;
  for (const float p : all.probabilities) likely += p >= 0.5f ? 1 : 0;
  CHECK(pipeline{m, tokenizer}("the film was bad").size() == likely);
  const auto only = pipeline{m, tokenizer, {.thresholds = {2.0f, 0.0f, 2.0f}}}("the film was bad");
  REQUIRE(only.size() == 1);
  CHECK(only.labels[0].label == "soon");
  CHECK(has(message_of([&] {
              (void)pipeline{m, tokenizer, {.thresholds = {0.5f, 0.5f}}}("x");
            }),
            "expected no .thresholds, one, or 3, one a label, found 2"));
}

TEST_CASE("a folder of several labels a text says so, opens again, and opens as nothing else") {
  const scratch dir;
  const checkpoint files(golden::folder("classifier"));
  const auto m = golden_many();
  save(dir / "many", m, files.tokenizer());
  const checkpoint again(dir / "many");
  CHECK(again.config().problem_type == "multi_label_classification");
  CHECK(again.config().architectures == std::vector<std::string>{"BertForSequenceClassification"});
  CHECK(again.config().labels == std::vector<std::string>{"routine", "soon", "urgent"});
  const auto loaded = again.load<many_model>();
  CHECK(std::equal(loaded.block().begin(), loaded.block().end(), m.block().begin()));
  const auto open = again.load<open_model>();
  CHECK(open.label_names() == std::vector<std::string>{"routine", "soon", "urgent"});
  const pipeline<open_model> read = pipeline<open_model>::open(dir / "many");
  CHECK(read("the film was bad").probabilities == pipeline{m, files.tokenizer()}("the film was bad").probabilities);
  CHECK(has(
      message_of([&] { (void)again.load<golden::classifier_model>(); }),
      "\"problem_type\": expected single_label_classification, one class of several a text, found multi_label_classification"));
  CHECK(has(message_of([&] { (void)files.load<many_model>(); }),
            "\"problem_type\": expected multi_label_classification, any number of labels a text, found none"));
}

TEST_CASE("a classifier's folder says what it reads, and opens with that reading alone") {
  const scratch dir;
  using mean_model = model<golden::pocket, heads::classify<golden::urgency, heads::reads::mean>>;
  using first_model = model<golden::pocket, heads::classify<golden::urgency, heads::reads::first_token>>;
  const checkpoint files(golden::folder("classifier"));
  const auto m = files.load<golden::classifier_model>();
  save(dir / "pooler", m);
  save(dir / "mean", m.with_head<heads::classify<golden::urgency, heads::reads::mean>>());
  CHECK(checkpoint(dir / "pooler").config().classifier_pooling.empty());
  const checkpoint mean(dir / "mean");
  CHECK(mean.config().classifier_pooling == "mean");
  CHECK(mean.config().architectures == std::vector<std::string>{"BertForSequenceClassification"});
  CHECK(mean.load<mean_model>().values("classifier.weight").size() == 3 * 32);
  CHECK_NOTHROW((void)mean.load<model<golden::pocket>>());
  CHECK(has(message_of([&] { (void)mean.load<golden::classifier_model>(); }),
            "\"classifier_pooling\": expected none, the pooler, found mean"));
  CHECK(has(message_of([&] { (void)mean.load<first_model>(); }), "\"classifier_pooling\": expected cls, found mean"));
  CHECK(has(message_of([&] { (void)files.load<first_model>(); }),
            "\"classifier_pooling\": expected cls, found none, the pooler"));
}
