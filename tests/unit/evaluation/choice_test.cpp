#include "bert/heads/choice.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <sstream>
#include <vector>

#include "bert/evaluation/evaluate.hpp"
#include "bert/evaluation/evaluation_of_choice.hpp"
#include "bert/objectives/choice.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/small_models.hpp"

namespace {
using model_type = bert::model<support::pocket, bert::heads::choice>;

/// Examples of 2 to 4 sequences; right is the one that begins with an even id.
struct made_up {
  std::uint64_t batches = 6;
  using targets = bert::target_list<bert::target::choice>;
  [[nodiscard]] static bert::batch_shape capacity() { return {.sequences = 16, .tokens = 16 * 5, .longest = 5}; }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return batches; }
  void load(std::uint64_t step, bert::training_batch& out) const {
    out.clear();
    out.groups.push_back(0);
    for (std::uint64_t g = 0; g < 4; ++g) {
      const std::uint64_t key = step % batches * 4 + g, count = 2 + key % 3, right = key % count;
      for (std::uint64_t s = 0; s < count; ++s) {
        auto ids = support::ids(key * 4 + s, 3 + s % 3);
        ids[0] = static_cast<bert::token_id>(6 + 2 * ((key + s) % 4) + (s == right ? 0 : 1));
        out.tokens.add(ids);
        out.labels.push_back(s == right ? 1 : 0);
        out.keys.push_back(key * 4 + s);
      }
      out.groups.push_back(out.tokens.sequences());
    }
  }
};
}  // namespace

TEST_CASE(
    "a head that chooses learns to, in groups of different sizes, and its report has the loss that the objective measures") {
  auto m = model_type::random({.stddev = 0.1f, .seed = 3});
  const made_up source;
  const auto before = bert::evaluate(m, source);
  bert::fit(m, bert::objectives::choice{}, source, {.epochs = 30, .learning_rate = 3e-3f, .dropout = 0.0f});
  const auto after = bert::evaluate(m, source);
  CHECK(after.total() == 24);
  CHECK(after.accuracy() == 1.0);
  CHECK(after.loss() < before.loss() / 4);
  CHECK(after.loss() == doctest::Approx(bert::measure(m, bert::objectives::choice{}, source).loss()).epsilon(1e-4));
  CHECK(after.line().starts_with("accuracy=1.0000 loss=0."));
  std::ostringstream out;
  out << after;
  CHECK(out.str().starts_with("accuracy 1, loss 0."));
}

TEST_CASE("a step over groups on several leaves has the predictions of one") {
  const made_up source;
  const auto trained = [&](unsigned leaves) {
    auto m = model_type::random({.stddev = 0.1f, .seed = 3});
    bert::trainer t{m, bert::objectives::choice{}, bert::optim::adamw{},
                    bert::schedules::warmup_linear{.peak = 3e-3f, .warmup = 0, .total = 20},
                    bert::training_options{.dropout = 0, .attention_dropout = 0, .leaves = leaves}};
    for (const auto& step : t.over(source)) CHECK(std::isfinite(step.loss));
    return bert::evaluate(m, source).loss();
  };
  CHECK(trained(1) == doctest::Approx(trained(4)).epsilon(1e-3));
}
