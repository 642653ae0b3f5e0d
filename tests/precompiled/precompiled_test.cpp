// bert::precompiled compared with PyTorch and with itself, at every level that this processor runs.
// Layer: tests.
#include "bert/precompiled.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "bert/pipeline/embedder.hpp"
#include "precompiled/models.hpp"
#include "support/golden.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using precompiled::encoder;
using precompiled::level;

namespace {

const std::vector<std::string> sentences{"the cat sat on the mat.", "a red film is very bad", "", "moon",
                                         "it was not a good dog!"};

std::vector<level> here() { return {precompiled::levels().begin(), precompiled::levels().end()}; }

// The golden batch as sequences, which refer to `batch`.
std::vector<precompiled::sequence> sequences_of(const token_batch& batch) {
  std::vector<precompiled::sequence> out;
  for (std::size_t s = 0; s < batch.sequences(); ++s) out.push_back({batch[s], batch.segments(s)});
  return out;
}

}  // namespace

TEST_CASE("this processor runs at least the lowest level, and levels are in increasing order, but BF16 before VNNI on Intel") {
  REQUIRE(!here().empty());
  CHECK(here().front() == level::v2);
  const bool intel = __builtin_cpu_is("intel") != 0;
  CHECK(std::ranges::is_sorted(here(), {},
                               [=](level l) { return intel && l == level::v4_bf16 ? 7 : 2 * static_cast<int>(l) + 2; }));
  CHECK(encoder::open(golden::folder("encoder")).runs_on() == here().back());
}

TEST_CASE("at every level, pooled vectors are within 2e-5 of PyTorch's") {
  const io::safetensors file(golden::folder("encoder") / "golden.safetensors");
  const auto batch = golden::batch(file, "eval");
  const auto sequences = sequences_of(batch);
  for (const level l : here()) {
    CAPTURE(precompiled::name_of(l));
    const auto encode = encoder::open(golden::folder("encoder"), {.on = l});
    CHECK(encode.runs_on() == l);
    CHECK(encode.model() == "golden::plain");
    CHECK(encode.dimension() == 24);
    using enum precompiled::pooling;
    CHECK(golden::largest_difference(encode.embed(sequences, mean).values(), golden::floats(file, "eval.mean")) <= 2e-5);
    CHECK(golden::largest_difference(encode.embed(sequences, max).values(), golden::floats(file, "eval.max")) <= 2e-5);
    CHECK(golden::largest_difference(encode.embed(sequences, cls).values(), golden::floats(file, "eval.cls")) <= 2e-5);
  }
}

TEST_CASE("at every level, hidden states equal those of the headers in this file, compiled with other flags") {
  const io::safetensors file(golden::folder("encoder") / "golden.safetensors");
  const auto batch = golden::batch(file, "eval");
  const auto frozen = freeze(checkpoint(golden::folder("encoder")).load<model<golden::plain>>());
  auto run = frozen.session(batch.shape());
  const matrix<const float> expected = run(batch);
  for (const level l : here()) {
    CAPTURE(precompiled::name_of(l));
    const auto hidden = encoder::open(golden::folder("encoder"), {.on = l}).hidden(sequences_of(batch));
    REQUIRE(hidden.size() == batch.tokens());
    CHECK(golden::largest_difference(hidden.values(), std::span(expected.data, expected.rows * expected.cols)) <= 2e-5);
  }
}

TEST_CASE("at every level, bf16 and int8 differ from f32, but little") {
  const io::safetensors file(golden::folder("encoder") / "golden.safetensors");
  const auto batch = golden::batch(file, "eval");
  using enum precompiled::precision;
  for (const level l : here()) {
    CAPTURE(precompiled::name_of(l));
    const auto off = [&](precompiled::precision precision) {
      const auto encode = encoder::open(golden::folder("encoder"), {.precision = precision, .on = l});
      return golden::largest_difference(encode.embed(sequences_of(batch)).values(), golden::floats(file, "eval.mean"));
    };
    CHECK(off(bf16) > 1e-4);
    CHECK(off(bf16) < 2e-2);
    CHECK(off(int8) > off(bf16));
    CHECK(off(int8) < 5e-2);
  }
}

