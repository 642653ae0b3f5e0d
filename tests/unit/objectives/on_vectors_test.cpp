// The losses on sentence vectors: values and gradients against PyTorch, and what each promises.
// Layer: tests. Of: include/bert/objectives/{on_vectors,multiple_negatives,cosent,cosine_mse,triplet,matryoshka}.hpp
#include "bert/objectives/on_vectors.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/objectives/cosent.hpp"
#include "bert/objectives/cosine_mse.hpp"
#include "bert/objectives/matryoshka.hpp"
#include "bert/objectives/multiple_negatives.hpp"
#include "bert/objectives/triplet.hpp"
#include "support/golden.hpp"
#include "support/slopes.hpp"

namespace {

using namespace bert::objectives;  // NOLINT

/// Groups of these sizes, each sequence of other tokens.
bert::training_batch groups_of(const std::vector<std::size_t>& sizes, const std::vector<float>& values = {}) {
  bert::training_batch batch;
  batch.groups.push_back(0);
  for (std::size_t g = 0; g < sizes.size(); ++g) {
    for (std::size_t s = 0; s < sizes[g]; ++s) {
      batch.tokens.add(support::ids(batch.tokens.sequences(), 3 + batch.tokens.sequences() % 5));
      if (!values.empty()) batch.values.push_back(values[g]);
    }
    batch.groups.push_back(batch.tokens.sequences());
  }
  return batch;
}

const std::vector<std::size_t> mixed{2, 3, 4, 2, 3, 4}, pairs(7, 2), threes{3, 4, 3, 3};

const bert::io::safetensors& golden_file() {
  static const bert::io::safetensors file(golden::folder("embedding") / "losses.safetensors");
  return file;
}

struct scored {
  loss_terms terms;
  std::vector<float> gradient;
};

template <class Loss, bert::executor E = bert::execution::serial>
scored score(const Loss& loss, const bert::training_batch& batch, std::vector<float> y, const loss_scale& scale = 1.0f,
             const E& e = {}) {
  // A capacity beyond the batch, as a source's is.
  typename Loss::work work(loss, {.sequences = batch.tokens.sequences() + 3, .tokens = 4 * batch.tokens.tokens()});
  (void)loss.prepare(batch, 0, work);
  const bert::matrix<float> m{y.data(), batch.tokens.sequences(), y.size() / batch.tokens.sequences()};
  const auto terms = loss.score_vectors(e, batch, work, m, scale);
  return {terms, std::move(y)};
}

/// The largest difference of loss and gradient from PyTorch's, each over the largest of its kind.
template <class Loss>
double distance(const Loss& loss, const bert::training_batch& batch, const std::string& input, const std::string& name) {
  const auto found = score(loss, batch, golden::floats(golden_file(), input));
  const auto d = golden::floats(golden_file(), name + ".d");
  const double expected = static_cast<double>(golden::floats(golden_file(), name + ".loss")[0]);
  return std::max(golden::largest_difference(found.gradient, d) / support::largest_magnitude(d),
                  std::abs(found.terms.loss() - expected) / std::abs(expected));
}

std::vector<float> values_of(const std::vector<std::size_t>&) { return golden::floats(golden_file(), "values"); }

}  // namespace

TEST_CASE("each loss and its gradient are within 3e-6 of PyTorch's in double") {
  const auto contrastive = groups_of(mixed), triples = groups_of(threes), scored_pairs = groups_of(pairs, values_of(pairs));
  CHECK(distance(multiple_negatives{}, contrastive, "x", "multiple_negatives") < 3e-6);
  CHECK(distance(multiple_negatives{.scale = 5, .symmetric = true}, contrastive, "x", "symmetric") < 3e-6);
  CHECK(distance(matryoshka<multiple_negatives, 20, 8, 4>{}, contrastive, "x", "matryoshka") < 3e-6);
  CHECK(distance(matryoshka<triplet, 10, 20>{{.margin = 0.5f}}, triples, "threes", "matryoshka_triplet") < 3e-6);
  CHECK(distance(cosent{}, scored_pairs, "pairs", "cosent") < 3e-6);
  CHECK(distance(angle{}, scored_pairs, "pairs", "angle") < 3e-6);
  CHECK(distance(cosine_mse{}, scored_pairs, "pairs", "cosine_mse") < 3e-6);
  CHECK(distance(triplet{}, triples, "threes", "triplet") < 3e-6);
  CHECK(distance(triplet{.margin = 0.1f, .distance = vector_distance::cosine}, triples, "threes", "triplet_cosine") < 3e-6);
}

