#include <doctest/doctest.h>

#include "../../support/allocations.hpp"
#include "../../support/small_models.hpp"
#include "bert/heads/token_linear.hpp"
#include "bert/layers/precision_split.hpp"
#include "bert/model/presets.hpp"
#include "bert/model/tape.hpp"
#include "support/largest.hpp"

namespace {
using support::pocket;
using masked = bert::model<pocket, bert::heads::masked_lm, bert::heads::next_sentence>;

bert::token_batch batch_of(std::initializer_list<std::size_t> numbers, std::size_t shortest = 3) {
  bert::token_batch b;
  for (const auto n : numbers) b.add(support::ids(n, shortest + 7 * n % 50));
  for (std::size_t i = 0; i < b.tokens(); i += 5) b.score(i);
  return b;
}
struct backwards {
  void parallel_for(std::size_t count, auto&& body) const {
    for (std::size_t i = count; i-- > 0;) body(i);
  }
  [[nodiscard]] std::size_t width() const { return 5; }
};
struct sized : bert::heads::token_linear<"sized.weight", "sized.bias", 1> {
  static constexpr bool reads_longest = true;
};
struct unsized : bert::heads::token_linear<"unsized.weight", "unsized.bias", 1> {};
std::vector<float> copy(std::span<const float> x) { return {x.begin(), x.end()}; }
}  // namespace

static_assert(bert::session_bytes<bert::model<pocket>>({.sequences = 8, .tokens = 256}) < 1'000'000);
static_assert(bert::session_bytes<bert::model<pocket>, bert::precision::bf16>({.sequences = 8, .tokens = 256}) <
              bert::session_bytes<bert::model<pocket>>({.sequences = 8, .tokens = 256}));
static_assert(bert::session_bytes<bert::model<pocket>>({.sequences = 8, .tokens = 512}) >
              bert::session_bytes<bert::model<pocket>>({.sequences = 8, .tokens = 256}));

