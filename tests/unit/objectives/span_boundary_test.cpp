#include "bert/objectives/span_boundary.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/objectives/joint.hpp"
#include "bert/objectives/next_sentence.hpp"
#include "bert/training/fit.hpp"
#include "support/golden.hpp"

namespace {

using namespace bert;  // NOLINT

struct small : architecture_of<dims{.vocab = 37, .hidden = 16, .layers = 1, .heads = 2, .intermediate = 24, .positions = 48}> {
};

// The masks of the golden file.
struct given {
  float rate = 0, mask = 0, random = 0;
  static inline token_batch masked;
  static inline std::vector<token_id> targets;
  void operator()(const training_batch&, std::uint64_t, masked_batch& out) const {
    out.tokens.clear();
    out.targets = targets;
    for (std::size_t s = 0; s < masked.sequences(); ++s) out.tokens.add(masked[s]);
    for (const auto p : masked.scored()) out.tokens.score(p);
  }
  [[nodiscard]] std::size_t max_scored(const batch_shape& shape) const { return shape.tokens; }
};

using objective = objectives::span_boundary<given>;
using model_type = model_for<small, objective>;

TEST_CASE("losses, logits and gradients are PyTorch's in double precision") {
  const io::safetensors file(golden::folder("span_boundary") / "golden.safetensors");
  auto model = model_type::blank();
  for (const auto& p : model.table())
    if (const auto* t = file.find(p.name()); t != nullptr) io::to_floats(*t, model.values(p));
    else REQUIRE(p.name().starts_with("bert.pooler."));
  training_batch batch;
  const auto ids = golden::integers<std::int32_t>(file, "ids"), masked = golden::integers<std::int32_t>(file, "given");
  given::masked.clear();
  std::size_t at = 0;
  for (const auto length : golden::integers<std::int32_t>(file, "lengths")) {
    batch.tokens.add(std::span(ids).subspan(at, static_cast<std::size_t>(length)));
    given::masked.add(std::span(masked).subspan(at, static_cast<std::size_t>(length)));
    at += static_cast<std::size_t>(length);
  }
  given::targets.clear();
  for (const auto p : golden::integers<std::int32_t>(file, "scored")) {
    given::masked.score(static_cast<std::size_t>(p));
    given::targets.push_back(ids[static_cast<std::size_t>(p)]);
  }
  const objective o;
  const execution::serial serial;
  objective::work work(o, batch.tokens.shape());
  tape<model_type> t(o.capacity(batch.tokens.shape()), model.sizes());
  const token_batch& prepared = o.prepare(batch, 0, work);
  t.forward(serial, model, prepared);
  const auto logits = t.head<heads::span_boundary>().logits();
  const auto expected = golden::floats(file, "logits");
  REQUIRE(logits.rows * logits.cols == expected.size());
  for (std::size_t r = 0; r < logits.rows; ++r)
    for (std::size_t v = 0; v < logits.cols; ++v)
      CHECK(logits(r, v) == doctest::Approx(static_cast<double>(expected[r * logits.cols + v])).epsilon(2e-5));
  const auto terms = o.score(serial, batch, work, t, 1.0f);
  CHECK(terms["mlm"].mean() == doctest::Approx(static_cast<double>(golden::floats(file, "loss.mlm")[0])).epsilon(1e-5));
  CHECK(terms["sbo"].mean() == doctest::Approx(static_cast<double>(golden::floats(file, "loss.sbo")[0])).epsilon(1e-5));
  CHECK(terms["mlm"].count == given::targets.size());
  CHECK(terms["sbo"].count == given::targets.size() - 3);  // one span has 23 tokens
  const auto counts = o.counts(batch, work);
  CHECK(counts["sbo"].count == terms["sbo"].count);
  buffer<float> g(model.block().size());
  t.backward(serial, model, prepared, g.data());
  std::size_t compared = 0;
  for (const auto& p : model.table()) {
    if (file.find("grad." + p.name()) == nullptr) continue;
    const auto want = golden::floats(file, "grad." + p.name());
    double error = 0, size = 1e-3;
    for (std::size_t i = 0; i < want.size(); ++i) {
      error = std::max(error, std::abs(static_cast<double>(g.data()[p.offset + i] - want[i])));
      size = std::max(size, std::abs(static_cast<double>(want[i])));
    }
    CAPTURE(p.name());
    CHECK(error / size < 3e-5);
    ++compared;
  }
  CHECK(compared > 30);
}

TEST_CASE("the weight of the second term is its gradient's factor, and it trains beside next sentence") {
  using both = objectives::joint<objectives::span_boundary<>, objectives::next_sentence>;
  auto model = model_for<support::pocket, both>::random({.stddev = 0.1f, .seed = 1});
  const support::made_up_source source;
  const both o(objectives::span_boundary<>{}, objectives::next_sentence{});
  const auto first = bert::fit(model, o, source, {.epochs = 1, .learning_rate = 1e-3f});
  const auto last = bert::fit(model, o, source, {.epochs = 30, .learning_rate = 1e-3f});
  CHECK(last.terms["sbo"].count > 0);
  CHECK(last.terms["sbo"].mean() < first.terms["sbo"].mean());
  const auto slope = [&](float weight) {
    objectives::span_boundary<> alone;
    alone.boundary_weight = weight;
    using alone_model = model_for<support::pocket, objectives::span_boundary<>>;
    const auto m = alone_model::random({.stddev = 0.1f, .seed = 1});
    training_batch batch;
    source.load(0, batch);
    typename objectives::span_boundary<>::work work(alone, source.capacity());
    tape<alone_model> t(alone.capacity(source.capacity()), m.sizes());
    const auto& prepared = alone.prepare(batch, 0, work);
    t.forward(execution::serial{}, m, prepared);
    const auto terms = alone.score(execution::serial{}, batch, work, t, 1.0f);
    CHECK(terms["sbo"].factor == static_cast<double>(weight));
    CHECK(terms.loss() == doctest::Approx(terms["mlm"].mean() + static_cast<double>(weight) * terms["sbo"].mean()));
    return static_cast<double>(t.template head<heads::span_boundary>().logits()(0, 7));
  };
  CHECK(slope(0.5f) == doctest::Approx(0.5 * slope(1)).epsilon(1e-5));
}

}  // namespace