TEST_CASE("losses and gradients have the same bits on any number of threads") {
  const auto batch = groups_of(std::vector<std::size_t>(40, 3), std::vector<float>(40, 0.5f));
  std::vector<float> y(batch.tokens.sequences() * 96);
  bert::random_stream random(3, bert::draw::user);
  for (float& x : y) x = random.normal();
  const auto check = [&](const auto& loss) {
    const auto alone = score(loss, batch, y);
    for (const std::size_t n : {2u, 3u}) {
      const auto threaded = score(loss, batch, y, 1.0f, bert::execution::threads{n});
      CHECK(threaded.gradient == alone.gradient);
      CHECK(threaded.terms.loss() == alone.terms.loss());
    }
  };
  check(multiple_negatives{.symmetric = true});
  check(triplet{});
  check(triplet{.margin = 1, .distance = vector_distance::cosine});
  check(matryoshka<multiple_negatives, 96, 33>{});
}

TEST_CASE("a text that is the anchor or the positive of another is not its negative") {
  auto batch = groups_of({2, 2, 2, 3});
  std::vector<float> y(9 * 8);
  bert::random_stream random(5, bert::draw::user);
  for (float& x : y) x = random.normal();
  // The last negative becomes the first positive's text: the first anchor no longer sees it, the others do.
  bert::training_batch repeated;
  for (std::size_t s = 0; s < 9; ++s) repeated.tokens.add(batch.tokens[s == 8 ? 1 : s]);
  repeated.groups = batch.groups;
  const auto without = score(multiple_negatives{}, batch, y), with = score(multiple_negatives{}, repeated, y);
  const auto loss_of = [&](std::size_t anchor, bool excluded) {
    const auto cosine = [&](std::size_t a, std::size_t b) {
      double ab = 0, aa = 0, bb = 0;
      for (std::size_t i = 0; i < 8; ++i) {
        const double p = static_cast<double>(y[a * 8 + i]), q = static_cast<double>(y[b * 8 + i]);
        ab += p * q, aa += p * p, bb += q * q;
      }
      return ab / std::sqrt(aa * bb);
    };
    double sum = 0;
    for (const std::size_t c : {1u, 3u, 5u, 7u, 8u})
      if (!(excluded && c == 8)) sum += std::exp(20 * cosine(anchor, c));
    return std::log(sum) - 20 * cosine(anchor, anchor + 1);
  };
  double all = 0, fewer = 0;
  for (const std::size_t a : {0u, 2u, 4u, 6u}) {
    all += loss_of(a, false) / 4;
    fewer += loss_of(a, a == 0) / 4;
  }
  CHECK(without.terms.loss() == doctest::Approx(all).epsilon(1e-5));
  CHECK(with.terms.loss() == doctest::Approx(fewer).epsilon(1e-5));
  CHECK(all - fewer > 1e-4);

  // Four times one pair: nothing is left but the positive.
  bert::training_batch same;
  for (std::size_t s = 0; s < 8; ++s) same.tokens.add(batch.tokens[s % 2]);
  same.groups = {0, 2, 4, 6, 8};
  y.resize(8 * 8);
  for (const bool symmetric : {false, true}) {
    const auto none = score(multiple_negatives{.symmetric = symmetric}, same, y);
    CHECK(std::abs(none.terms.loss()) < 1e-6);
    CHECK(support::largest_magnitude(none.gradient) < 1e-6);
  }
}

TEST_CASE("equal anchors are no negatives of each other's positives") {
  bert::training_batch batch;
  for (const std::size_t text : {1u, 2u, 1u, 3u}) batch.tokens.add(support::ids(text, 4));
  batch.groups = {0, 2, 4};
  std::vector<float> y(4 * 8);
  bert::random_stream random(6, bert::draw::user);
  for (float& x : y) x = random.normal();
  CHECK(std::abs(score(multiple_negatives{}, batch, y).terms.loss()) < 1e-6);
}

TEST_CASE("gradients are shares of a mean over a whole step") {
  const auto batch = groups_of(mixed);
  const auto y = golden::floats(golden_file(), "x");
  loss_terms step;
  step.add({.name = "loss", .count = 24});  // four times this batch
  const auto alone = score(multiple_negatives{}, batch, y), part = score(multiple_negatives{}, batch, y, loss_scale(step));
  support::largest worst;
  for (std::size_t i = 0; i < y.size(); ++i)
    worst.add(std::abs(static_cast<double>(alone.gradient[i]) / 4 - static_cast<double>(part.gradient[i])));
  CHECK(worst.value() < 1e-6);
  CHECK(alone.terms["loss"].count == 6);
  CHECK(multiple_negatives::count(batch) == 6);
  CHECK(triplet::count(groups_of(threes)) == 5);
  CHECK(cosine_mse::count(groups_of(pairs)) == 7);
  CHECK(cosent::count(groups_of(pairs)) == 1);
}