TEST_CASE("at every level, a sequence has the same bits in bf16 and int8 in any batch and on two threads") {
  const io::safetensors file(golden::folder("encoder") / "golden.safetensors");
  const auto batch = golden::batch(file, "eval");
  const auto sequences = sequences_of(batch);
  using enum precompiled::precision;
  for (const level l : here())
    for (const auto precision : {bf16, int8}) {
      CAPTURE(precompiled::name_of(l));
      const auto encode = encoder::open(golden::folder("encoder"), {.precision = precision, .on = l});
      const auto all = encode.embed(sequences);
      const auto threaded =
          encoder::open(golden::folder("encoder"), {.precision = precision, .threads = 2, .on = l}).embed(sequences);
      CHECK(std::ranges::equal(all.values(), threaded.values()));
      for (std::size_t s = 0; s < sequences.size(); ++s)
        CHECK(std::ranges::equal(encode.embed(std::array{sequences[s]})[0], all[s]));
    }
}

TEST_CASE("text has the vectors of bert::embedder, alone, in a batch and on two threads") {
  const auto expected = embedder<golden::plain>::open(golden::folder("encoder"))(sentences);
  for (const level l : here()) {
    CAPTURE(precompiled::name_of(l));
    const auto encode = encoder::open(golden::folder("encoder"), {.on = l});
    const auto all = encode.embed(sentences);
    const auto threaded = encoder::open(golden::folder("encoder"), {.threads = 2, .on = l}).embed(sentences);
    REQUIRE(all.size() == sentences.size());
    CHECK(std::ranges::equal(all.values(), threaded.values()));
    for (std::size_t s = 0; s < sentences.size(); ++s) {
      CHECK(golden::largest_difference(all[s], std::span<const float>(expected[s])) <= 2e-5);
      const std::array<std::string_view, 1> one{sentences[s]};
      CHECK(std::ranges::equal(encode.embed(one)[0], all[s]));
    }
  }
}

TEST_CASE("no sequences give no rows") {
  const auto encode = encoder::open(golden::folder("encoder"));
  CHECK(encode.hidden({}).size() == 0);
  CHECK(encode.embed(std::span<const std::string>{}).size() == 0);
}

TEST_CASE("a level's errors are caught as bert::error") {
  for (const level l : here()) {
    CAPTURE(precompiled::name_of(l));
    const auto encode = encoder::open(golden::folder("encoder"), {.on = l});
    CHECK_THROWS_AS((void)encoder::open("/no/such/folder", {.on = l}), error);
    CHECK_THROWS_AS((void)encoder::open(golden::folder("tanh"), {.on = l}), error);  // not compiled in
    CHECK_THROWS_AS(
        (void)encoder::open(golden::folder("encoder"), {.precision = static_cast<precompiled::precision>(3), .on = l}),
        error);  // not compiled in
    CHECK_THROWS_AS((void)encoder::open(golden::folder("encoder"), {.threads = 0, .on = l}), error);
    const std::array<std::int32_t, 2> beyond{2, 101};
    CHECK_THROWS_AS((void)encode.hidden(std::array{precompiled::sequence{beyond}}), error);
    CHECK_THROWS_AS((void)encode.hidden(std::array{precompiled::sequence{}}), error);
  }
}

TEST_CASE("a folder without a vocabulary encodes ids, and its error says why it cannot encode text") {
  const testing::scratch folder;
  for (const char* name : {"config.json", "model.safetensors"})
    std::filesystem::copy_file(golden::folder("encoder") / name, folder.folder() / name);
  const auto encode = encoder::open(folder.folder());
  const std::array<std::int32_t, 3> ids{2, 50, 3};
  CHECK(encode.hidden(std::array{precompiled::sequence{ids}}).size() == 3);
  try {
    (void)encode.embed(sentences);
    FAIL("no error");
  } catch (const error& e) {
    CHECK(e.where() == folder.folder().string());
  }
}
