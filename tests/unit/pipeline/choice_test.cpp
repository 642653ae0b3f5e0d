// Pipelines of heads that choose, and their folders.
// Layer: tests.
#include "bert/heads/choice.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/heads/regress.hpp"
#include "bert/pipeline/decoding_choice.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;
using namespace std::string_view_literals;

namespace {
using choice_model = model<golden::pocket, heads::choice>;
using pipeline_type = pipeline<choice_model>;
static_assert(pipeline_type::chooses && !pipeline<golden::classifier_model>::chooses);
static_assert(!std::invocable<const pipeline<golden::classifier_model>&, std::string_view, const std::vector<std::string>&>);
}  // namespace

TEST_CASE("a text and its choices get the choice of the largest score, with probabilities of all") {
  const checkpoint files(golden::folder("classifier"));
  const auto m = files.load<golden::classifier_model>().with_head<heads::choice>({.stddev = 0.5f, .seed = 2});
  const auto tokenizer = files.tokenizer();
  const pipeline choose{m, tokenizer};
  const std::vector<std::string> choices{"it was a good film", "the cat sat", "not very bad, the moon"};
  const auto found = choose("the film was bad", choices);
  REQUIRE(found.probabilities.size() == 3);
  const auto frozen = freeze(m);
  std::vector<float> scores;
  for (const auto& choice : choices) {
    const auto pair = tokenizer.encode("the film was bad", choice);
    auto run = frozen.session(pair.shape());
    scores.push_back(run(pair)(0, 0));
  }
  const auto expected = probabilities(scores);
  for (std::size_t i = 0; i < 3; ++i) CHECK(found.probabilities[i] == doctest::Approx(expected[i]));
  CHECK(found.index == static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin()));
  CHECK(found.score == found.probabilities[found.index]);
  CHECK(choose("the film was bad", {"it was a good film", "the cat sat", "not very bad, the moon"}).probabilities ==
        found.probabilities);
  CHECK(choose("the film was bad", std::array{"it was a good film"sv, "the cat sat"sv}).probabilities.size() == 2);
  CHECK(has(message_of([&] { (void)choose("the film was bad"); }), "a text and two choices or more"));
  CHECK(has(message_of([&] { (void)choose("the film was bad", std::vector<std::string>{}); }), "found no choices"));
  CHECK(has(message_of([&] { (void)choose("the film was bad", std::vector<std::string>{"one"}); }), "two choices or more"));
}

TEST_CASE("a folder of choices is one of BertForMultipleChoice, and opens as nothing else") {
  const scratch dir;
  const checkpoint files(golden::folder("classifier"));
  const auto m = files.load<golden::classifier_model>().with_head<heads::choice>({.stddev = 0.5f, .seed = 2});
  save(dir / "choice", m, files.tokenizer());
  const checkpoint again(dir / "choice");
  CHECK(again.config().architectures == std::vector<std::string>{"BertForMultipleChoice"});
  CHECK(again.config().labels.empty());
  CHECK(again.config().problem_type.empty());
  CHECK(again.load<choice_model>().values("classifier.bias").size() == 1);
  CHECK(pipeline_type::open(dir / "choice")("the film", {"a", "the"}).probabilities ==
        pipeline{m, files.tokenizer()}("the film", {"a", "the"}).probabilities);
  CHECK(has(message_of([&] { (void)again.load<model<golden::pocket, heads::regress>>(); }),
            "\"architectures\": expected BertForSequenceClassification, found BertForMultipleChoice"));
  CHECK(has(message_of([&] { (void)files.load<choice_model>(); }), "expected BertForMultipleChoice"));
}