TEST_CASE("an order that is far wrong neither overflows nor loses its gradient") {
  auto batch = groups_of(std::vector<std::size_t>(2, 2), {1.0f, 0.0f});
  // The similar pair is opposite, the other equal.
  std::vector<float> y{1, 0.1f, -1, 0.1f, 1, 0.2f, 1, 0.1f};
  const auto found = score(cosent{.scale = 1000}, batch, y);
  CHECK(std::isfinite(found.terms.loss()));
  CHECK(found.terms.loss() > 1000);
  CHECK(support::largest_magnitude(found.gradient) > 1);
}

TEST_CASE("the facts of a loss are what changes it") {
  CHECK(multiple_negatives{}.fingerprint() != multiple_negatives{.scale = 10}.fingerprint());
  CHECK(multiple_negatives{}.fingerprint() != multiple_negatives{.symmetric = true}.fingerprint());
  CHECK(cosent{}.fingerprint() != cosent{.scale = 10}.fingerprint());
  CHECK(triplet{}.fingerprint() != triplet{.margin = 1}.fingerprint());
  CHECK(triplet{}.fingerprint() != triplet{.distance = vector_distance::cosine}.fingerprint());
  const auto facts = matryoshka<multiple_negatives, 20, 8>{}.fingerprint();
  CHECK(facts.back() == std::pair<std::string, std::string>("dimensions", "20 8"));
  CHECK(facts.size() == 3);
}

TEST_CASE("groups and values that a loss needs are asked for by example") {
  const auto refused = [](const auto& loss, const bert::training_batch& batch) {
    typename std::remove_cvref_t<decltype(loss)>::work work(loss, batch.tokens.shape());
    try {
      (void)loss.prepare(batch, 0, work);
    } catch (const bert::error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(refused(multiple_negatives{}, groups_of({2, 1})).find("example 1") != std::string::npos);
  CHECK(refused(triplet{}, groups_of({3, 2})).find("3 sequences or more") != std::string::npos);
  CHECK(refused(cosent{}, groups_of({2, 3}, {1, 1})).find("expected 2 sequences, found 3") != std::string::npos);
  CHECK(refused(cosine_mse{}, groups_of({2, 2})).find("4 values, one a sequence") != std::string::npos);
  bert::training_batch plain;
  plain.tokens.add(support::ids(1, 3));
  CHECK(refused(multiple_negatives{}, plain).find("example 0") != std::string::npos);
  std::vector<float> odd(4 * 5, 1.0f);
  CHECK_THROWS_WITH_AS((void)score(angle{}, groups_of({2, 2}, {0, 1}), odd), doctest::Contains("even dimension"), bert::error);
  const matryoshka<multiple_negatives, 6> wide{};
  CHECK_THROWS_WITH_AS((void)score(wide, groups_of({2, 2}), odd), doctest::Contains("at most 5"), bert::error);
}

TEST_CASE("the gradients of a model with an embedding head are the slopes of its loss, for each pooling") {
  const auto check = [](auto head, const auto& loss, const bert::training_batch& batch) {
    using model_type = bert::model<support::pocket, decltype(head)>;
    auto m = model_type::random({.stddev = 0.2f, .seed = 1});
    typename std::remove_cvref_t<decltype(loss)>::work work(loss, batch.tokens.shape());
    bert::tape<model_type> tape(batch.tokens.shape(), m.sizes());
    const auto value = [&] {
      tape.forward(bert::execution::serial{}, m, loss.prepare(batch, 1, work));
      return loss.score(bert::execution::serial{}, batch, work, tape, 1.0f).loss();
    };
    value();
    bert::buffer<float> gradients(m.block().size());
    tape.backward(bert::execution::serial{}, m, batch.tokens, gradients.data());
    return support::slope_error(m, gradients.data(), value);
  };
  const auto scored_pairs = groups_of(pairs, values_of(pairs));
  CHECK(check(bert::heads::embedding<bert::pooling::mean>{}, multiple_negatives{.scale = 5}, groups_of(mixed)) < 0.03);
  CHECK(check(bert::heads::embedding<bert::pooling::cls>{}, cosine_mse{}, scored_pairs) < 0.03);
  CHECK(check(bert::heads::embedding<bert::pooling::max, bert::heads::as_pooled>{}, cosent{.scale = 5}, scored_pairs) < 0.05);
  CHECK(check(bert::heads::embedding<bert::pooling::mean, bert::heads::as_pooled>{}, triplet{.margin = 2}, groups_of(threes)) <
        0.03);
}
