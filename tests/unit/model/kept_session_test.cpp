// What a session keeps of its layers, against the tape's hidden states and projections.
#include <doctest/doctest.h>

#include <cmath>

#include "../../support/small_models.hpp"
#include "bert/model/session.hpp"
#include "bert/model/tape.hpp"
#include "support/largest.hpp"

namespace {
using bert::matrix, bert::taps;
struct long_pocket : bert::architecture_of<bert::dims{
                         .vocab = 131, .hidden = 40, .layers = 3, .heads = 5, .intermediate = 56, .positions = 64}> {};
using model_type = bert::model<long_pocket, bert::heads::next_sentence>;

double apart(matrix<const float> a, matrix<const float> b) {
  support::largest most;
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.cols; ++j) most.add(std::abs(static_cast<double>(a(i, j)) - static_cast<double>(b(i, j))));
  return most.value();
}
template <class P>
double error_of(const model_type& m, const bert::token_batch& batch, taps kept) {
  const auto frozen = bert::freeze<P>(m);
  auto run = frozen.session({.sequences = 60, .tokens = 3'000}, bert::execution::threads{2}, kept);
  bert::tape<model_type> tape({.sequences = 60, .tokens = 3'000}, m.sizes(),
                              {.taps = taps::all_hidden() | taps::all_projections()});
  run(batch);
  tape.forward(bert::execution::serial{}, m, batch);
  support::largest most;
  for (std::size_t l = 0; l <= 3; ++l)
    if (kept.of(3).reads_hidden(l)) most.add(apart(run.hidden(l), tape.hidden(l)));
  for (std::size_t l = 0; l < 3; ++l)
    if (kept.of(3).reads_projections(l)) most.add(apart(run.projections(l), tape.projections(l)));
  return most.value();
}
}  // namespace

TEST_CASE("a session keeps hidden states and projections of the layers asked for, over several slices, in every precision") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 3});
  bert::token_batch batch;
  for (std::size_t i = 0; i < 60; ++i) batch.add(support::ids(i, 30 + i % 20));  // more than a slice
  const taps all = taps::all_hidden() | taps::all_projections();
  CHECK(error_of<bert::precision::f32>(m, batch, all) < 1e-4);
  CHECK(error_of<bert::precision::f32>(m, batch, taps::hidden(1) | taps::last_projections()) < 1e-4);
  CHECK(error_of<bert::precision::bf16>(m, batch, all) < 0.15);
  CHECK(error_of<bert::precision::int8>(m, batch, all) < 0.3);
  CHECK(error_of<bert::precision::int8>(m, batch, all) > 1e-4);
}

TEST_CASE("taps of a model that is not known are those of its layers") {
  static_assert((taps::last_hidden() | taps::last_projections()).of(3) == (taps::hidden(3) | taps::projections(2)));
  static_assert(taps::all_hidden().of(2) == (taps::hidden(0) | taps::hidden(1) | taps::hidden(2)));
  static_assert(taps::all_projections().of(1) == taps::projections(0));
  static_assert(taps{}.of(3) == taps{} && !taps{}.any() && taps::last_hidden().any());
  CHECK(taps::projections(1).of(2) == taps::projections(1));
}
