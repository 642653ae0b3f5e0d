// The tape's contract. Its gradients are compared with PyTorch in tests/unit/training/golden_test.cpp.
#include "bert/model/tape.hpp"

#include <doctest/doctest.h>

#include "../../support/matrices.hpp"
#include "../../support/small_models.hpp"
#include "bert/model/presets.hpp"

namespace {
using model_type = bert::model<support::pocket, bert::heads::masked_lm, bert::heads::next_sentence>;

bert::token_batch two_sequences() {
  bert::token_batch b;
  b.add(support::ids(1, 9));
  b.add(support::ids(2, 17));
  for (const std::size_t position : {1u, 5u, 20u}) b.score(position);
  return b;
}

/// Computes nothing, but reads every row, so that the last layer computes all of them.
struct reader {
  static constexpr bool reads_pooler = false;
  template <class>
  static constexpr auto parameters() {
    return std::array<bert::parameter, 0>{};
  }
  template <class>
  struct packed {};
  template <class>
  struct workspace {};
  template <class A>
  struct tape {
    constexpr tape(bert::carver&, const bert::batch_shape&, const bert::open_sizes&) noexcept {}
    template <bert::executor E>
    void forward(const E&, const bert::module_parameters<const float>&, const bert::encoded&,
                 const bert::step_noise&) noexcept {}
    template <bert::executor E>
    void backward(const E&, const bert::module_parameters<const float>&, const bert::module_parameters<float>&,
                  const bert::encoded&, bert::matrix<float>, bert::matrix<float>, const bert::step_noise&) noexcept {}
  };
};
}  // namespace

static_assert(bert::tape_bytes<model_type>({.sequences = 2, .tokens = 64}) >
              bert::tape_bytes<model_type>({.sequences = 2, .tokens = 32}));

// A step of bert-base on 8 x 128 tokens; weights, gradients and moments take another 1.76 GB.
using base = bert::model<bert::arch::base_uncased, bert::heads::masked_lm, bert::heads::next_sentence>;
constexpr bert::batch_shape eight_by_128{.sequences = 8, .tokens = 1024, .scored = 154, .longest = 128};
static_assert(bert::tape_bytes<base>(eight_by_128) < 560'000'000);
static_assert(bert::tape_bytes<base, bert::activations::recompute>(eight_by_128) < 150'000'000);

TEST_CASE("without dropout the tape's logits have the bits of a session's") {
  const auto model = model_type::random({.stddev = 0.1f, .seed = 3});
  const auto batch = two_sequences();
  bert::tape<model_type> tape(batch.shape(), model.sizes());
  tape.forward(bert::execution::serial{}, model, batch);
  const auto frozen = bert::freeze(model);
  auto run = frozen.session(batch.shape());
  const auto expected = run(batch);
  const auto found = tape.head<bert::heads::masked_lm>().logits();
  CHECK(found.rows == 3);
  CHECK(std::ranges::equal(expected, support::elements(found)));
  const auto next = run.output<bert::heads::next_sentence>();
  CHECK(std::equal(next.begin(), next.end(), tape.head<bert::heads::next_sentence>().logits().data));
}

/// Asks for all heads, so that their logits, as they are, serve as their own gradient.
template <class Tape>
void ask(Tape& tape) {
  (void)tape.template head<0>();
  (void)tape.template head<1>();
}

TEST_CASE("backward adds: two calls give twice the gradient") {
  const auto model = model_type::random({.stddev = 0.1f, .seed = 3});
  const auto batch = two_sequences();
  bert::tape<model_type> tape(batch.shape(), model.sizes());
  bert::buffer<float> once(model.block().size()), twice(model.block().size());
  const auto pass = [&](bert::buffer<float>& gradients) {
    tape.forward(bert::execution::serial{}, model, batch);
    ask(tape);
    tape.backward(bert::execution::serial{}, model, batch, gradients.data());
  };
  pass(once);
  pass(twice);
  pass(twice);
  CHECK(std::count(once.begin(), once.end(), 0.0f) < static_cast<std::ptrdiff_t>(once.size() / 2));
  for (std::size_t i = 0; i < once.size(); ++i)
    CHECK(twice[i] == doctest::Approx(2.0 * static_cast<double>(once[i])).epsilon(1e-3));
}

