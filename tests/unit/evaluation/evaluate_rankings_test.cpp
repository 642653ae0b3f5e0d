#include "bert/evaluation/evaluate_rankings.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bert/data/ranking_set.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/regress.hpp"
#include "bert/objectives/binary_cross_entropy.hpp"
#include "bert/objectives/list_softmax.hpp"
#include "bert/objectives/margin_mse.hpp"
#include "bert/objectives/mean_squared_error.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/largest.hpp"
#include "support/small_models.hpp"

namespace {
using reranker = bert::model<bert::open_vocabulary<support::pocket>, bert::heads::regress>;

const bert::text::tokenizer tokenizer(bert::text::vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "blue",
                                                              "green", "car", "bird", "tree", "a", "the"}));

/// A query of a color and texts, of which those of the color are relevant.
bert::data::ranking_set colors() {
  const std::vector<std::string> all{"red", "blue", "green"}, things{"car", "bird", "tree"};
  bert::data::ranking_set_builder<bert::text::tokenizer> set(tokenizer, 32);
  for (std::size_t q = 0; q < 9; ++q) {
    std::vector<std::string> texts;
    std::vector<float> relevances;
    for (std::size_t i = 0; i < 2 + q % 3; ++i) {
      texts.push_back("the " + all[(q + i) % 3] + " " + things[(q / 3 + i) % 3]);
      relevances.push_back(i % 3 == 0 ? 1.0f : 0.0f);
    }
    set.add("a " + all[q % 3], texts, relevances);
  }
  return std::move(set).build();
}
}  // namespace

TEST_CASE("each loss trains a reranker of groups, and the report has the loss that the objective measures") {
  const auto set = colors();
  const auto check = [&](const auto& loss) {
    auto m = reranker::random({.stddev = 0.1f, .seed = 5, .vocab = static_cast<int>(tokenizer.size())});
    bert::fit(m, loss, set.batches(4, {.seed = 1}),
              {.epochs = 60, .learning_rate = 3e-3f, .dropout = 0, .attention_dropout = 0});
    const auto dev = set.batches(4, {.order = bert::data::order::sequential});
    const auto report = bert::evaluate_rankings(m, dev, loss);
    CHECK(report.total() == 9);
    CHECK(report.mrr() == 1);
    CHECK(report.ndcg() == doctest::Approx(1));
    CHECK(report.loss() == doctest::Approx(bert::measure(m, loss, dev).loss()).epsilon(1e-4));
  };
  check(bert::objectives::binary_cross_entropy{});
  check(bert::objectives::list_softmax{});
  check(bert::objectives::margin_mse{});
  check(bert::objectives::mean_squared_error{});
}

TEST_CASE("a classifier of two classes ranks by the logit of the second, and one of three is refused") {
  const auto set = colors();
  const auto base = bert::model<bert::open_vocabulary<support::pocket>>::random(
      {.stddev = 0.1f, .seed = 5, .vocab = static_cast<int>(tokenizer.size())});
  struct relevance : bert::labels::one_of<"no", "yes"> {};
  const auto two = base.with_head<bert::heads::classify<relevance>>({.stddev = 0.5f, .seed = 3});
  // The difference of the two rows is a head of one value.
  auto one = base.with_head<bert::heads::regress>({.seed = 4});
  const auto rows = two.values("classifier.weight"), biases = two.values("classifier.bias");
  const auto row = one.values(one.table()[one.first_of_head<0>]);
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = rows[row.size() + i] - rows[i];
  one.values(one.table()[one.first_of_head<0> + 1])[0] = biases[1] - biases[0];
  const auto batches = set.batches(4, {.order = bert::data::order::sequential});
  const auto by_class = bert::evaluate_rankings(two, batches), by_value = bert::evaluate_rankings(one, batches);
  REQUIRE(by_class.scores().size() == 27);
  CHECK(support::largest_difference(by_class.scores(), by_value.scores()) < 1e-5);
  CHECK(by_class.loss() == doctest::Approx(by_value.loss()).epsilon(1e-5));
  const auto three = base.with_head<bert::heads::classify<bert::labels::dynamic_set>>({.labels = {"a", "b", "c"}});
  CHECK_THROWS_WITH_AS((void)bert::evaluate_rankings(three, batches), doctest::Contains("3 classes"), bert::error);
}

TEST_CASE("neither threads nor the batch size change a score") {
  const auto set = colors();
  const auto m = reranker::random({.stddev = 0.1f, .seed = 5, .vocab = static_cast<int>(tokenizer.size())});
  const auto scores = [&](int batch, std::size_t threads) {
    const auto report = bert::evaluate_rankings(m, set.batches(batch, {.order = bert::data::order::sequential}),
                                                bert::objectives::list_softmax{}, {}, bert::execution::threads{threads});
    return std::vector<float>(report.scores().begin(), report.scores().end());
  };
  const auto one = scores(1, 1);
  CHECK(one.size() == 27);
  CHECK(one == scores(4, 2));
  CHECK(one == scores(9, 3));
}