// Linear in the length of a sequence: no T x T matrix. Beyond a slice a token costs its output only.
constexpr auto base_bytes = [](std::size_t tokens) {
  return bert::session_bytes<bert::model<bert::arch::base_uncased>>({.sequences = 1, .tokens = tokens});
};
static_assert(base_bytes(512) - base_bytes(256) == 2 * (base_bytes(256) - base_bytes(128)));
static_assert(base_bytes(16'384) - base_bytes(8'192) == 8'192 * 768 * sizeof(float));

TEST_CASE_TEMPLATE("a sequence's outputs have the same bits with any other sequences in the batch", P, bert::precision::f32,
                   bert::precision::bf16, bert::precision::int8, bert::precision::bf16x6) {
  const auto frozen = bert::freeze<P>(masked::random({.stddev = 0.1f, .seed = 2}));
  const auto together = batch_of({4, 1, 6, 3, 2});
  auto run = frozen.session(together.shape());
  run(together);
  const auto hidden = copy(run.hidden().flat());
  for (std::size_t s = 0; s < together.sequences(); ++s) {
    bert::token_batch alone;
    alone.add(together[s]);
    auto single = frozen.session(alone.shape());
    single(alone);
    const auto part = single.hidden().flat();
    CHECK(std::equal(part.begin(), part.end(), hidden.begin() + static_cast<std::ptrdiff_t>(together.starts()[s] * 40)));
  }
}

TEST_CASE_TEMPLATE("a batch of several slices gives the bits of its sequences alone", P, bert::precision::f32,
                   bert::precision::bf16, bert::precision::int8, bert::precision::bf16x6) {
  const auto frozen = bert::freeze<P>(masked::random({.stddev = 0.1f, .seed = 2}));
  bert::token_batch batch;
  for (std::size_t s = 0; s < 90; ++s) batch.add(support::ids(s, 1 + (s * 29) % 64));
  REQUIRE(batch.tokens() > 2 * bert::slice_tokens<pocket>(batch.shape()));
  for (std::size_t i = 0; i < batch.tokens(); i += 97) batch.score(i);
  auto run = frozen.session(batch.shape(), bert::execution::threads{2});
  run(batch);
  const auto hidden = copy(run.hidden().flat()), next = copy(run.template output<bert::heads::next_sentence>().flat());
  for (std::size_t s = 0; s < batch.sequences(); ++s) {
    bert::token_batch alone;
    alone.add(batch[s]);
    auto single = frozen.session(alone.shape());
    single(alone);
    const auto part = single.hidden().flat(), answer = single.template output<bert::heads::next_sentence>().flat();
    CHECK(std::equal(part.begin(), part.end(), hidden.begin() + static_cast<std::ptrdiff_t>(batch.starts()[s] * 40)));
    CHECK(std::equal(answer.begin(), answer.end(), next.begin() + static_cast<std::ptrdiff_t>(2 * s)));
  }
}

TEST_CASE_TEMPLATE("the outputs have the same bits with 1, 2 and 3 threads", P, bert::precision::f32, bert::precision::bf16,
                   bert::precision::bf16x3, bert::precision::int8) {
  const auto frozen = bert::freeze<P>(masked::random({.stddev = 0.1f, .seed = 2}));
  const auto batch = batch_of({4, 1, 6, 3, 2});
  auto one = frozen.session(batch.shape());
  const auto logits = copy(one(batch).flat()), hidden = copy(one.hidden().flat()),
             next = copy(one.template output<bert::heads::next_sentence>().flat());
  CHECK(logits.size() == batch.scored().size() * 131);
  for (const std::size_t n : {2u, 3u}) {
    auto many = frozen.session(batch.shape(), bert::execution::threads{n});
    CHECK(copy(many(batch).flat()) == logits);
    CHECK(copy(many.hidden().flat()) == hidden);
    CHECK(copy(many.template output<bert::heads::next_sentence>().flat()) == next);
  }
}

TEST_CASE_TEMPLATE("a session does not allocate after construction, and the test's counter detects allocations", P,
                   bert::precision::f32, bert::precision::bf16, bert::precision::int8) {
  const auto frozen = bert::freeze<P>(masked::random({.seed = 2}));
  const auto large = batch_of({4, 1, 6, 3, 2}), small = batch_of({1, 2});
  auto serial = frozen.session(large.shape());
  auto parallel = frozen.session(large.shape(), bert::execution::threads{2});
  const std::size_t before = support::allocations;
  serial(large);
  serial(small);
  parallel(large);
  parallel(small);
  CHECK(support::allocations == before);
  ::operator delete(::operator new(100));  // called by name, as a new expression may be optimized away
  CHECK(support::allocations == before + (support::counts_allocations ? 1 : 0));
}

TEST_CASE("an executor of the user runs a session") {
  const auto frozen = bert::freeze(masked::random({.stddev = 0.1f, .seed = 2}));
  const auto batch = batch_of({4, 1});
  auto one = frozen.session(batch.shape());
  auto other = frozen.session(batch.shape(), backwards{});
  CHECK(copy(one(batch).flat()) == copy(other(batch).flat()));
}

TEST_CASE("the error for a batch that does not fit says what was expected and found") {
  const auto frozen = bert::freeze(masked::random({.seed = 2}));
  auto run = frozen.session({.sequences = 2, .tokens = 20});
  bert::token_batch b;
  CHECK_THROWS_WITH_AS(run(b), doctest::Contains("an empty batch"), bert::error);
  b.add(support::ids(1, 21));
  CHECK_THROWS_WITH_AS(run(b), doctest::Contains("21 tokens"), bert::error);
  auto wide = frozen.session({.sequences = 2, .tokens = 200});
  bert::token_batch overlong;
  overlong.add(support::ids(1, 65));
  CHECK_THROWS_WITH_AS(wide(overlong), doctest::Contains("at most 64 tokens"), bert::error);
  bert::token_batch stranger;
  stranger.add(std::array{1, 131});
  CHECK_THROWS_WITH_AS(wide(stranger), doctest::Contains("an id from 0 to 130, found 131"), bert::error);
  bert::token_batch segment;
  segment.add(std::array{1, 2}, std::array<bert::segment_id, 2>{0, 2});
  CHECK_THROWS_WITH_AS(wide(segment), doctest::Contains("a segment from 0 to 1"), bert::error);
}

TEST_CASE("a sequence longer than the capacity's longest is an error only if a head sizes its buffers by it") {
  const bert::batch_shape shape{.sequences = 2, .tokens = 40, .longest = 10};
  bert::token_batch short_ones, long_one;
  short_ones.add(support::ids(1, 10));
  long_one.add(support::ids(1, 11));

  const auto by_length = bert::model<pocket, sized>::random({.seed = 1});
  const auto frozen = bert::freeze(by_length);
  auto run = frozen.session(shape);
  CHECK(run(short_ones).rows() == 10);
  CHECK_THROWS_WITH_AS(run(long_one), doctest::Contains("10 tokens per sequence"), bert::error);
  bert::tape<bert::model<pocket, sized>> tape(shape, by_length.sizes());
  CHECK_THROWS_WITH_AS(tape.forward(bert::execution::serial{}, by_length, long_one),
                       doctest::Contains("10 tokens per sequence"), bert::error);
  CHECK(frozen.session({.sequences = 1, .tokens = 1'000}).capacity().longest == pocket::positions);

  const auto other = bert::freeze(bert::model<pocket, unsized>::random({.seed = 1}));
  auto any = other.session(shape);
  CHECK(any(long_one).rows() == 11);
}

TEST_CASE("a frozen model does not change with the model that it was packed from") {
  auto model = bert::model<pocket>::random({.seed = 2});
  const auto frozen = bert::freeze(model);
  const auto batch = batch_of({4});
  auto run = frozen.session(batch.shape());
  const auto before = copy(run(batch).flat());
  std::fill(model.block().begin(), model.block().end(), 0.0f);
  CHECK(copy(run(batch).flat()) == before);
}

TEST_CASE("a head without packed weights in bf16 stays in f32 and reads the bf16 encoder's output") {
  const auto frozen = bert::freeze<bert::precision::bf16>(masked::random({.stddev = 0.1f, .seed = 2}));
  static_assert(std::same_as<decltype(frozen.head<bert::heads::next_sentence>().weight), bert::kernels::packed>);
  static_assert(std::same_as<decltype(frozen.head<bert::heads::masked_lm>().decoder), bert::kernels::packed_bf16>);
  const auto batch = batch_of({4, 1});
  auto run = frozen.session(batch.shape());
  run(batch);
  const auto& head = frozen.head<bert::heads::next_sentence>();
  std::array<float, 4> logits{};
  bert::kernels::gemm(bert::execution::serial{}, run.pooled().as_matrix(), head.weight,
                      bert::kernels::epilogue::bias{bert::matrix<float>{logits.data(), 2, 2}, head.bias});
  CHECK(copy(run.output<bert::heads::next_sentence>().flat()) == copy(logits));
}

TEST_CASE("hidden states in int8 are close to f32 but not equal, and the masked-LM decoder is int8") {
  const auto model = masked::random({.stddev = 0.1f, .seed = 2});
  const auto full = bert::freeze(model);
  const auto bytes = bert::freeze<bert::precision::int8>(model);
  static_assert(std::same_as<decltype(bytes.head<bert::heads::masked_lm>().decoder), bert::kernels::packed_int8>);
  static_assert(std::same_as<decltype(bytes.head<bert::heads::next_sentence>().weight), bert::kernels::packed>);
  const auto batch = batch_of({4, 1, 6, 3, 2});
  auto one = full.session(batch.shape());
  auto other = bytes.session(batch.shape());
  one(batch);
  other(batch);
  const auto expected = one.hidden(), found = other.hidden();
  support::largest from_one, to_one;
  for (std::size_t n = 0; n < batch.tokens(); ++n) {
    double dot = 0, a = 0, b = 0;
    for (std::size_t i = 0; i < pocket::hidden; ++i) {
      const double x = expected(n, i), y = found(n, i);
      dot += x * y, a += x * x, b += y * y;
    }
    from_one.add(1 - dot / std::sqrt(a * b));
    to_one.add(dot / std::sqrt(a * b));
  }
  CHECK(from_one.value() < 0.002);
  CHECK(to_one.value() < 1 - 1e-7);
}
