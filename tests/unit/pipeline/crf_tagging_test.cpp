#include "bert/pipeline/crf_tagging.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bert/data/tagged_set.hpp"
#include "bert/evaluation/evaluate.hpp"
#include "bert/heads/tag.hpp"
#include "bert/io/json.hpp"
#include "bert/labels/bio.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/objectives/negative_log_likelihood.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "bert/training/crf_rate.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "support/temporary_file.hpp"

namespace {

struct names : bert::labels::bio<"PER", "LOC"> {};
using head = bert::heads::crf<names>;
using tagger = bert::model<golden::tanh, head>;
using open_tagger = bert::model<golden::tanh, bert::heads::crf<bert::labels::dynamic_set>>;
const std::vector<std::string> labels{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};

bert::text::tokenizer small_tokenizer() { return bert::text::tokenizer::open(golden::folder("tanh") / "vocab.txt"); }

template <class Model = tagger>
Model random_tagger(std::vector<std::string> open = {}) {
  auto m = Model::random({.stddev = 0.4f, .seed = 12, .labels = std::move(open)});
  for (const auto& p : m.table())
    if (p.stem.starts_with("crf.")) {
      bert::random_stream random(5, bert::draw::user, p.stem.size());
      for (float& x : m.values(p)) x = random.normal();
      if (p.cols > 0)
        for (std::size_t i : {2u, 4u}) m.values(p)[i * 5 + i] -= 8;  // short entities, so that there are many
    }
  return m;
}

/// `count` words, some of several pieces, separated by spaces.
std::string words(int count) {
  const char* const some[] = {"the", "cat", "mole", "sat", "on", "red", "xy", "moon", "was", "very", "good"};
  std::string text;
  for (int i = 0; i < count; ++i) text += std::string(i == 0 ? "" : " ") + some[(7 * i + i / 11) % 11];
  return text;
}

std::vector<int> numbers(const bert::tagged_text& text) {
  std::vector<int> out;
  for (const auto& word : text.words) out.push_back(word.number);
  return out;
}

}  // namespace

TEST_CASE("the words of a text have the likeliest path of their first pieces, and each tag its probability") {
  const auto model = random_tagger();
  const auto tokenizer = small_tokenizer();
  const bert::pipeline tag{model, tokenizer, {.paths = 4}};
  const std::string text = "The MOLE sat on red cats";
  const auto out = tag(text);
  REQUIRE(out.words.size() == 6);

  const auto frozen = bert::freeze(model);
  const auto batch = tokenizer.encode<bert::text::offsets::bytes>(text);
  bert::token_batch ids;
  ids.add(batch.ids, batch.segments);
  auto run = frozen.session(ids.shape());
  const auto x = run(ids);
  std::vector<const float*> rows;
  for (std::size_t t = 1; t + 1 < batch.size(); ++t)
    if (batch.words[t] != batch.words[t - 1]) rows.push_back(x[t].data());
  REQUIRE(rows.size() == 6);
  const bert::labels::transition_table table(names{});
  bert::heads::crf_paths paths(frozen.head<head>().chain(table.allowed().data()));
  paths.read(rows);
  const auto best = paths.best();
  const auto p = paths.marginals();
  for (std::size_t w = 0; w < 6; ++w) {
    CHECK(out.words[w].number == best[w]);
    CHECK(out.words[w].tag == names::name(best[w]));
    CHECK(out.words[w].score == p(w, static_cast<std::size_t>(best[w])));
    CHECK(text.substr(out.words[w].bytes.first, out.words[w].bytes.last - out.words[w].bytes.first) == out.words[w].text);
  }
  CHECK(out.probability == doctest::Approx(paths.probability(best)));
  const auto four = paths.best(4);
  REQUIRE(out.paths.size() == 4);
  double before = 1;
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(numbers(out.paths[i]) == std::vector<int>(four[i].begin(), four[i].end()));
    CHECK(out.paths[i].probability <= before);
    before = out.paths[i].probability;
  }
  CHECK(numbers(out.paths[0]) == numbers(out));
  CHECK(out.paths[0].size() == out.size());
  CHECK(bert::pipeline{model, tokenizer}(text).paths.empty());
  CHECK(tag("").words.empty());
}

TEST_CASE("a text of any length is one path, legal across windows, which unpacks to entities") {
  const auto tokenizer = small_tokenizer();
  const bert::labels::transition_table table(names{});
  const bert::pipeline tag{random_tagger(), tokenizer, {.max_tokens = 16, .stride = 6}};
  std::size_t entities = 0;
  for (int i = 1; i < 200; i += 33) {
    const auto out = tag(words(i));
    REQUIRE(out.words.size() == static_cast<std::size_t>(i));
    const auto tags = numbers(out);
    CHECK(table.first_fault(std::vector<std::int32_t>(tags.begin(), tags.end())) == tags.size());
    for (const auto& [text, type, score] : out) {
      CHECK_FALSE(text.empty());
      CHECK((type == "PER" || type == "LOC"));
      CHECK(score > 0);
      ++entities;
    }
  }
  CHECK(entities > 20);
}

TEST_CASE("tags known at run time give the result of the same tags in a type") {
  const bert::pipeline a{random_tagger(), small_tokenizer()};
  const bert::pipeline b{random_tagger<open_tagger>(labels), small_tokenizer()};
  const auto x = a(words(40)), y = b(words(40));
  CHECK(numbers(x) == numbers(y));
  CHECK(x.probability == y.probability);
}

