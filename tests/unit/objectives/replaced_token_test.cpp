#include "bert/objectives/replaced_token.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/checkpoint/checkpoint.hpp"
#include "bert/model/presets.hpp"
#include "bert/training/measure.hpp"
#include "bert/training/trainer.hpp"
#include "support/golden.hpp"
#include "support/slopes.hpp"
#include "support/temporary_file.hpp"

namespace {

using namespace bert;  // NOLINT

using model_type = model<support::pocket, heads::replaced>;
using generator_type = model<objectives::generator_of<support::pocket>, heads::masked_lm>;
struct narrow
    : architecture_of<dims{.vocab = 131, .hidden = 24, .layers = 1, .heads = 2, .intermediate = 40, .positions = 64}> {};
using narrow_generator = model<narrow, heads::masked_lm>;

static_assert(objectives::generator_of<support::pocket>::layers == 1);
static_assert(objectives::generator_of<arch::base_uncased>::layers == 3);
static_assert(objectives::replaced_token<generator_type>::fits<model_type>);
static_assert(!objectives::replaced_token<narrow_generator>::fits<model_type>);
static_assert(
    objectives::replaced_token<narrow_generator, masking::token, objectives::generator_embeddings::own>::fits<model_type>);
static_assert(!objectives::replaced_token<generator_type>::fits<model<support::pocket, heads::masked_lm>>);

/// The same pieces whatever the generator says, so that the loss is a smooth function of its weights: of every three, two
/// wrong.
struct given_pieces {
  template <executor E>
  void operator()(const E&, matrix<const float> logits, std::span<const double>, token_id* pieces) const {
    for (std::size_t r = 0; r < logits.rows; ++r) pieces[r] = static_cast<token_id>(5 + r * 7 % 100);
  }
};

/// Runs one step's passes over the first batch as the trainer does; writes both models' gradients.
template <class Objective, class Model, class Second>
objectives::loss_terms one_step(const Objective& o, const Model& m, float* gradients, Second& second,
                                const training_batch& batch, float dropout = 0.1f, typename Objective::work* kept = nullptr,
                                std::size_t threads = 1) {
  typename Objective::work own(o, batch.tokens.shape()), &work = kept == nullptr ? own : *kept;
  const execution::threads e{threads};
  tape<Model> tape(o.capacity(batch.tokens.shape()), m.sizes(), objectives::tape_options_of(o));
  second.clear(e);
  training::passes passes(e, m, tape, o.prepare(batch, 0, work), step_noise{dropout, dropout, 77}, m.view(gradients),
                          gradients::written, second);
  return training::run_passes(o, passes, e, batch, work, objectives::loss_scale(1.0f));
}

/// The path of a file that is removed at the end.
struct scratch_file {
  explicit scratch_file(const char* suffix) : path(support::temporary_path(std::string("bert_replaced_token") + suffix)) {}
  ~scratch_file() { std::filesystem::remove(path); }
  scratch_file(const scratch_file&) = delete;
  scratch_file& operator=(const scratch_file&) = delete;
  std::filesystem::path path;
};

training_batch first_batch() {
  training_batch batch;
  support::made_up_source{}.load(0, batch);
  return batch;
}

template <class Generator, class Objective>
void check_slopes(model_type& m, Generator& generator, const Objective& o) {
  const auto batch = first_batch();
  training::second_network_of<Objective, optim::adamw> second(o), unused_second(o);
  buffer<float> gradients(m.block().size()), unused(m.block().size());
  const auto terms = one_step(o, m, gradients.data(), second, batch);
  CHECK(terms["mlm"].count > 0);
  CHECK(terms["replaced"].count == batch.tokens.tokens());
  CHECK(terms.loss() == doctest::Approx(terms["mlm"].mean() + 5 * terms["replaced"].mean()));
  const auto loss = [&] { return one_step(o, m, unused.data(), unused_second, batch).loss(); };
  CHECK(support::slope_error(m, gradients.data(), loss) < 0.03);
  CHECK(support::slope_error(generator, second.gradient_view(), loss) < 0.03);
}

}  // namespace

TEST_CASE("the gradients of model and generator are the slopes of the loss, with one set of embeddings and with two") {
  auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  const objectives::masked_lm<> masks{.rate = 0.3f};
  auto tied = generator_type::random({.stddev = 0.2f, .seed = 2});
  check_slopes(
      m, tied,
      objectives::replaced_token(tied, masks, {.weight = 5}, objectives::generator_embeddings::tied{}, given_pieces{}));
  auto own = narrow_generator::random({.stddev = 0.2f, .seed = 2});
  check_slopes(m, own,
               objectives::replaced_token(own, masks, {.weight = 5}, objectives::generator_embeddings::own{}, given_pieces{}));
}

