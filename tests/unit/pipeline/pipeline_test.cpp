// Pipelines: text to candidates, classes and numbers.
// Layer: tests.
#include "bert/pipeline/pipeline.hpp"

#include <doctest/doctest.h>

#include <string>
#include <type_traits>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;

TEST_CASE("a [MASK] gets its likeliest pieces by the session's logits") {
  const checkpoint files(golden::folder("tanh"));
  const auto model = files.load<golden::tanh_model>();
  const auto tokenizer = files.tokenizer();
  const pipeline fill{model, tokenizer, {.top = 3}};
  const auto blanks = fill("the [MASK] sat on the [MASK].");
  REQUIRE(blanks.size() == 2);
  const auto frozen = freeze(model);
  const auto batch = tokenizer.encode("the [MASK] sat on the [MASK].");
  auto run = frozen.session(batch.shape());
  const auto logits = run(batch);
  for (std::size_t i = 0; i < 2; ++i) {
    REQUIRE(blanks[i].size() == 3);
    const auto best = std::max_element(logits[i].begin(), logits[i].end()) - logits[i].begin();
    CHECK(blanks[i][0].id == best);
    CHECK(blanks[i][0].piece == tokenizer.vocabulary().piece(blanks[i][0].id));
    CHECK(blanks[i][0].probability >= blanks[i][1].probability);
    CHECK(blanks[i][0].probability == probabilities(logits[i])[static_cast<std::size_t>(best)]);
  }
  CHECK(has(message_of([&] { (void)fill("no blank"); }), "expected a text with a [MASK], found none"));
}

TEST_CASE("a text gets a class with probabilities that sum to one, with labels of the type or known at run time") {
  const checkpoint files(golden::folder("classifier"));
  const pipeline typed{files.load<golden::classifier_model>(), files.tokenizer()};
  const pipeline open{files.load<model<open_vocabulary<golden::pocket>, heads::classify<labels::dynamic_set>>>(),
                      files.tokenizer()};
  const auto a = typed("the film was bad"), b = open("the film was bad");
  CHECK(a.label == golden::urgency::name(a.number));
  CHECK(a.label == b.label);
  CHECK(a.probabilities == b.probabilities);
  CHECK(a.score == *std::max_element(a.probabilities.begin(), a.probabilities.end()));
  CHECK(a.probabilities[0] + a.probabilities[1] + a.probabilities[2] == doctest::Approx(1.0));
  CHECK(typed("the film", "was bad").probabilities != a.probabilities);
}

TEST_CASE(
    "opened from a folder, a pipeline of every precision answers as one made from the model, whether the labels are typed or "
    "open") {
  const checkpoint files(golden::folder("classifier"));
  using open_model = model<open_vocabulary<golden::pocket>, heads::classify<labels::dynamic_set>>;
  const auto check = [&]<class Model, class P>(std::type_identity<Model>, P) {
    const auto expected = pipeline<Model, P>(files.load<Model>(), files.tokenizer())("the film was bad");
    const auto found = pipeline<Model, P>::open(files.folder(), {}, execution::threads{2})("the film was bad");
    CHECK(found.label == expected.label);
    CHECK(found.label == golden::urgency::name(found.number));
    CHECK(found.probabilities == expected.probabilities);
  };
  check(std::type_identity<golden::classifier_model>{}, precision::f32{});
  check(std::type_identity<golden::classifier_model>{}, precision::int8{});
  check(std::type_identity<open_model>{}, precision::f32{});
  check(std::type_identity<open_model>{}, precision::bf16{});
  CHECK_THROWS_AS((void)(pipeline<golden::classifier_model>::open("/no/such/folder")), error);
}

TEST_CASE("many texts get the results of each alone, on any number of threads") {
  const checkpoint files(golden::folder("classifier"));
  const pipeline classify{files.load<golden::classifier_model>(), files.tokenizer()};
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 200; ++i) texts.push_back(std::string(i, '?') + " the cat");
  const auto all = classify(texts, execution::threads{2});
  REQUIRE(all.size() == 200);
  for (std::size_t i = 0; i < 200; i += 19) CHECK(all[i].probabilities == classify(texts[i]).probabilities);
  CHECK(classify(std::vector<std::string>{}).empty());
  const auto braces = classify({"the cat", "the dog"});  // not the two ends of one text
  REQUIRE(braces.size() == 2);
  CHECK(braces[1].probabilities == classify("the dog").probabilities);
}

TEST_CASE("each of many texts gets results for its own [MASK] tokens") {
  const checkpoint files(golden::folder("tanh"));
  const pipeline fill{files.load<golden::tanh_model>(), files.tokenizer()};
  const std::vector<std::string> texts{"[MASK]", "a [MASK] b [MASK]", "the [MASK]"};
  const auto all = fill(texts);
  REQUIRE(all.size() == 3);
  CHECK(all[1].size() == 2);
  for (std::size_t i = 0; i < 3; ++i) CHECK(all[i].back().front().probability == fill(texts[i]).back().front().probability);
}

TEST_CASE("a regression head returns its output, and a next-sentence head the probability that B follows A") {
  const auto tokenizer = checkpoint(golden::folder("tanh")).tokenizer();
  const auto encoder = checkpoint(golden::folder("tanh")).load<model<golden::tanh>>();
  const pipeline score{encoder.with_head<heads::regress>({.stddev = 0.5f, .seed = 3}), tokenizer};
  CHECK(std::abs(score("the cat")) > 1e-3f);
  const pipeline follows{encoder.with_head<heads::next_sentence>({.stddev = 0.5f, .seed = 3}), tokenizer};
  const float p = follows("the cat", "sat");
  CHECK(p > 0.0f);
  CHECK(p < 1.0f);
}

TEST_CASE("probabilities of extreme logits are finite and sum to one") {
  CHECK(probabilities(std::vector<float>{1e30f, -1e30f}) == std::vector<float>{1, 0});
  CHECK(probabilities(std::vector<float>{-1e30f, -1e30f}) == std::vector<float>{0.5f, 0.5f});
}
