// Rerankers of one value and of two classes, and the buffers that they keep from query to query.
// Layer: tests.
#include "bert/pipeline/reranking_session.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/regress.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "support/allocations.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"

using namespace bert;

namespace {
struct relevance : labels::one_of<"no", "yes"> {};
using open_classes = heads::classify<labels::dynamic_set>;

const std::string query = "the film was bad";
const std::vector<std::string> texts{"it was a good film", "the cat sat", "not very bad, the moon", "the cat sat"};
const checkpoint& files() {
  static const checkpoint all(golden::folder("classifier"));
  return all;
}
template <class Head>
auto random(const random_options& options = {.stddev = 0.5f, .seed = 2}) {
  return files().load<golden::classifier_model>().with_head<Head>(options);
}
}  // namespace

TEST_CASE("a classifier of two classes ranks by the logit of its second, whatever is known of its labels") {
  const auto known = random<heads::classify<relevance>>();
  const pipeline rerank{known, files().tokenizer()};
  const auto found = rerank(query, texts);
  REQUIRE(found.size() == 4);
  for (std::size_t i = 1; i < 4; ++i) CHECK(found[i - 1].score >= found[i].score);
  CHECK(found.front().score > found.back().score);
  for (const auto& [index, score] : found) {
    const auto p = rerank(query, texts[index]).probabilities;
    CHECK(std::abs(score - std::log(p[1] / p[0])) < 1e-4f * (1 + std::abs(score)));
  }
  const auto open = random<open_classes>({.stddev = 0.5f, .seed = 2, .labels = {"no", "yes"}});
  const auto by_open = pipeline{open, files().tokenizer()}(query, texts);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(by_open[i].index == found[i].index);
    CHECK(by_open[i].score == found[i].score);
  }
}

TEST_CASE("a classifier of other than two classes is refused, with the number of its classes") {
  const auto three = random<open_classes>({.labels = {"a", "b", "c"}});
  const pipeline rerank{three, files().tokenizer()};
  CHECK_THROWS_WITH_AS((void)rerank(query, texts), doctest::Contains("3 classes"), error);
  using three_known = heads::classify<labels::one_of<"a", "b", "c">>;
  static_assert(!pipelines::orders_texts<three_known>);
  static_assert(pipelines::orders_texts<heads::classify<relevance>> && pipelines::orders_texts<heads::regress>);
}

TEST_CASE("a session gives the scores of the pipeline, and allocates nothing in calls as large as one before") {
  const auto check = [](const auto& m, const auto& executor) {
    const pipeline rerank{m, files().tokenizer()};
    // More tokens than are run at once, so that there are several batches.
    std::vector<std::string> many;
    for (std::size_t i = 0; i < 400; ++i) many.push_back(texts[i % 4] + (i % 3 == 0 ? " the moon" : ""));
    auto order = rerank.session(executor);
    const auto expected = rerank(query, many), few = rerank(query, texts);
    const auto same = [](std::span<const ranked> a, const std::vector<ranked>& b) {
      bool all = a.size() == b.size();
      for (std::size_t i = 0; all && i < b.size(); ++i) all = a[i].index == b[i].index && a[i].score == b[i].score;
      return all;
    };
    CHECK(same(order(query, many), expected));
    const std::size_t before = support::allocations;
    bool right = true;
    for (int i = 0; i < 5; ++i) right = same(order(query, many), expected) && same(order(query, texts), few) && right;
    const std::size_t after = support::allocations;
    CHECK(right);
    if (support::counts_allocations) CHECK(after == before);
    CHECK(order(query, std::vector<std::string>{}).empty());
  };
  check(random<heads::regress>(), execution::serial{});
  check(random<heads::regress>(), execution::threads{2});
  check(random<heads::classify<relevance>>(), execution::serial{});
}

TEST_CASE("a session grows with its calls, outlives its pipeline and can be moved") {
  auto order = pipeline{random<heads::regress>(), files().tokenizer()}.session();
  const auto one = pipeline{random<heads::regress>(), files().tokenizer()};
  const std::vector<std::string> first{texts[1]};
  CHECK(order(query, first).front().score == one(query, first).front().score);
  auto moved = std::move(order);
  const auto found = moved(query, texts);
  const auto expected = one(query, texts);
  REQUIRE(found.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(found[i].score == expected[i].score);
}