// Masks and pieces of the golden file.
struct given_masks {
  float rate = 0, mask = 0, random = 0;
  static inline token_batch masked;
  static inline std::vector<token_id> targets, filled;
  void operator()(const training_batch&, std::uint64_t, masked_batch& out) const {
    out.tokens = masked;
    out.targets = targets;
  }
  [[nodiscard]] std::size_t max_scored(const batch_shape& shape) const { return shape.tokens; }
};
struct golden_pieces {
  template <executor E>
  void operator()(const E&, matrix<const float> logits, std::span<const double>, token_id* pieces) const {
    REQUIRE(logits.rows == given_masks::filled.size());
    std::copy(given_masks::filled.begin(), given_masks::filled.end(), pieces);
  }
};

TEST_CASE("losses, logits and gradients are those of PyTorch in double, from transformers' folder of ElectraForPreTraining") {
  struct small : electra_of<dims{.vocab = 61, .hidden = 24, .layers = 2, .heads = 3, .intermediate = 30, .positions = 32}> {};
  using small_generator = model<objectives::generator_of<small>, heads::masked_lm>;
  const io::safetensors file(golden::folder("replaced_token") / "golden.safetensors");
  const io::safetensors stored(golden::folder("replaced_token") / "model.safetensors");
  const auto m = pipelines::load_weights<model<small, heads::replaced>>(stored, 61);
  auto generator = small_generator::blank();
  for (const auto& p : generator.table())
    if (const auto* t = file.find("generator." + p.name()); t != nullptr) io::to_floats(*t, generator.values(p));
  const auto ids = golden::integers<std::int32_t>(file, "ids"), given = golden::integers<std::int32_t>(file, "given"),
             filled = golden::integers<std::int32_t>(file, "filled");
  training_batch batch;
  given_masks::masked.clear();
  std::size_t at = 0;
  for (const auto length : golden::integers<std::int32_t>(file, "lengths")) {
    const auto n = static_cast<std::size_t>(length);
    batch.tokens.add(std::span(ids).subspan(at, n));
    batch.keys.push_back(batch.keys.size());
    given_masks::masked.add(std::span(given).subspan(at, n));
    at += n;
  }
  given_masks::targets.clear();
  given_masks::filled.clear();
  for (const auto p : golden::integers<std::int32_t>(file, "scored")) {
    given_masks::masked.score(static_cast<std::size_t>(p));
    given_masks::targets.push_back(ids[static_cast<std::size_t>(p)]);
    given_masks::filled.push_back(filled[static_cast<std::size_t>(p)]);
  }
  const objectives::replaced_token o(generator, objectives::masked_lm<given_masks>{}, {},
                                     objectives::generator_embeddings::tied{}, golden_pieces{});
  training::second_network_of<decltype(o), optim::adamw> second(o);
  buffer<float> gradients(m.block().size());
  typename decltype(o)::work work(o, batch.tokens.shape());
  const auto terms = one_step(o, m, gradients.data(), second, batch, 0, &work, 2);
  CHECK(terms["mlm"].mean() == doctest::Approx(static_cast<double>(golden::floats(file, "loss.mlm")[0])).epsilon(2e-6));
  CHECK(terms["replaced"].mean() ==
        doctest::Approx(static_cast<double>(golden::floats(file, "loss.replaced")[0])).epsilon(2e-6));
  CHECK(std::equal(filled.begin(), filled.end(), work.tokens().ids().begin(), work.tokens().ids().end()));

  tape<model<small, heads::replaced>> t(batch.tokens.shape(), m.sizes());
  t.forward(execution::serial{}, m, work.tokens());
  const auto z = t.head<heads::replaced>().logits();
  CHECK(support::largest_difference(std::span<const float>(z.data, z.rows), golden::floats(file, "logits")) < 5e-6);

  std::size_t compared = 0;
  const auto compare = [&](const std::string& name, std::span<const float> got) {
    const auto want = golden::floats(file, name);
    support::largest error, size;
    size.add(1e-3);
    for (std::size_t i = 0; i < want.size(); ++i) {
      error.add(std::abs(static_cast<double>(got[i] - want[i])));
      size.add(std::abs(static_cast<double>(want[i])));
    }
    CAPTURE(name);
    // The gradient of the keys' bias is 0: what stands there is rounding.
    CHECK(error.value() / size.value() < (name.ends_with("key.bias") ? 1e-2 : 3e-5));
    ++compared;
  };
  for (const auto& p : m.table())
    if (const auto name = "grad." + pipelines::stored_name(p.name(), "electra", false); file.find(name) != nullptr)
      compare(name, m.view(gradients.data()).values(static_cast<std::size_t>(&p - m.table().data())));
  for (const auto& p : generator.table())
    if (const auto name = "grad.generator." + p.name(); file.find(name) != nullptr)
      compare(name, second.gradient_view().values(static_cast<std::size_t>(&p - generator.table().data())));
  CHECK(compared == 62);
}

