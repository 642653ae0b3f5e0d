#include "bert/objectives/class_loss.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "bert/objectives/cross_entropy.hpp"
#include "bert/objectives/tag_cross_entropy.hpp"
#include "support/golden.hpp"
#include "support/small_models.hpp"

namespace {
using namespace bert::objectives;
const bert::execution::serial serial;

struct golden_case {
  const char* name;
  float smoothing;
  bool weighted;
  float gamma;
};
constexpr golden_case cases[] = {{"plain", 0, false, 0},   {"smoothed", 0.1f, false, 0}, {"weighted", 0, true, 0},
                                 {"both", 0.2f, true, 0},  {"focal", 0, false, 2.0f},    {"focal_half", 0, true, 0.5f},
                                 {"all", 0.1f, true, 1.5f}};
constexpr std::size_t rows = 7, classes = 19;

/// One token a sequence, so that labels and tags are the same.
bert::training_batch batch_of(const std::vector<std::int32_t>& targets) {
  bert::training_batch batch;
  for (std::size_t s = 0; s < targets.size(); ++s) batch.tokens.add(support::ids(s, 1));
  batch.labels = batch.tags = targets;
  return batch;
}

struct scored {
  loss_terms terms;
  std::vector<float> gradient;
};
template <class O>
scored score(const O& o, const bert::training_batch& batch, std::vector<float> logits, const loss_scale& scale = 1.0f) {
  typename O::work work(o, batch.tokens.shape());
  const std::size_t n = batch.tokens.sequences();
  const loss_terms terms = o.score_rows(serial, batch, work, bert::matrix<float>{logits.data(), n, logits.size() / n}, scale);
  return {terms, std::move(logits)};
}
template <class O>
void check_golden() {
  const bert::io::safetensors file(golden::folder("losses") / "golden.safetensors");
  const auto logits = golden::floats(file, "logits"), weights = golden::floats(file, "weights");
  const auto batch = batch_of(golden::integers<std::int32_t>(file, "targets"));
  for (const auto& [name, smoothing, weighted, gamma] : cases) {
    const std::string title(name);  // clang 14 captures no structured binding
    CAPTURE(title);
    const O o{.label_smoothing = smoothing, .class_weights = weighted ? weights : std::vector<float>{}, .gamma = gamma};
    const auto found = score(o, batch, logits);
    const auto rows_lost = golden::floats(file, std::string(name) + ".row");
    double sum = 0;
    for (std::size_t i = 0; i < rows; ++i) sum += batch.labels[i] < 0 ? 0 : static_cast<double>(rows_lost[i]);
    CHECK(found.terms["loss"].sum == doctest::Approx(sum).epsilon(1e-6));
    CHECK(found.terms.loss() ==
          doctest::Approx(static_cast<double>(golden::floats(file, std::string(name) + ".loss")[0])).epsilon(1e-6));
    CHECK(golden::relative_difference(found.gradient, golden::floats(file, std::string(name) + ".grad")) < 1e-6);
    CHECK(found.terms["loss"].count == 6);
    CHECK((found.terms["loss"].weight >= 0) == weighted);
  }
}
}  // namespace

TEST_CASE("a classifier's loss and gradient with every option are PyTorch's") { check_golden<cross_entropy>(); }
TEST_CASE("a tagger's loss and gradient with every option are PyTorch's") { check_golden<tag_cross_entropy>(); }

TEST_CASE("without options the loss and the gradient are those of the plain cross-entropy, bit for bit") {
  const bert::io::safetensors file(golden::folder("losses") / "golden.safetensors");
  auto logits = golden::floats(file, "logits");
  const auto batch = batch_of(golden::integers<std::int32_t>(file, "targets"));
  const auto found = score(cross_entropy{}, batch, logits, 0.3f);
  prediction_buffers room(rows);
  const auto term =
      mean_cross_entropy(serial, "loss", bert::matrix<float>{logits.data(), rows, classes}, batch.labels, 0.3f, room);
  CHECK(found.gradient == logits);
  CHECK(found.terms["loss"].sum == term.sum);
  CHECK(found.terms["loss"].correct == term.correct);
  CHECK(found.terms["loss"].weight < 0);
}

