#include "bert/objectives/joint.hpp"

#include <doctest/doctest.h>

#include <string_view>

#include "../../support/matrices.hpp"
#include "../../support/small_models.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/next_sentence.hpp"

namespace {
using namespace bert::objectives;
using joined = joint<masked_lm<>, next_sentence>;
using model_type = bert::model_for<support::pocket, joined>;
static_assert(std::same_as<model_type, bert::model<support::pocket, bert::heads::masked_lm, bert::heads::next_sentence>>);
static_assert(objective_for<joined, model_type> &&
              !objective_for<joined, bert::model<support::pocket, bert::heads::masked_lm>>);
static_assert(!objective_for<cross_entropy, model_type> &&
              objective_for<cross_entropy, bert::model<support::pocket, bert::heads::classify<support::mood>>>);

template <class O>
loss_terms terms_of(const O& o, const model_type& m, std::vector<float>* logits_gradient = nullptr) {
  const support::made_up_source source;
  bert::training_batch batch;
  source.load(0, batch);
  typename O::work work(o, source.capacity());
  bert::tape<model_type> tape(o.capacity(source.capacity()), m.sizes());
  tape.forward(bert::execution::serial{}, m, o.prepare(batch, 3, work));
  const auto terms = o.score(bert::execution::serial{}, batch, work, tape, 1.0f);
  if (logits_gradient != nullptr) {
    *logits_gradient = support::elements(tape.template head<bert::heads::masked_lm>().logits());
  }
  return terms;
}
}  // namespace

TEST_CASE("joint reports what its terms report alone, and its loss is their sum") {
  const auto model = model_type::random({.stddev = 0.1f, .seed = 2});
  std::vector<float> alone, together;
  const auto mlm = terms_of(masked_lm<>{}, model, &alone);
  const auto both = terms_of(joined{}, model, &together);
  CHECK(both["mlm"].sum == mlm["mlm"].sum);
  CHECK(both["mlm"].count == mlm["mlm"].count);
  CHECK(both["nsp"].count == 4);
  CHECK(both.loss() == doctest::Approx(both["mlm"].mean() + both["nsp"].mean()));
  CHECK(alone == together);
}

TEST_CASE("the gradient of the logits sums to zero in every row, and the masking rate is the objective's") {
  const auto model = model_type::random({.stddev = 0.1f, .seed = 2});
  std::vector<float> d;
  const auto few = terms_of(masked_lm<>{.rate = 0.1f}, model, &d);
  for (std::size_t row = 0; row * 131 < d.size(); ++row) {
    double sum = 0;
    for (std::size_t i = 0; i < 131; ++i) sum += static_cast<double>(d[row * 131 + i]);
    CHECK(std::abs(sum) < 1e-6);
  }
  CHECK(terms_of(masked_lm<>{.rate = 0.5f}, model)["mlm"].count > 3 * few["mlm"].count);
}

TEST_CASE("labels that are missing or beyond the head's classes are errors") {
  bert::training_batch batch;
  batch.tokens.add(support::ids(1, 5));
  CHECK_THROWS_WITH_AS(check_labels(batch, 2, "here"), doctest::Contains("1 labels, one a sequence, found 0"), bert::error);
  batch.labels = {2};
  CHECK_THROWS_WITH_AS(check_labels(batch, 2, "here"), doctest::Contains("labels below 2, found 2"), bert::error);
  batch.labels = {1};
  CHECK_NOTHROW(check_labels(batch, 2, "here"));
}

TEST_CASE("sums of terms over batches add losses, counts and correct predictions by name") {
  loss_terms total;
  total.add({.name = "a", .sum = 2, .count = 4, .correct = 1});
  loss_terms more;
  more.add({.name = "b", .sum = 3, .count = 1, .correct = 1});
  more.add({.name = "a", .sum = 2, .count = 4, .correct = 2});
  total += more;
  CHECK(total["a"].mean() == 0.5);
  CHECK(total["a"].accuracy() == 0.375);
  CHECK(total["b"].perplexity() == doctest::Approx(std::exp(3.0)));
  CHECK(total["c"].count == 0);
}

TEST_CASE("joint counts and tells of itself what its objectives do together") {
  const support::made_up_source source;
  bert::training_batch batch;
  source.load(0, batch);
  const joined both{};
  joined::work work(both, source.capacity());
  (void)both.prepare(batch, 3, work);
  const loss_terms counts = both.counts(batch, work);
  CHECK(counts["nsp"].count == 4);
  CHECK(counts["mlm"].count == terms_of(masked_lm<>{}, model_type::random({.stddev = 0.1f, .seed = 2}))["mlm"].count);
  CHECK(counts["mlm"].count > 0);
  const auto facts = bert::fingerprint_of(both), first = bert::fingerprint_of(masked_lm<>{}),
             second = bert::fingerprint_of(next_sentence{});
  CHECK(facts.size() == first.size() + second.size());
  CHECK(!first.empty());
  struct told : next_sentence {
    [[nodiscard]] static bert::named_facts fingerprint() { return {{"order", "told"}}; }
  };
  CHECK(bert::fingerprint_of(joint<masked_lm<>, told>{}).size() == first.size() + 1);
}

TEST_CASE("a loss of more terms than there is memory for is an error, not a term less") {
  loss_terms terms;
  constexpr std::string_view names = "abcdefgh";
  for (std::size_t i = 0; i < loss_terms::most; ++i) terms.add({.name = names.substr(i, 1), .count = 1});
  CHECK_THROWS_WITH_AS(terms.add({.name = "one more"}),
                       doctest::Contains("at most 8 terms in a loss, found one more, \"one more\""), bert::error);
  CHECK_NOTHROW(terms.add({.name = "c", .count = 2}));
  CHECK(terms["c"].count == 3);
}

TEST_CASE("weights of predictions are added where one of two terms has them") {
  loss_terms terms;
  terms.add({.name = "a", .sum = 1, .count = 2});
  CHECK(terms["a"].mean() == 0.5);
  terms.add({.name = "a", .sum = 1, .count = 4, .weight = 0.5});
  CHECK(terms["a"].divisor() == 2.5);
  CHECK(terms["a"].mean() == 0.8);
  terms.add({.name = "a", .sum = 1, .count = 1});
  CHECK(terms["a"].divisor() == 3.5);
  CHECK(terms["a"].count == 7);
}

namespace {
struct reads_layer : next_sentence {
  static constexpr bool perturbs = true;
  [[nodiscard]] static bert::taps taps() { return bert::taps::hidden(1); }
};
}  // namespace

TEST_CASE("joint and the masked LM say what they need, and joint of objectives with taps reads all of them") {
  static_assert(std::same_as<masked_lm<>::needs, bert::target_list<>>);
  static_assert(std::same_as<joined::needs, bert::target_list<bert::target::label>>);
  static_assert(joint<masked_lm<>, reads_layer>::perturbs && !joined::perturbs);
  CHECK(tape_options_of(joint<masked_lm<>, reads_layer>{}).taps == bert::taps::hidden(1));
  CHECK(!tape_options_of(joined{}).taps.any());
}
