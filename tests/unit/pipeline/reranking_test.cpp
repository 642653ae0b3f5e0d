// Pipelines that rank texts for a query.
// Layer: tests.
#include "bert/pipeline/reranking.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/heads/regress.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;

namespace {
using reranker = model<golden::pocket, heads::regress>;

/// A range whose texts are gone after each look.
struct copies_of {
  const std::vector<std::string>& texts;
  struct iterator {
    using value_type = std::string;
    using difference_type = std::ptrdiff_t;
    std::vector<std::string>::const_iterator at;
    std::string operator*() const { return *at; }
    iterator& operator++() {
      ++at;
      return *this;
    }
    iterator operator++(int) { return {at++}; }
    bool operator==(const iterator&) const = default;
  };
  [[nodiscard]] iterator begin() const { return {texts.begin()}; }
  [[nodiscard]] iterator end() const { return {texts.end()}; }
};
const std::string query = "the film was bad";
const std::vector<std::string> texts{"it was a good film", "the cat sat", "not very bad, the moon", "the cat sat"};
}  // namespace

TEST_CASE("texts are ranked by the scores of their pairs with the query, equal ones in their order") {
  const checkpoint files(golden::folder("classifier"));
  const auto m = files.load<golden::classifier_model>().with_head<heads::regress>({.stddev = 0.5f, .seed = 2});
  const auto tokenizer = files.tokenizer();
  const pipeline rerank{m, tokenizer};
  const auto found = rerank(query, texts);
  REQUIRE(found.size() == 4);
  std::vector<bool> seen(4);
  for (const auto& [index, score] : found) {
    CHECK(score == rerank(query, texts[index]));
    seen[index] = true;
  }
  CHECK(std::count(seen.begin(), seen.end(), true) == 4);
  for (std::size_t i = 1; i < 4; ++i) CHECK(found[i - 1].score >= found[i].score);
  CHECK(found.front().score > found.back().score);
  const auto place = [&](std::size_t index) {
    return std::find_if(found.begin(), found.end(), [&](const ranked& r) { return r.index == index; });
  };
  CHECK(place(1) + 1 == place(3));  // the same text
  const auto on_threads = rerank(query, texts, execution::threads{2});
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(on_threads[i].index == found[i].index);
    CHECK(on_threads[i].score == found[i].score);
  }
  CHECK(rerank(query, std::vector<std::string_view>{}).empty());
  CHECK(rerank(query, copies_of{texts}).front().index == found.front().index);
}

TEST_CASE("ranking_of sorts downward and keeps the order of equal scores") {
  const std::vector<float> scores{1, 3, 2, 3};
  const auto found = ranking_of(scores);
  const std::vector<std::size_t> expected{1, 3, 2, 0};
  for (std::size_t i = 0; i < 4; ++i) CHECK(found[i].index == expected[i]);
  CHECK(ranking_of({}).empty());
}

TEST_CASE("a folder's reranker answers as the model does") {
  const scratch dir;
  const checkpoint files(golden::folder("classifier"));
  const auto m = files.load<golden::classifier_model>().with_head<heads::regress>({.stddev = 0.5f, .seed = 2});
  save(dir / "reranker", m, files.tokenizer(), {.task = "rerank"});
  CHECK(checkpoint(dir / "reranker").config().decoding.task == "rerank");
  const auto opened = pipeline<reranker>::open(dir / "reranker")(query, texts);
  const auto made = pipeline{m, files.tokenizer()}(query, texts);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(opened[i].index == made[i].index);
    CHECK(opened[i].score == made[i].score);
  }
}
