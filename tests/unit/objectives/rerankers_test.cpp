// The losses of rerankers: values and gradients against PyTorch, and what each asks of a batch.
// Layer: tests. Of: include/bert/objectives/{binary_cross_entropy,margin_mse,list_softmax}.hpp
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/objectives/binary_cross_entropy.hpp"
#include "bert/objectives/list_softmax.hpp"
#include "bert/objectives/margin_mse.hpp"
#include "bert/objectives/on.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/golden.hpp"

namespace {

using namespace bert::objectives;  // NOLINT

bert::training_batch groups_of(const std::vector<std::size_t>& sizes, std::vector<float> values) {
  bert::training_batch batch;
  batch.groups.push_back(0);
  for (const std::size_t size : sizes) {
    for (std::size_t s = 0; s < size; ++s) batch.tokens.add(support::ids(batch.tokens.sequences(), 4));
    batch.groups.push_back(batch.tokens.sequences());
  }
  batch.values = std::move(values);
  return batch;
}

/// The terms of outputs z [S, 1], which become their gradient.
template <class Loss>
loss_terms scored(const bert::training_batch& batch, std::vector<float>& z) {
  const bert::matrix<float> rows{z.data(), z.size(), 1};
  if constexpr (requires { Loss::score_logits(batch, rows, 1.0f); }) {
    return Loss::score_logits(batch, rows, 1.0f);
  } else {
    typename Loss::work work(Loss{}, batch.tokens.shape());
    return Loss{}.score_rows(bert::execution::serial{}, batch, work, rows, 1.0f);
  }
}

template <class Loss>
double distance(const std::string& name) {
  static const bert::io::safetensors file(golden::folder("embedding") / "losses.safetensors");
  const auto batch = groups_of({2, 3, 4, 2, 3, 4}, golden::floats(file, "relevance"));
  auto z = golden::floats(file, "z");
  const auto terms = scored<Loss>(batch, z);
  const double expected = static_cast<double>(golden::floats(file, name + ".loss")[0]);
  const auto d = golden::floats(file, name + ".d");
  return std::max(golden::largest_difference(z, d) / support::largest_magnitude(d),
                  std::abs(terms.loss() - expected) / expected);
}

using reranker = bert::model<support::pocket, bert::heads::regress>;

/// A query's documents: the relevant one begins with an even id.
struct documents : support::made_up_source {
  using targets = bert::target_list<bert::target::group, bert::target::value>;
  documents() : made_up_source{.sequences = 12} {}
  void load(std::uint64_t step, bert::training_batch& out) const {
    made_up_source::load(step, out);
    out.labels.clear();
    for (std::size_t s = 0; s < 12; ++s) {
      auto& id = out.tokens.ids()[out.tokens.starts()[s]];
      id = 10 + 2 * (id % 20) + (s % 3 == 0 ? 0 : 1);
      out.values.push_back(s % 3 == 0 ? 1.0f : 0.0f);
    }
    out.groups = {0, 3, 6, 9, 12};
  }
};

}  // namespace

TEST_CASE("each loss and its gradient are within 1e-6 of PyTorch's in double") {
  CHECK(distance<binary_cross_entropy>("binary_cross_entropy") < 1e-6);
  CHECK(distance<margin_mse>("margin_mse") < 1e-6);
  CHECK(distance<list_softmax>("list_softmax") < 1e-6);
}

TEST_CASE("pairs and lists are right where their order is") {
  std::vector<float> z{1, 0, 2, 3, 1};
  const auto batch = groups_of({3, 2}, {1, 0, 0, 1, 0});
  CHECK(margin_mse::score_logits(batch, {z.data(), 5, 1}, 1.0f)["loss"].correct == 2);
  z = {1, 0, 2, 3, 1};
  CHECK(list_softmax::score_logits(batch, {z.data(), 5, 1}, 1.0f)["loss"].correct == 1);
}

TEST_CASE("large outputs neither overflow nor lose the loss") {
  std::vector<float> z{1e4f, -1e4f};
  const auto terms = scored<binary_cross_entropy>(groups_of({1, 1}, {0, 0}), z);
  CHECK(terms["loss"].sum == doctest::Approx(1e4));
  CHECK(z[0] == doctest::Approx(0.5));
  CHECK(std::abs(z[1]) < 1e-30f);
  std::vector<float> far{1e4f, -1e4f};
  const auto list = list_softmax::score_logits(groups_of({2}, {0, 0}), {far.data(), 2, 1}, 1.0f);
  CHECK(list.loss() == doctest::Approx(1e4));
}

TEST_CASE("a reranker learns which document is relevant by each of the losses") {
  const documents source;
  const auto learns = [&](const auto& loss) {
    auto m = reranker::random({.stddev = 0.1f, .seed = 4});
    bert::fit(m, loss, source, {.epochs = 40, .learning_rate = 2e-3f, .dropout = 0, .attention_dropout = 0});
    return bert::measure(m, list_softmax{}, source)["loss"].accuracy();
  };
  CHECK(learns(binary_cross_entropy{}) > 0.9);
  CHECK(learns(margin_mse{}) > 0.9);
  CHECK(learns(list_softmax{}) > 0.9);
  CHECK(learns(on<bert::heads::regress>(margin_mse{})) > 0.9);
  CHECK(learns(on<bert::heads::regress>(list_softmax{})) > 0.9);
}

TEST_CASE("values out of range, missing values and groups of one are refused") {
  std::vector<float> z(2);
  CHECK_THROWS_WITH_AS((void)scored<binary_cross_entropy>(groups_of({1, 1}, {0, 2}), z), doctest::Contains("0 to 1"),
                       bert::error);
  margin_mse::work work({}, {.sequences = 4, .tokens = 40});
  CHECK_THROWS_WITH_AS((void)margin_mse::prepare(groups_of({2, 1}, {1, 0, 1}), 0, work), doctest::Contains("example 1"),
                       bert::error);
  CHECK_THROWS_WITH_AS((void)list_softmax::prepare(groups_of({2}, {1}), 0, work), doctest::Contains("2 values"), bert::error);
}
