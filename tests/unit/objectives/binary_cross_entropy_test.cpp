#include "bert/objectives/binary_cross_entropy.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "bert/heads/regress.hpp"
#include "support/golden.hpp"
#include "support/small_models.hpp"

namespace {
using namespace bert::objectives;

bert::training_batch batch_of(std::size_t sequences, const std::vector<float>& values) {
  bert::training_batch batch;
  for (std::size_t s = 0; s < sequences; ++s) batch.tokens.add(support::ids(s, 2));
  batch.values = values;
  batch.width = values.size() / sequences;
  return batch;
}
loss_terms score(const binary_cross_entropy& o, const bert::training_batch& batch, std::vector<float>& logits,
                 const loss_scale& scale = 1.0f) {
  const std::size_t n = batch.tokens.sequences();
  binary_cross_entropy::work work(o, batch.tokens.shape());
  return o.score_rows(bert::execution::serial{}, batch, work, bert::matrix<float>{logits.data(), n, logits.size() / n}, scale);
}
}  // namespace

TEST_CASE("the loss of several labels and its gradient are PyTorch's, with positive weights and without") {
  const bert::io::safetensors file(golden::folder("losses") / "golden.safetensors");
  const auto batch = batch_of(7, golden::floats(file, "many.targets"));
  for (const std::string name : {"many.plain", "many.weighted"}) {
    CAPTURE(name);
    binary_cross_entropy o;
    if (name == "many.weighted") o.positive_weights = golden::floats(file, "many.weights");
    auto logits = golden::floats(file, "many.logits");
    const auto terms = score(o, batch, logits);
    CHECK(terms["loss"].count == 42);
    CHECK(terms.loss() == doctest::Approx(static_cast<double>(golden::floats(file, name + ".loss")[0])).epsilon(1e-6));
    CHECK(golden::relative_difference(logits, golden::floats(file, name + ".grad")) < 1e-6);
  }
}

TEST_CASE("labels of unknown truth are not counted and have no gradient, and the mean is over a whole step") {
  const auto batch = batch_of(2, {1, -1, 0, -1});
  std::vector<float> logits{0, 5, 0, 5};
  loss_terms step;
  step.add({.name = "loss", .count = 4});
  binary_cross_entropy::work work({}, batch.tokens.shape());
  CHECK(binary_cross_entropy::counts(batch, work)["loss"].count == 2);
  const auto terms = score({}, batch, logits, loss_scale(step));
  CHECK(terms.loss() == doctest::Approx(std::log(2.0)));
  CHECK(terms["loss"].correct == 1);  // a logit of 0 says yes
  CHECK(logits == std::vector<float>{-0.125f, 0, 0.125f, 0});
}

TEST_CASE("a decision is right where the sign of its logit is that of its truth") {
  const auto batch = batch_of(2, {1, 0, 1, 0});
  for (const auto& [logits, right] :
       {std::pair{std::vector<float>{2, -3, 4, -1}, 4u}, {{2, 3, 4, -1}, 3u}, {{-2, 3, -4, 1}, 0u}}) {
    auto z = logits;
    CHECK(score({}, batch, z)["loss"].correct == right);
  }
}

TEST_CASE("the fingerprint tells positive weights, and none of none") {
  CHECK(binary_cross_entropy{}.fingerprint().empty());
  CHECK(binary_cross_entropy{.positive_weights = {1, 2}}.fingerprint() !=
        binary_cross_entropy{.positive_weights = {2, 1}}.fingerprint());
}

TEST_CASE("another number of values or weights than of labels, and values above 1, are errors") {
  std::vector<float> logits{0, 0};
  const auto told = [&](const binary_cross_entropy& o, const std::vector<float>& values, const char* what) {
    CHECK_THROWS_WITH_AS((void)score(o, batch_of(1, values), logits), doctest::Contains(what), bert::error);
  };
  told({}, {1}, "expected 2 values a sequence, one a label, found 1 for 1 sequences");
  told({}, {1, 2}, "values of 0 to 1");
  told({}, {1, std::nanf("")}, "values of 0 to 1");
  told({.positive_weights = {1}}, {1, 0}, "expected 2 .positive_weights, one a label, found 1");
  told({.positive_weights = {1, -1}}, {1, 0}, "finite and not negative, found -1");
}

TEST_CASE("a head of one score a sequence is trained on values from 0 to 1 too") {
  using model_type = bert::model<support::pocket, bert::heads::regress>;
  static_assert(objective_for<binary_cross_entropy, model_type>);
  std::vector<float> logits{0, 0};
  CHECK(score({}, batch_of(2, {0.5f, 1}), logits).loss() == doctest::Approx(std::log(2.0)));
  CHECK(logits == std::vector<float>{0, -0.25f});
}