TEST_CASE("a folder of a discriminator has transformers' class and names, and loads with the same bits") {
  struct small : electra_of<dims{.vocab = 61, .hidden = 24, .layers = 2, .heads = 3, .intermediate = 30, .positions = 32}> {};
  using discriminator = model<small, heads::replaced>;
  CHECK(std::string_view(pipelines::model_traits<discriminator>::transformers_class()) == "BertForPreTraining");  // less "Bert"
  const auto m = discriminator::random({.stddev = 0.1f, .seed = 4});
  const scratch_file written(".safetensors");
  pipelines::save_weights(written.path, m);
  const io::safetensors ours(written.path), theirs(golden::folder("replaced_token") / "model.safetensors");
  for (const auto& t : theirs.tensors()) {
    CAPTURE(t.name);
    REQUIRE(ours.find(t.name) != nullptr);
    CHECK(ours.at(t.name).shape == t.shape);
  }
  CHECK(ours.tensors().size() == theirs.tensors().size());
  const auto again = pipelines::load_weights<discriminator>(ours, 61);
  for (const auto& p : m.table())
    if (p.module != module_kind::pooler)
      CHECK(std::memcmp(m.values(p).data(), again.values(p).data(), p.count() * sizeof(float)) == 0);
}

TEST_CASE("masked positions hold the generator's pieces, which a sequence's neighbors and threads do not change") {
  const auto m = model_type::random({.stddev = 0.3f, .seed = 1});
  auto generator = generator_type::random({.stddev = 0.3f, .seed = 2});
  const objectives::replaced_token o(generator, objectives::masked_lm<>{.rate = 0.4f});
  const auto batch = first_batch();
  training::second_network_of<decltype(o), optim::adamw> second(o);
  buffer<float> gradients(m.block().size());
  const auto filled = [&](const training_batch& in, std::size_t threads) {
    typename decltype(o)::work work(o, in.tokens.shape());
    one_step(o, m, gradients.data(), second, in, 0, &work, threads);
    return work.tokens();
  };
  const token_batch whole = filled(batch, 1), by_threads = filled(batch, 3);
  CHECK(std::equal(whole.ids().begin(), whole.ids().end(), by_threads.ids().begin()));
  std::size_t changed = 0, scored = 0;
  for (std::size_t n = 0; n < whole.tokens(); ++n) {
    const bool chosen = std::find(whole.scored().begin(), whole.scored().end(), n) != whole.scored().end();
    scored += chosen ? 1 : 0;
    changed += whole.ids()[n] != batch.tokens.ids()[n] ? 1 : 0;
    if (!chosen) CHECK(whole.ids()[n] == batch.tokens.ids()[n]);
  }
  CHECK(changed > scored / 2);
  for (std::size_t s = 0; s < batch.tokens.sequences(); ++s) {
    training_batch alone;
    copy_sequences(batch, s, s + 1, alone);
    const token_batch one = filled(alone, 1);
    CHECK(std::equal(one.ids().begin(), one.ids().end(), whole[s].begin(), whole[s].end()));
  }
  training_batch later = batch;
  later.epoch = 1;
  const token_batch other = filled(later, 1);
  CHECK(!std::equal(whole.ids().begin(), whole.ids().end(), other.ids().begin()));
}

namespace {

struct pair_of_models {
  model_type first = model_type::random({.stddev = 0.1f, .seed = 1});
  generator_type second = generator_type::random({.stddev = 0.1f, .seed = 2});
  [[nodiscard]] std::vector<float> bits() const {
    std::vector<float> all(first.block().begin(), first.block().end());
    all.insert(all.end(), second.block().begin(), second.block().end());
    return all;
  }
};

step_report train(pair_of_models& both, std::uint64_t steps, std::size_t threads, const std::filesystem::path& kept = {},
                  float rate = 2e-3f, unsigned accumulate = 1) {
  bert::trainer t{both.first,
                  objectives::replaced_token{both.second},
                  optim::adamw{},
                  schedules::constant{.peak = rate, .total = 100},
                  training_options{.seed = 3, .dropout = 0.1f, .attention_dropout = 0.1f, .accumulate = accumulate},
                  execution::threads{threads}};
  if (!kept.empty()) t.keep(kept, {.every = 4});
  const support::made_up_source source;
  step_report last;
  for (const auto& step : t.over(source))
    if ((last = step).index == steps) break;
  return last;
}

}  // namespace

