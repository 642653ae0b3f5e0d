#include "bert/model/taps.hpp"

#include <doctest/doctest.h>

#include "../../support/small_models.hpp"
#include "support/matrices.hpp"
#include "support/slopes.hpp"

namespace {
using bert::taps, bert::tape, bert::matrix;
using support::pocket;
using model_type = bert::model<pocket, bert::heads::next_sentence>;

constexpr taps all = taps::hidden(0) | taps::hidden(1) | taps::hidden(2) | taps::projections(0) | taps::projections(1);
static_assert(all.reads_hidden(2) && !all.reads_hidden(3) && all.reads_projections(1) && !all.reads_projections(2));
static_assert(all.any() && !taps{}.any() && taps::hidden(1) != taps::projections(1));
static_assert((taps::hidden(1) | taps::hidden(2)) == (taps::hidden(2) | taps::hidden(1)));

// A tap costs the gradient of the tapped values and, for projections with recomputed activations, a copy.
constexpr bert::batch_shape shape{.sequences = 2, .tokens = 32};
template <class Activations>
constexpr std::size_t cost(taps t) {
  return (bert::tape_bytes<model_type, Activations>(shape, {.vocab = pocket::vocab}, {.taps = t}) -
          bert::tape_bytes<model_type, Activations>(shape)) /
         sizeof(float);
}
static_assert(cost<bert::activations::keep>(taps::hidden(1)) == 32 * 40);
static_assert(cost<bert::activations::keep>(taps::projections(1)) == 32 * 120);
static_assert(cost<bert::activations::recompute>(taps::hidden(2)) == 32 * 40);
static_assert(cost<bert::activations::recompute>(taps::projections(0)) == 2 * 32 * 120);

bert::token_batch two_sequences() {
  bert::token_batch b;
  b.add(support::ids(1, 9));
  b.add(support::ids(2, 17));
  return b;
}
const bert::step_noise noise{0.1f, 0.1f, 77};

/// Coefficients of the tapped values in a linear loss, for the tap with index `site`.
float coefficient(std::size_t site, std::size_t n, std::size_t j) {
  return bert::random_stream(5, bert::draw::user, site * 100'000 + n * 1'000 + j).normal() * 0.1f;
}
/// Adds to `d` the gradient of sum_nj c[n,j] x[n,j] and returns the sum.
double push(matrix<const float> x, matrix<float> d, std::size_t site) {
  double sum = 0;
  for (std::size_t n = 0; n < x.rows; ++n)
    for (std::size_t j = 0; j < x.cols; ++j) {
      const float c = coefficient(site, n, j);
      d(n, j) += c;
      sum += static_cast<double>(c) * static_cast<double>(x(n, j));
    }
  return sum;
}
/// The loss over everything tapped; it does not read the head.
double push_all(tape<model_type>& t, taps tapped) {
  double loss = 0;
  for (std::size_t l = 0; l <= 2; ++l)
    if (tapped.reads_hidden(l)) loss += push(t.hidden(l), t.d_hidden(l), l);
  for (std::size_t l = 0; l < 2; ++l)
    if (tapped.reads_projections(l)) loss += push(t.projections(l), t.d_projections(l), 3 + l);
  const auto logits = t.head<0>().logits();
  for (std::size_t s = 0; s < logits.rows; ++s) std::fill_n(logits.row(s), logits.cols, 0.0f);
  return loss;
}
}  // namespace

TEST_CASE("gradients added at every layer's hidden states and projections give the slopes of a loss over them") {
  auto m = model_type::random({.stddev = 0.2f, .seed = 3});
  const auto batch = two_sequences();
  for (const taps tapped : {all, taps::hidden(1), taps::hidden(2), taps::projections(0)}) {
    tape<model_type> t(batch.shape(), m.sizes(), {.taps = tapped});
    const auto loss = [&] {
      t.forward(bert::execution::serial{}, m, batch, noise);
      return push_all(t, tapped);
    };
    loss();
    bert::buffer<float> gradients(m.block().size());
    t.backward(bert::execution::serial{}, m, batch, gradients.data(), noise);
    CHECK(support::slope_error(m, gradients.data(), loss) < 0.03);
  }
}

TEST_CASE("tapped values and gradients have the same bits with activations kept and recomputed") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 3});
  const auto batch = two_sequences();
  const auto results = [&](auto t) {
    std::vector<float> out(m.block().size());
    t.forward(bert::execution::threads{2}, m, batch, noise);
    for (std::size_t l = 0; l <= 2; ++l) {
      const auto x = support::elements(t.hidden(l));
      out.insert(out.end(), x.begin(), x.end());
    }
    for (std::size_t l = 0; l < 2; ++l) {
      const auto x = support::elements(t.projections(l));
      out.insert(out.end(), x.begin(), x.end());
    }
    push_all(t, all);
    t.backward(bert::execution::threads{2}, m, batch, out.data(), noise);
    return out;
  };
  const auto kept = results(tape<model_type, bert::activations::keep>(batch.shape(), m.sizes(), {.taps = all}));
  CHECK(results(tape<model_type, bert::activations::recompute>(batch.shape(), m.sizes(), {.taps = all})) == kept);
}

TEST_CASE("the projections of a layer are its query, key and value weights times its input") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 3});
  const auto batch = two_sequences();
  tape<model_type> t(batch.shape(), m.sizes(), {.taps = taps::projections(1)});
  t.forward(bert::execution::serial{}, m, batch);
  std::vector<double> expected;
  const auto x = t.hidden(1);
  for (std::size_t n = 0; n < x.rows; ++n)
    for (const char* name : {"query", "key", "value"}) {
      const auto w = m.values("bert.encoder.layer.1.attention.self." + std::string(name) + ".weight");
      for (std::size_t i = 0; i < 40; ++i) {
        double sum = 0;
        for (std::size_t j = 0; j < 40; ++j) sum += static_cast<double>(w[i * 40 + j]) * static_cast<double>(x(n, j));
        expected.push_back(sum);
      }
    }
  CHECK(support::largest_difference(support::elements(t.projections(1)), expected) < 1e-5);
}

TEST_CASE("a tap to which nothing is added changes no gradient, and a forward pass clears what was added before") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 3});
  const auto batch = two_sequences();
  const auto gradients = [&](taps tapped, bool push_first) {
    tape<model_type> t(batch.shape(), m.sizes(), {.taps = tapped});
    std::vector<float> out(m.block().size());
    if (push_first) {
      t.forward(bert::execution::serial{}, m, batch, noise);
      push_all(t, tapped);
    }
    t.forward(bert::execution::serial{}, m, batch, noise);
    t.backward(bert::execution::serial{}, m, batch, out.data(), noise);  // the logits serve as their own gradient
    return out;
  };
  const auto plain = gradients({}, false);
  CHECK(gradients(taps::hidden(1) | taps::projections(0), false) == plain);
  CHECK(gradients(taps::hidden(1) | taps::projections(0), true) == plain);
}

TEST_CASE("a tapped layer among frozen ones keeps its own projections") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 3});
  const auto batch = two_sequences();
  const auto projections = [&](int lowest) {
    tape<model_type> t(batch.shape(), m.sizes(), {.taps = taps::projections(0), .lowest = lowest});
    t.forward(bert::execution::serial{}, m, batch);
    return support::elements(t.projections(0));
  };
  CHECK(projections(2) == projections(bert::lowest_is_embeddings));
}