TEST_CASE("over accumulated batches the mean is over the weights of all their labels") {
  const bert::io::safetensors file(golden::folder("losses") / "golden.safetensors");
  const auto logits = golden::floats(file, "logits");
  const auto targets = golden::integers<std::int32_t>(file, "targets");
  const cross_entropy o{.label_smoothing = 0.2f, .class_weights = golden::floats(file, "weights")};
  const auto whole = score(o, batch_of(targets), logits);
  const auto first = batch_of({targets.begin(), targets.begin() + 2}), rest = batch_of({targets.begin() + 2, targets.end()});
  const auto cut = logits.begin() + 2 * static_cast<std::ptrdiff_t>(classes);
  cross_entropy::work work(o, rest.tokens.shape());
  loss_terms step = o.counts(first, work);
  step += o.counts(rest, work);
  CHECK(step["loss"].weight == doctest::Approx(whole.terms["loss"].weight));
  auto a = score(o, first, {logits.begin(), cut}, loss_scale(step)), b = score(o, rest, {cut, logits.end()}, loss_scale(step));
  a.gradient.insert(a.gradient.end(), b.gradient.begin(), b.gradient.end());
  CHECK(golden::relative_difference(a.gradient, whole.gradient) < 1e-6);
  a.terms += b.terms;
  CHECK(a.terms.loss() == doctest::Approx(whole.terms.loss()).epsilon(1e-6));
  CHECK(a.terms["loss"].count == 6);
}

TEST_CASE("a batch whose labels all weigh nothing has no gradient and a loss of 0") {
  const auto found = score(cross_entropy{.class_weights = {0.0f, 1.0f}}, batch_of({0, 0}), {1, 2, 3, 4});
  CHECK(found.gradient == std::vector<float>(4, 0.0f));
  CHECK(found.terms.loss() == 0);
  CHECK(found.terms["loss"].count == 2);
}

TEST_CASE("options out of range, and another number of weights than of classes, are errors") {
  const auto batch = batch_of({0, 1});
  const auto told = [&](const cross_entropy& o, const char* what) {
    CHECK_THROWS_WITH_AS((void)score(o, batch, {1, 2, 3, 4}), doctest::Contains(what), bert::error);
  };
  told({.label_smoothing = 1.0f}, ".label_smoothing from 0 to below 1");
  told({.label_smoothing = -0.1f}, ".label_smoothing from 0 to below 1");
  told({.gamma = -1.0f}, ".gamma of 0 or more");
  told({.gamma = std::nanf("")}, ".gamma of 0 or more");
  told({.class_weights = {1.0f, -1.0f}}, "finite and not negative, found -1");
  told({.class_weights = {1.0f, 1.0f, 1.0f}}, "expected 2 .class_weights, one a class, found 3");
  CHECK_THROWS_WITH_AS((void)score(tag_cross_entropy{.gamma = -1.0f}, batch, {1, 2, 3, 4}),
                       doctest::Contains("tag_cross_entropy"), bert::error);
}

TEST_CASE("a state file of a run knows the options of its loss, and nothing of the defaults") {
  CHECK(bert::fingerprint_of(cross_entropy{}).empty());
  CHECK(bert::fingerprint_of(tag_cross_entropy{}).empty());
  const cross_entropy a{.class_weights = {1.0f, 2.0f}}, b{.class_weights = {1.0f, 2.5f}};
  CHECK(bert::fingerprint_of(a) == bert::fingerprint_of(cross_entropy(a)));
  CHECK(bert::fingerprint_of(a) != bert::fingerprint_of(b));
  CHECK(bert::fingerprint_of(cross_entropy{.gamma = 2.0f}) != bert::fingerprint_of(cross_entropy{.gamma = 1.0f}));
}
