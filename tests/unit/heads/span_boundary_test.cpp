#include "bert/heads/span_boundary.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "../../support/matrices.hpp"
#include "../../support/small_models.hpp"

namespace {
using model_type = bert::model<support::pocket, bert::heads::span_boundary>;
}  // namespace

TEST_CASE("a span is a run of scored positions of one sequence, between the tokens around it or its own ends") {
  bert::token_batch batch;
  batch.add(support::ids(1, 8));
  batch.add(support::ids(2, 5));
  for (const std::size_t p : {0u, 2u, 3u, 4u, 7u, 8u, 9u, 12u}) batch.score(p);
  std::vector<std::array<std::uint32_t, 3>> found;
  bert::heads::for_each_span_place(batch, [&](std::size_t r, const bert::heads::span_place& p) {
    CHECK(r == found.size());
    found.push_back({p.left, p.right, p.offset});
  });
  using place = std::array<std::uint32_t, 3>;
  CHECK(found ==
        std::vector<place>{{0, 1, 0}, {1, 5, 0}, {1, 5, 1}, {1, 5, 2}, {6, 7, 0}, {8, 10, 0}, {8, 10, 1}, {11, 12, 0}});
}

TEST_CASE("the tape's logits are the session's, in f32 to rounding, and none without scored positions") {
  const auto model = model_type::random({.stddev = 0.2f, .seed = 8});
  const auto frozen = bert::freeze(model);
  bert::token_batch batch;
  batch.add(support::ids(1, 30));
  batch.add(support::ids(2, 9));
  auto run = frozen.session({.sequences = 2, .tokens = 39});
  CHECK(run(batch).rows() == 0);
  for (const std::size_t p : {2u, 3u, 11u, 29u, 30u, 31u}) batch.score(p);
  bert::tape<model_type> tape(batch.shape(), model.sizes());
  tape.forward(bert::execution::threads{2}, model, batch);
  const auto logits = tape.head<bert::heads::span_boundary>().logits();
  const auto expected = run(batch);
  REQUIRE(logits.rows == 6);
  REQUIRE(expected.rows() == 6);
  for (std::size_t r = 0; r < 6; ++r)
    for (std::size_t v = 0; v < logits.cols; ++v)
      CHECK(logits(r, v) == doctest::Approx(static_cast<double>(expected(r, v))).epsilon(1e-4));
  const auto rounded = bert::freeze<bert::precision::bf16>(model);
  auto rough = rounded.session(batch.shape());
  const auto close = rough(batch);
  double error = 0, size = 0;
  for (std::size_t r = 0; r < 6; ++r)
    for (std::size_t v = 0; v < logits.cols; ++v) {
      error = std::max(error, std::abs(static_cast<double>(close(r, v) - logits(r, v))));
      size = std::max(size, std::abs(static_cast<double>(logits(r, v))));
    }
  CHECK(error < 0.05 * size);
}

TEST_CASE("the token that a span hides does not change its logits' inputs but through the encoder; its place does") {
  const auto model = model_type::random({.stddev = 0.2f, .seed = 8});
  bert::token_batch batch;
  batch.add(support::ids(1, 30));
  for (const std::size_t p : {5u, 6u}) batch.score(p);
  bert::tape<model_type> tape(batch.shape(), model.sizes());
  tape.forward(bert::execution::serial{}, model, batch);
  const auto logits = tape.head<bert::heads::span_boundary>().logits();
  double differ = 0;  // both rows have the same two tokens around them
  for (std::size_t v = 0; v < logits.cols; ++v)
    differ = std::max(differ, std::abs(static_cast<double>(logits(0, v) - logits(1, v))));
  CHECK(differ > 1e-3);
}