TEST_CASE("an evaluation of tagged words predicts the pipeline's tags, with windows too, and has the objective's loss") {
  const auto model = random_tagger();
  const auto tokenizer = small_tokenizer();
  const bert::pipeline tag{model, tokenizer, {.max_tokens = 24, .stride = 8}};
  bert::data::tagged_set_builder<names, bert::text::tokenizer> set(tokenizer, {}, {.max_tokens = 24, .stride = 8});
  std::size_t entities = 0, tagged = 0;
  for (int i = 1; i < 90; i += 8) {
    const auto text = words(i);
    const auto out = tag(text);
    std::vector<std::string_view> all;
    std::vector<std::int32_t> tags;
    for (const auto& word : out.words) {
      all.push_back(word.text);
      tags.push_back(word.number);
    }
    set.add(all, tags);
    entities += out.size();
    tagged += all.size();
  }
  const auto examples = std::move(set).build();
  CHECK(examples.grouped() > 5);
  for (const int size : {1, 5}) {
    const auto report = bert::evaluate(model, examples.batches(size));
    CHECK(report.accuracy() == 1.0);
    CHECK(report.f1() == 1.0);
    CHECK(report.tags() == tagged);
    CHECK(report.total().expected == entities);
    const auto measured = bert::measure(model, bert::objectives::negative_log_likelihood{}, examples.batches(size))["loss"];
    CHECK(measured.count == examples.size());
    CHECK(report.loss() == doctest::Approx(measured.mean()).epsilon(1e-5));
  }
  CHECK(entities > 30);
}

TEST_CASE("a sentence of forbidden tags counts in an evaluation's entities, not in its loss") {
  const auto model = random_tagger();
  const auto tokenizer = small_tokenizer();
  using namespace std::string_view_literals;
  const auto set = [&](std::vector<std::vector<std::int32_t>> sentences) {
    bert::data::tagged_set_builder<names, bert::text::tokenizer> out(tokenizer, {});
    for (const auto& tags : sentences) out.add(std::array{"the"sv, "cat"sv, "sat"sv}, tags);
    return std::move(out).build();
  };
  const auto legal = bert::evaluate(model, set({{0, 1, 2}}).batches(2));
  const auto both = bert::evaluate(model, set({{0, 1, 2}, {0, 2, 2}}).batches(2));
  CHECK(both.loss() == legal.loss());
  CHECK(both.tags() == 6);
  CHECK(both.total().expected == 2);
}

TEST_CASE("a CRF learns a rule of neighbors that no word tells alone, and is saved, loaded and opened with its transitions") {
  // "cat" continues an entity after "the", which begins one, and is nothing elsewhere.
  using namespace std::string_view_literals;
  const auto tokenizer = small_tokenizer();
  const auto sentences = [&](std::uint64_t seed) {
    constexpr std::array all{"the"sv, "cat"sv, "sat"sv, "on"sv, "red"sv};
    bert::data::tagged_set_builder<names, bert::text::tokenizer> set(tokenizer, {}, {.max_tokens = 24});
    bert::random_stream random(seed, bert::draw::user);
    for (int i = 0; i < 64; ++i) {
      std::array<std::string_view, 8> text;
      std::array<std::int32_t, 8> tags{};
      for (std::size_t w = 0; w < 8; ++w) {
        text[w] = all[random.below(5)];
        tags[w] = text[w] == "the" ? 1 : text[w] == "cat" && w > 0 && tags[w - 1] > 0 ? 2 : 0;
      }
      set.add(text, tags);
    }
    return std::move(set).build();
  };
  const auto train = sentences(1), test = sentences(2);
  auto model = tagger::random({.stddev = 0.1f, .seed = 4});
  const auto before = bert::evaluate(model, test.batches(16));
  bert::fit(model, bert::objectives::negative_log_likelihood{}, train.batches(8),
            {.epochs = 20, .learning_rate = 3e-3f, .dropout = 0, .attention_dropout = 0},
            bert::optim::crf_rate{.multiple = 10});
  const auto after = bert::evaluate(model, test.batches(16));
  CHECK(before.f1() < 0.5);
  CHECK(after.f1() > 0.95);
  CHECK(after.loss() < before.loss() / 4);

  const auto folder = support::temporary_path("bert_crf_tagging_test");
  bert::save(folder, model, tokenizer);
  const bert::checkpoint files(folder);
  CHECK(files.config().labels == labels);
  CHECK(files.config().architectures == std::vector<std::string>{"BertForTokenClassification"});
  CHECK(std::ranges::equal(files.load<tagger>().block(), model.block()));
  const auto direct = bert::pipeline{model, tokenizer}(words(30));
  const auto opened = bert::pipeline<tagger>::open(folder)(words(30));
  const auto open = bert::pipeline<open_tagger>::open(folder)(words(30));
  CHECK(numbers(opened) == numbers(direct));
  CHECK(opened.probability == direct.probability);
  CHECK(numbers(open) == numbers(direct));
  CHECK(open.probability == direct.probability);

  using softmax_tagger = bert::model<golden::tanh, bert::heads::tag<names>>;
  CHECK_THROWS_WITH_AS((void)files.load<softmax_tagger>(),
                       doctest::Contains("load it as a model with bert::heads::crf<Labels>"), bert::error);
  CHECK_THROWS_AS((void)bert::pipeline<softmax_tagger>::open(folder), bert::error);
  const auto encoder = files.load<bert::model<golden::tanh>>();  // without a head nothing is misread
  CHECK(encoder.count() < model.count());
  bert::save(folder, model.with_head<bert::heads::tag<names>>(), tokenizer);
  CHECK_THROWS_WITH_AS((void)bert::checkpoint(folder).load<tagger>(), doctest::Contains("a tensor \"crf.start\""), bert::error);
  std::filesystem::remove_all(folder);
}