TEST_CASE("a tape that recomputes activations gives the bits of one that keeps them, with dropout") {
  const auto model = model_type::random({.stddev = 0.1f, .seed = 3});
  const auto batch = two_sequences();
  const auto gradients_of = [&](auto tape) {
    const bert::step_noise noise{0.1f, 0.1f, 77};
    bert::buffer<float> out(model.block().size());
    tape.forward(bert::execution::threads{2}, model, batch, noise);
    ask(tape);
    tape.backward(bert::execution::threads{2}, model, batch, out.data(), noise);
    return std::vector<float>(out.begin(), out.end());
  };
  const auto kept = gradients_of(bert::tape<model_type, bert::activations::keep>(batch.shape(), model.sizes()));
  CHECK(gradients_of(bert::tape<model_type, bert::activations::recompute>(batch.shape(), model.sizes())) == kept);
  CHECK(gradients_of(bert::tape<model_type>(batch.shape(), model.sizes())) == kept);
  CHECK(std::count(kept.begin(), kept.end(), 0.0f) < static_cast<std::ptrdiff_t>(kept.size() / 2));
}

TEST_CASE("rows of the last layer that no head reads are skipped, which changes no bit of any logit or gradient") {
  using everywhere = bert::model<support::pocket, bert::heads::masked_lm, bert::heads::next_sentence, reader>;
  static_assert(!bert::reads_all_rows<bert::heads::masked_lm> && !bert::reads_all_rows<bert::heads::next_sentence> &&
                bert::reads_all_rows<reader>);
  const auto batch = two_sequences();
  const auto results = [&]<class Model>(const Model& model) {
    bert::tape<Model> tape(batch.shape(), model.sizes());
    std::vector<float> out(model.block().size());
    tape.forward(bert::execution::threads{2}, model, batch);
    const auto logits = tape.template head<bert::heads::masked_lm>().logits();
    const std::vector<float> copy = support::elements(logits);
    ask(tape);
    tape.backward(bert::execution::threads{2}, model, batch, out.data());
    out.insert(out.end(), copy.begin(), copy.end());
    return out;
  };
  const auto some = results(model_type::random({.stddev = 0.1f, .seed = 3})),
             all = results(everywhere::random({.stddev = 0.1f, .seed = 3}));
  CHECK(some == all);
  CHECK(std::count(some.begin(), some.end(), 0.0f) < static_cast<std::ptrdiff_t>(some.size() / 2));
}

TEST_CASE("gradients overwrite the old content, or are added to it") {
  const auto model = model_type::random({.stddev = 0.1f, .seed = 3});
  const auto batch = two_sequences();
  bert::tape<model_type> tape(batch.shape(), model.sizes());
  const auto pass = [&](float start, bert::gradients how) {
    bert::buffer<float> out(model.block().size());
    std::fill(out.begin(), out.end(), start);
    tape.forward(bert::execution::serial{}, model, batch);
    ask(tape);
    tape.backward(bert::execution::serial{}, model, batch, out.data(), {}, how);
    std::vector<float> values;  // without the gaps between tensors
    for (const auto& p : model.table()) values.insert(values.end(), out.begin() + p.offset, out.begin() + p.offset + p.count());
    return values;
  };
  const auto added = pass(0.0f, bert::gradients::added);
  CHECK(pass(7.0f, bert::gradients::written) == added);
  CHECK(pass(7.0f, bert::gradients::added) != added);
}

TEST_CASE("dropout changes the logits, identically for the same key, and rate 0 does not") {
  const auto model = model_type::random({.stddev = 0.1f, .seed = 3});
  const auto batch = two_sequences();
  bert::tape<model_type> tape(batch.shape(), model.sizes());
  const auto logits = [&](const bert::step_noise& noise) {
    tape.forward(bert::execution::serial{}, model, batch, noise);
    return support::elements(tape.head<bert::heads::masked_lm>().logits());
  };
  const auto plain = logits({});
  CHECK(logits({0, 0, 77}) == plain);
  CHECK(logits({0.1f, 0, 77}) != plain);
  CHECK(logits({0, 0.1f, 77}) != plain);
  CHECK(logits({0.1f, 0.1f, 77}) == logits({0.1f, 0.1f, 77}));
  CHECK(logits({0.1f, 0.1f, 77}) != logits({0.1f, 0.1f, 78}));
}

TEST_CASE("a batch beyond the tape's capacity is an error") {
  const auto model = model_type::random({.seed = 3});
  bert::tape<model_type> tape({.sequences = 2, .tokens = 20}, model.sizes());
  CHECK_THROWS_WITH_AS(tape.forward(bert::execution::serial{}, model, two_sequences()), doctest::Contains("26 tokens"),
                       bert::error);
}
