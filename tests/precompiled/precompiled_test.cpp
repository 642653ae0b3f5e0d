// bert::precompiled compared with PyTorch and with itself, at every level that this processor runs.
// Layer: tests.
#include "bert/precompiled.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "bert/heads/classify.hpp"
#include "bert/heads/regress.hpp"
#include "bert/heads/span.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/pipeline/embedder.hpp"
#include "bert/pipeline/pipeline.hpp"
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

using urgency = heads::classify<labels::dynamic_set>;
using tagger = heads::tag<labels::dynamic_set>;

/// A folder of the golden encoder with a new head.
template <class Head>
std::filesystem::path with_head(const testing::scratch& in, const char* name, std::vector<std::string> labels = {}) {
  const checkpoint files(golden::folder("encoder"));
  const auto fine =
      files.load<model<golden::plain>>().with_head<Head>({.stddev = 0.5f, .seed = 3, .labels = std::move(labels)});
  const auto folder = in.folder() / name;
  save(folder, fine, files.tokenizer());
  return folder;
}

}  // namespace

extern "C" int run_c_program(const char* encoder, const char* classifier, const char* tagger, const char* answers);

TEST_CASE("at every level, fine-tuned folders give what bert::pipeline gives, and refuse what they do not do") {
  using precompiled::reader, precompiled::task;
  const testing::scratch in;
  const auto classifier = with_head<urgency>(in, "classifier", {"routine", "soon", "urgent"}),
             words = with_head<tagger>(in, "tagger", {"O", "B-animal", "I-animal"}),
             answers = with_head<heads::span>(in, "answers"), number = with_head<heads::regress>(in, "number");
  const std::vector<std::string_view> texts(sentences.begin(), sentences.end());
  for (const level l : here()) {
    CAPTURE(precompiled::name_of(l));
    const auto triage = reader::open(classifier, {.on = l});
    CHECK(triage.does() == task::classify);
    CHECK(triage.labels().size() == 3);
    CHECK(triage.labels()[2] == "urgent");
    const auto probabilities = triage.classify(texts);
    const auto expected = pipeline<model<golden::plain, urgency>>::open(classifier);
    for (std::size_t i = 0; i < texts.size(); ++i)
      CHECK(golden::largest_difference(probabilities[i], std::span<const float>(expected(texts[i]).probabilities)) <= 2e-5);
    CHECK(golden::largest_difference(triage.classify(std::array{texts[0]}, std::array{texts[1]})[0],
                                     std::span<const float>(expected(texts[0], texts[1]).probabilities)) <= 2e-5);
    CHECK_THROWS_AS((void)triage.classify(texts, std::array{texts[0]}), error);
    CHECK_THROWS_WITH_AS((void)triage.tag(texts), doctest::Contains("classes, labels or numbers"), error);
    CHECK_THROWS_AS((void)triage.embed(texts), error);

    const auto tag = reader::open(words, {.on = l});
    CHECK(tag.does() == task::tag);
    const auto entities = tag.tag(texts);
    const auto tagged = pipeline<model<golden::plain, tagger>>::open(words)(texts);
    REQUIRE(entities.size() == texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      REQUIRE(entities[i].size() == tagged[i].size());
      for (std::size_t e = 0; e < entities[i].size(); ++e) {
        CHECK(entities[i][e].type == tagged[i][e].type);
        CHECK(entities[i][e].begin == tagged[i][e].bytes.first);
        CHECK(entities[i][e].end == tagged[i][e].bytes.last);
      }
    }

    const auto ask = reader::open(answers, {.on = l});
    CHECK(ask.does() == task::answer);
    const auto found = ask.answer("was it good?", texts[0]);
    const auto best = pipeline<model<golden::plain, heads::span>>::open(
        answers, {.answers = {.max_question = 14}})({.question = "was it good?", .context = texts[0]});
    CHECK(found.text == best.text);
    CHECK(found.begin == best.start);
    CHECK_THROWS_AS((void)ask.classify(texts), error);

    const auto estimate = reader::open(number, {.on = l});
    CHECK(estimate.labels().empty());
    const auto one = pipeline<model<golden::plain, heads::regress>>::open(number)(texts[0]);
    CHECK(std::abs(estimate.classify(std::array{texts[0]})[0][0] - one) <= 2e-5f);

    const auto vectors = reader::open(golden::folder("encoder"), {.on = l});
    CHECK(vectors.does() == task::embed);
    CHECK(std::ranges::equal(vectors.embed(texts).values(),
                             encoder::open(golden::folder("encoder"), {.on = l}).embed(texts).values()));
  }
}

TEST_CASE("a program in C opens, embeds, classifies, tags and answers, and reads its errors") {
  const testing::scratch in;
  CHECK(run_c_program(golden::folder("encoder").c_str(),
                      with_head<urgency>(in, "classifier", {"routine", "soon", "urgent"}).c_str(),
                      with_head<tagger>(in, "tagger", {"O", "B-animal", "I-animal"}).c_str(),
                      with_head<heads::span>(in, "answers").c_str()) == 0);
}

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