TEST_CASE("one thread and two end with the same bits, and so does a run that was interrupted and resumed") {
  pair_of_models one, two;
  train(one, 12, 1, {}, 2e-3f, 2);
  train(two, 12, 2, {}, 2e-3f, 2);
  CHECK(one.bits() == two.bits());
  CHECK(one.bits() != pair_of_models{}.bits());
  const scratch_file state(".state");
  pair_of_models cut;
  train(cut, 8, 1, state.path, 2e-3f, 2);
  pair_of_models resumed{model_type::random({.seed = 8}), generator_type::random({.seed = 9})};  // the state replaces both
  CHECK(train(resumed, 12, 1, state.path, 2e-3f, 2).index == 12);
  CHECK(resumed.bits() == one.bits());
}

namespace {

/// Sequences that count: each id is the one before plus 1.
struct counting_source : support::made_up_source {
  void load(std::uint64_t step, training_batch& out) const {
    made_up_source::load(step, out);
    for (std::size_t s = 0; s < out.tokens.sequences(); ++s)
      for (std::size_t n = out.tokens.starts()[s] + 1; n < out.tokens.starts()[s + 1]; ++n)
        out.tokens.ids()[n] = 5 + (out.tokens.ids()[n - 1] - 4) % 126;
  }
};

}  // namespace

TEST_CASE("the model learns what was replaced, the generator what was masked, and measure tells both without training") {
  pair_of_models both;
  const counting_source source{{.sequences = 8, .longest = 24, .batches = 50}};
  const objectives::replaced_token o{
      both.second, objectives::masked_lm<>{.rate = 0.2f}, {}, objectives::generator_embeddings::tied{}, given_pieces{}};
  const auto start = both.bits();
  const auto before = measure(both.first, o, source);
  CHECK(std::equal(start.begin(), start.begin() + static_cast<std::ptrdiff_t>(both.first.block().size()),
                   both.first.block().begin()));
  CHECK(before["mlm"].mean() > 4.5);
  CHECK(before["replaced"].count > 2000);
  bert::trainer t{both.first,
                  o,
                  optim::adamw{},
                  schedules::warmup_linear{.peak = 3e-3f, .warmup = 60, .total = 600},
                  training_options{.dropout = 0, .attention_dropout = 0},
                  execution::threads{2}};
  for ([[maybe_unused]] const auto& step : t.over(source)) continue;
  const auto after = measure(both.first, o, source);
  CHECK(after["mlm"].mean() < 0.8 * before["mlm"].mean());
  CHECK(after["replaced"].accuracy() > 0.95);  // a fifth is replaced
  const auto again = measure(both.first, o, source, {}, execution::threads{2});
  CHECK(again["replaced"].sum == after["replaced"].sum);
}

TEST_CASE("tied embeddings are the model's, and their own gradient is counted once") {
  pair_of_models both;
  const objectives::replaced_token o{both.second};
  const auto batch = first_batch();
  training::second_network_of<decltype(o), optim::adamw> second(o);
  buffer<float> gradients(both.first.block().size());
  one_step(o, both.first, gradients.data(), second, batch);
  for (std::size_t i = 0; i < table_index<support::pocket>::layers; ++i) {
    const auto of_model = both.first.values(both.first.table()[i]), of_generator = both.second.values(both.second.table()[i]);
    CHECK(std::equal(of_model.begin(), of_model.end(), of_generator.begin(), of_generator.end()));
    for (const float g : second.gradient_view().values(i)) REQUIRE(g == 0);
  }
}

TEST_CASE("a weight that is not positive and a generator of another vocabulary are refused") {
  auto generator = generator_type::random({.seed = 1});
  const objectives::replaced_token o(generator, objectives::masked_lm<>{}, {.weight = 0});
  CHECK_THROWS_WITH_AS(decltype(o)::work(o, batch_shape{.sequences = 1, .tokens = 4}),
                       doctest::Contains(".weight above 0, found 0"), bert::error);
  const objectives::replaced_token small(generator, objectives::masked_lm<>{}, {.weight = 0.5f});
  CHECK_NOTHROW(decltype(small)::work(small, batch_shape{.sequences = 1, .tokens = 4}));
  using open = open_vocabulary<support::pocket>;
  auto other = model<objectives::generator_of<open>, heads::masked_lm>::random({.vocab = 130});
  const auto m = model<open, heads::replaced>::random({.vocab = 131});
  CHECK_THROWS_WITH_AS((objectives::replaced_token<std::decay_t<decltype(other)>>::tie(m, other)),
                       doctest::Contains("131 pieces, found 130 pieces"), bert::error);
}
