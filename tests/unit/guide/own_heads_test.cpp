// How to put two classifiers into one model: each is derived from the library's with its own tensor names, and one objective
// trains both. Heads are found by index or by type. Two heads with one tensor name do not compile:
// tests/compile_fail/two_tensors_of_one_name.cpp.
#include <doctest/doctest.h>

#include <filesystem>

#include "../../support/small_models.hpp"
#include "bert/checkpoint/checkpoint.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/temporary_file.hpp"

namespace guide {

struct subject : bert::labels::one_of<"sport", "politics"> {};
struct tone : bert::labels::one_of<"calm", "angry"> {};

// The tensors of a head of the library under new names.
template <std::size_t N>
constexpr auto renamed(std::array<bert::parameter, N> tensors, const std::array<std::string_view, N>& names) {
  for (std::size_t i = 0; i < N; ++i) tensors[i].stem = names[i];
  return tensors;
}

// The rest, the weights' shapes, packing, forward and backward, is the base's.
struct subjects : bert::heads::classify<subject> {
  template <class A>
  static constexpr auto parameters() {
    return renamed(classify::parameters<A>(), {"subjects.weight", "subjects.bias"});
  }
};
struct tones : bert::heads::classify<tone> {
  template <class A>
  static constexpr auto parameters() {
    return renamed(classify::parameters<A>(), {"tones.weight", "tones.bias"});
  }
};

// An objective over both: a label is 2 * tone + subject, and the loss the sum of two mean cross-entropies.
struct both {
  using heads = bert::type_list<subjects, tones>;        // the heads that bert::model_for gives a model
  using needs = bert::target_list<bert::target::label>;  // a class per sequence
  template <class Model>
  static constexpr bool fits = Model::template has_head<subjects>&& Model::template has_head<tones>;
  static constexpr bool rewrites = false;  // the model is fed the batch's own tokens

  struct work {
    work(const both&, const bert::batch_shape& raw)
        : subjects(raw.sequences), tones(raw.sequences), predictions(raw.sequences) {}
    std::vector<std::int32_t> subjects, tones;
    bert::objectives::prediction_buffers predictions;
  };
  [[nodiscard]] static bert::batch_shape capacity(const bert::batch_shape& raw) noexcept { return raw; }
  [[nodiscard]] static const bert::token_batch& prepare(const bert::training_batch& in, std::uint64_t, work& w) {
    bert::objectives::check_labels(in, 4, "guide::both");
    w.subjects.resize(in.labels.size()), w.tones.resize(in.labels.size());
    for (std::size_t s = 0; s < in.labels.size(); ++s) {
      w.subjects[s] = in.labels[s] < 0 ? -1 : in.labels[s] % 2;
      w.tones[s] = in.labels[s] < 0 ? -1 : in.labels[s] / 2;
    }
    return in.tokens;
  }
  // The number of predictions of each term, so that its mean is over all batches of a step.
  [[nodiscard]] static bert::objectives::loss_terms counts(const bert::training_batch& in, const work&) noexcept {
    bert::objectives::loss_terms terms;
    for (const char* name : {"subject", "tone"}) terms.add({.name = name, .count = bert::objectives::counted(in.labels)});
    return terms;
  }
  template <class Model, bert::executor E>
  static bert::objectives::loss_terms score(const E& e, const bert::training_batch&, work& w, bert::tape<Model>& t,
                                            const bert::objectives::loss_scale& scale) noexcept {
    using bert::objectives::mean_cross_entropy;
    bert::objectives::loss_terms terms;
    terms.add(mean_cross_entropy(e, "subject", t.template head<subjects>().logits(), w.subjects, scale, w.predictions));
    terms.add(mean_cross_entropy(e, "tone", t.template head<tones>().logits(), w.tones, scale, w.predictions));
    return terms;
  }
};

}  // namespace guide

namespace {
using model_type = bert::model_for<support::pocket, guide::both>;
static_assert(std::same_as<model_type, bert::model<support::pocket, guide::subjects, guide::tones>>);
static_assert(bert::objectives::objective_for<guide::both, model_type>);
static_assert(!bert::objectives::objective_for<guide::both, bert::model<support::pocket, guide::subjects>>);

/// The subject is the last bit of the first id, the tone that of the second.
struct source : support::made_up_source {
  using targets = bert::target_list<bert::target::label>;
  void load(std::uint64_t step, bert::training_batch& out) const {
    made_up_source::load(step, out);
    for (std::size_t s = 0; s < out.labels.size(); ++s) out.labels[s] = out.tokens[s][1] % 2 * 2 + out.tokens[s][0] % 2;
  }
};

struct folder {
  std::filesystem::path path = support::temporary_path("bert_own_heads_test");
  ~folder() { std::filesystem::remove_all(path); }
};
}  // namespace

TEST_CASE("two classifiers derived from one head, with equal label counts, have their own tensors and both learn") {
  auto m = model_type::random({.stddev = 0.1f, .seed = 4});
  CHECK(m.values("subjects.weight").size() == 2 * support::pocket::hidden);
  CHECK(m.values("tones.bias").size() == 2);
  CHECK_FALSE(std::ranges::equal(m.values("subjects.weight"), m.values("tones.weight")));
  const source batches;
  bert::fit(m, guide::both{}, batches, {.epochs = 60, .learning_rate = 2e-3f, .dropout = 0, .attention_dropout = 0});
  const auto learned = bert::measure(m, guide::both{}, batches);
  CHECK(learned["subject"].accuracy() > 0.9);
  CHECK(learned["tone"].accuracy() > 0.9);
}

TEST_CASE("a head by index is the head by type, and each answers from its own weights") {
  auto m = model_type::random({.stddev = 0.1f, .seed = 4});
  const auto give = [&](const char* name, float value) {
    for (const auto& p : m.table())
      if (p.name() == name) m.values(p)[1] = value;
  };
  give("subjects.bias", 10);
  give("tones.bias", -10);
  bert::token_batch batch;
  batch.add(support::ids(1, 9));
  const auto frozen = bert::freeze(m);
  auto run = frozen.session(batch.shape());
  const auto first = run(batch);
  CHECK(first.data() == run.output<0>().data());
  CHECK(first.data() == run.output<guide::subjects>().data());
  CHECK(run.output<1>().data() == run.output<guide::tones>().data());
  CHECK(run.output<guide::subjects>()(0, 1) > 5);
  CHECK(run.output<guide::tones>()(0, 1) < -5);
}

TEST_CASE("a model of two new heads is saved and loaded with the same weights") {
  const folder to;
  const auto m = model_type::random({.stddev = 0.1f, .seed = 4});
  bert::save(to.path, m);
  CHECK(std::ranges::equal(bert::checkpoint(to.path).load<model_type>().block(), m.block()));
}
