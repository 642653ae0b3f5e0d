#include "bert/heads/crf.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/heads/crf_paths.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/bio.hpp"
#include "bert/labels/bioes.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/model/session.hpp"

namespace {

struct names : bert::labels::bio<"PER", "LOC"> {};
struct with_ends : bert::labels::bioes<"PER"> {};
using head = bert::heads::crf<names>;
using open_head = bert::heads::crf<bert::labels::dynamic_set>;
using free_head = bert::heads::crf<names, bert::labels::unconstrained>;
struct derived : head {};
using closed = bert::model<support::pocket, head>;
using open = bert::model<support::pocket, open_head>;

static_assert(bert::heads::path_tagger<head> && bert::heads::path_tagger<derived> && bert::heads::path_tagger<open_head>);
static_assert(!bert::heads::tagger<head> && !bert::heads::classifier<head> &&
              !bert::heads::path_tagger<bert::heads::tag<names>>);
static_assert(bert::heads::rows_of<head> == bert::heads::output_rows::tokens);
static_assert(!closed::reads_pooler);

const std::vector<std::string> labels{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};

/// Gives the CRF's tensors some values.
template <class Model>
void disturb(Model& m) {
  for (const auto& p : m.table())
    if (p.stem.starts_with("crf.")) {
      bert::random_stream random(5, bert::draw::user, p.stem.size());
      for (float& x : m.values(p)) x = random.normal();
    }
}

}  // namespace

TEST_CASE("a CRF's transitions, starts and ends are zeros at first, and the emissions are a tagger's") {
  const auto model = closed::random({.stddev = 0.2f, .seed = 8});
  CHECK(model.values("crf.start").size() == 5);
  CHECK(model.values("crf.end").size() == 5);
  CHECK(model.values("crf.transitions").size() == 25);
  for (const char* name : {"crf.start", "crf.end", "crf.transitions"})
    for (const float x : model.values(name)) CHECK(x == 0.0f);
  const auto tagger = model.with_head<bert::heads::tag<names>>();
  bert::token_batch batch;
  batch.add(support::ids(1, 9));
  const auto a = bert::freeze(model);
  const auto b = bert::freeze(tagger);
  auto run_a = a.session(batch.shape());
  auto run_b = b.session(batch.shape());
  const auto x = run_a(batch);
  const auto y = run_b(batch);
  REQUIRE(x.shape() == std::array<std::size_t, 2>{9, 5});
  CHECK(std::equal(x.begin(), x.end(), y.begin()));
}

TEST_CASE("the packed head has the weights, also where the number of tags is known at run time only") {
  const auto check = [](auto model) {
    disturb(model);
    const auto frozen = bert::freeze<bert::precision::bf16>(model);
    const auto& packed = frozen.template head<0>();
    CHECK(packed.tags == 5);
    const auto same = [&](const char* name, const float* at) {
      const auto values = model.values(name);
      CHECK(std::equal(values.begin(), values.end(), at));
    };
    same("crf.start", packed.start);
    same("crf.end", packed.end);
    same("crf.transitions", packed.transitions);
  };
  check(closed::random({.seed = 1}));
  check(open::random({.seed = 1, .labels = labels}));
}

TEST_CASE("a training step knows what is allowed from the type's labels or from the model's names") {
  bert::token_batch batch;
  batch.add(support::ids(1, 3));
  const auto allowed = [&](auto model, std::size_t tags) {
    bert::tape<decltype(model)> tape(batch.shape(), model.sizes());
    tape.forward(bert::execution::serial{}, model, batch);
    const auto& crf = tape.template head<0>();
    CHECK(crf.name(1).starts_with("B-"));
    const auto& chain = crf.chain();
    REQUIRE(chain.tags == tags);
    return std::vector<float>(chain.allowed, chain.allowed + bert::labels::transition_count(tags));
  };
  const auto expected = bert::labels::transition_table(names{});
  const std::vector<float> bio(expected.allowed().begin(), expected.allowed().end());
  CHECK(allowed(closed::random({.seed = 1}), 5) == bio);
  CHECK(allowed(open::random({.seed = 1, .labels = labels}), 5) == bio);
  CHECK(allowed(bert::model<support::pocket, free_head>::random({.seed = 1}), 5) == std::vector<float>(35, 1.0f));
  const auto ends = allowed(bert::model<support::pocket, bert::heads::crf<with_ends>>::random({.seed = 1}), 5);
  CHECK(ends[5 + 1] == 0.0f);  // no sequence ends with B
  CHECK(ends[5 + 3] == 1.0f);
}

TEST_CASE("paths of a sentence: probabilities of all sum to 1, marginals are their sums, the best is the likeliest") {
  auto model = closed::random({.stddev = 0.4f, .seed = 8});
  disturb(model);
  const auto frozen = bert::freeze(model);
  bert::token_batch batch;
  batch.add(support::ids(1, 4));
  auto run = frozen.session(batch.shape());
  const auto x = run(batch);
  const bert::labels::transition_table table(names{});
  bert::heads::crf_paths paths(frozen.head<head>().chain(table.allowed().data()));
  paths.read(x.as_matrix());
  CHECK(paths.words() == 4);
  const auto all = paths.best(1000);
  CHECK(all.size() < 625);
  double total = 0, before = 1;
  std::vector<double> sums(20);
  for (const auto& path : all) {
    CHECK(table.first_fault(path) == 4);
    const double p = paths.probability(path);
    CHECK(p <= before * (1 + 1e-5));
    before = p;
    total += p;
    for (std::size_t t = 0; t < 4; ++t) sums[t * 5 + static_cast<std::size_t>(path[t])] += p;
  }
  CHECK(total == doctest::Approx(1).epsilon(1e-5));
  CHECK(paths.best() == all[0]);
  const auto marginals = paths.marginals();
  for (std::size_t i = 0; i < 20; ++i) CHECK(static_cast<double>(marginals.data[i]) == doctest::Approx(sums[i]).epsilon(1e-4));
  CHECK(marginals(0, 2) == 0.0f);  // no sentence starts with I-PER

  paths.read(x.as_matrix().block(1, 1));
  CHECK(paths.best(1000).size() == 3);
  paths.read(bert::matrix<const float>{});
  CHECK(paths.best().empty());
  CHECK(paths.normalizer() == 0);
}

TEST_CASE("constraints without a path are an error, not a path of forbidden tags") {
  const std::vector<float> weights(8, 0.0f), allowed{1, 1, 1, 1, 0, 0, 0, 0};
  const float* w = weights.data();
  bert::heads::crf_paths paths({2, w, w + 2, w + 4, allowed.data()});
  const std::vector<float> x(4, 0.0f);
  CHECK_THROWS_WITH_AS(paths.read({x.data(), 2, 2}), doctest::Contains("none of 2 words"), bert::error);
  paths.read({x.data(), 1, 2});
  CHECK(paths.best() == std::vector<std::int32_t>{0});
}
