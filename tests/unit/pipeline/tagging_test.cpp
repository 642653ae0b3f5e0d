#include "bert/pipeline/tagging.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <vector>

#include "bert/data/tagged_set.hpp"
#include "bert/evaluation/evaluate.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/bio.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"

namespace {

struct names : bert::labels::bio<"PER", "LOC"> {};
struct derived : bert::heads::tag<names> {};
using tagger = bert::model<golden::tanh, bert::heads::tag<names>>;

bert::text::tokenizer small_tokenizer() { return bert::text::tokenizer::open(golden::folder("tanh") / "vocab.txt"); }
tagger random_tagger() { return tagger::random({.stddev = 0.4f, .seed = 12}); }

/// A range that returns temporaries: no text outlives its iterator's dereference.
struct making {
  const std::vector<std::string>* texts;

  struct iterator {
    using value_type = std::string;
    using difference_type = std::ptrdiff_t;
    const std::string* at = nullptr;
    std::string operator*() const { return *at; }
    iterator& operator++() { return ++at, *this; }
    iterator operator++(int) { return {at++}; }
    friend bool operator==(const iterator&, const iterator&) = default;
  };
  [[nodiscard]] iterator begin() const { return {texts->data()}; }
  [[nodiscard]] iterator end() const { return {texts->data() + texts->size()}; }
};

/// `count` words, some of several pieces, separated by spaces.
std::string words(int count) {
  const char* const some[] = {"the", "cat", "mole", "sat", "on", "red", "xy", "moon", "was", "very", "good"};
  std::string text;
  for (int i = 0; i < count; ++i) text += std::string(i == 0 ? "" : " ") + some[(7 * i + i / 11) % 11];
  return text;
}

}  // namespace

TEST_CASE("every word has the likeliest tag of its first piece, and its byte range in the text") {
  const auto model = random_tagger();
  const auto tokenizer = small_tokenizer();
  const bert::pipeline tag{model, tokenizer};
  const std::string text = "The  MOLE, (red cat.dog) sat!";
  const auto out = tag(text);
  std::vector<std::string> found;
  for (const auto& word : out.words) {
    found.push_back(word.text);
    CHECK(text.substr(word.bytes.first, word.bytes.last - word.bytes.first) == word.text);
    CHECK(word.tag == names::name(word.number));
  }
  CHECK(found == std::vector<std::string>{"The", "MOLE", ",", "(", "red", "cat.dog", ")", "sat", "!"});

  const auto frozen = bert::freeze(model);
  const auto batch = tokenizer.encode(text);
  auto run = frozen.session(batch.shape());
  const auto logits = run(batch);
  const auto pieces = tokenizer.pieces({batch.ids().begin(), batch.ids().end()});
  const std::size_t mole = 2, cat = 9;
  REQUIRE(pieces[mole] == "m");
  REQUIRE(pieces[cat] == "cat");
  for (const auto& [word, token] : {std::pair<std::size_t, std::size_t>{1, mole}, {5, cat}}) {
    const auto p = bert::probabilities(logits[token]);
    const auto best = std::max_element(p.begin(), p.end());
    CHECK(out.words[word].number == best - p.begin());
    CHECK(out.words[word].score == *best);
  }
}

TEST_CASE("a word has the tag of the mean of its pieces' probabilities, or of the most certain piece, if asked for") {
  const auto model = random_tagger();
  const auto tokenizer = small_tokenizer();
  const std::string text = "mole xy mole cat xy mole good xy mole the mole xy xy mole";
  const auto batch = tokenizer.encode(text);
  const auto frozen = bert::freeze(model);
  auto run = frozen.session(batch.shape());
  const auto logits = run(batch);
  const auto by = [&](bert::aggregation pieces) {
    return bert::pipeline{model, tokenizer, {.max_tokens = 512, .pieces = pieces}}(text);
  };
  const auto first = by(bert::aggregation::first), average = by(bert::aggregation::average), max = by(bert::aggregation::max);
  REQUIRE(first.words.size() == 14);
  std::size_t row = 1, several = 0, other = 0;
  for (std::size_t w = 0; w < 14; ++w) {
    std::vector<bert::token_id> ids;
    tokenizer.append_ids(first.words[w].text, ids);
    std::vector<double> mean(5);
    float most = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto p = bert::probabilities(logits[row + i]);
      REQUIRE(p.size() == mean.size());
      for (std::size_t l = 0; l < p.size(); ++l) mean[l] += static_cast<double>(p[l]) / static_cast<double>(ids.size());
      most = std::max(most, *std::max_element(p.begin(), p.end()));
    }
    const auto best = std::max_element(mean.begin(), mean.end());
    CHECK(average.words[w].number == best - mean.begin());
    CHECK(static_cast<double>(average.words[w].score) == doctest::Approx(*best).epsilon(1e-5));
    CHECK(max.words[w].score == most);
    CHECK(average.words[w].bytes == first.words[w].bytes);
    several += ids.size() > 1 ? 1 : 0;
    other += max.words[w].number != first.words[w].number || average.words[w].number != first.words[w].number ? 1 : 0;
    row += ids.size();
  }
  CHECK(row + 1 == batch.tokens());
  CHECK(several > 5);
  CHECK(other > 0);
}

TEST_CASE("entities are the words from B to the last I, and unpack to text, type, score") {
  const std::string text = "Ada Lovelace met Charles in London";
  const std::vector<std::string> labels{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
  std::vector<bert::tagged_word> tagged;
  std::size_t first = 0;
  for (const char* tag : {"B-PER", "I-PER", "O", "I-PER", "O", "B-LOC"}) {
    const auto end = std::min(text.find(' ', first), text.size());
    tagged.push_back({.text = text.substr(first, end - first),
                      .tag = tag,
                      .score = 0.5f + 0.125f * static_cast<float>(tagged.size()),
                      .bytes = {first, end}});
    first = end + 1;
  }
  const bert::tagged_text out{bert::entities_of(text, tagged, labels), tagged};
  REQUIRE(out.size() == 3);
  std::string all;
  for (const auto& [t, type, score] : out) all += bert::cat(t, '/', type, '/', score, ' ');
  CHECK(all == "Ada Lovelace/PER/0.5625 Charles/PER/0.875 London/LOC/1.125 ");
  CHECK(out[0].words.size() == 2);
  CHECK(out[0].bytes == bert::text::text_range{0, 12});
  const std::vector<std::string> parts_of_speech{"NOUN", "VERB"};
  CHECK(bert::entities_of(text, {{.text = "Ada", .tag = "NOUN", .bytes = {0, 3}}}, parts_of_speech)[0].type == "NOUN");
}

TEST_CASE("a text longer than the positions is read in windows: every word once, where it has the most context") {
  const auto model = random_tagger();
  const auto tokenizer = small_tokenizer();
  const bert::pipeline tag{model, tokenizer, {.max_tokens = 24, .stride = 8}};
  const std::string text = words(200);
  const auto out = tag(text);
  REQUIRE(out.words.size() == 200);
  for (std::size_t i = 1; i < 200; ++i) CHECK(out.words[i].bytes.first == out.words[i - 1].bytes.last + 1);

  std::vector<std::size_t> sizes;
  std::vector<bert::token_id> ids;
  for (const auto& word : out.words) {
    const std::size_t before = ids.size();
    tokenizer.append_ids(word.text, ids);
    sizes.push_back(ids.size() - before);
  }
  const auto windows = bert::text::word_windows(sizes, 22, 8);
  REQUIRE(windows.size() > 10);
  const auto frozen = bert::freeze(model);
  auto run = frozen.session({.sequences = 1, .tokens = 24});
  std::size_t different = 0;
  for (std::size_t k = 0; k < windows.size(); ++k) {
    std::string part;
    for (std::size_t i = windows[k].first; i < windows[k].last; ++i) part += out.words[i].text + " ";
    const auto batch = tokenizer.encode(part);
    const auto logits = run(batch);
    for (std::size_t i = windows[k].first, row = 1; i < windows[k].last; row += sizes[i++]) {
      const auto p = bert::probabilities(logits[row]);
      const bool same = out.words[i].score == *std::max_element(p.begin(), p.end());
      if (bert::text::most_context(windows, i) == k) CHECK(same);
      else different += same ? 0 : 1;
    }
  }
  CHECK(different > 20);  // the same words score differently in other windows, so the choice of window matters
}

TEST_CASE("many texts get the results of each alone, on any number of threads, from ranges of any kind") {
  const bert::pipeline tag{random_tagger(), small_tokenizer()};
  std::vector<std::string> texts;
  for (int i = 0; i < 60; ++i) texts.push_back(words(i * 3));
  const auto all = tag(texts, bert::execution::threads{2});
  const auto made = tag(making{&texts});
  REQUIRE(all.size() == 60);
  REQUIRE(made.size() == 60);
  CHECK(all[0].words.empty());
  for (std::size_t i = 0; i < 60; ++i) {
    const auto alone = tag(texts[i]);
    REQUIRE(alone.words.size() == 3 * i);
    for (std::size_t w = 0; w < alone.words.size(); ++w) {
      CHECK(all[i].words[w].score == alone.words[w].score);
      CHECK(made[i].words[w].text == alone.words[w].text);
    }
  }
}

TEST_CASE("a word longer than a window keeps its byte range; a pair of texts and too small a window are errors") {
  const bert::pipeline tag{random_tagger(), small_tokenizer(), {.max_tokens = 10}};
  const auto out = tag("the abcdefghijklmnop cat");
  REQUIRE(out.words.size() == 3);
  CHECK(out.words[1].text == "abcdefghijklmnop");
  CHECK(out.words[2].text == "cat");
  CHECK_THROWS_AS((void)tag("a", "b"), bert::error);
  const bert::pipeline small{random_tagger(), small_tokenizer(), {.max_tokens = 7}};
  CHECK_THROWS_AS((void)small("a"), bert::error);
}

TEST_CASE("a head derived from a tagger, and one of tags known at run time, give the tagger's results") {
  const auto model = random_tagger();
  const bert::pipeline a{model, small_tokenizer()};
  const bert::pipeline b{model.with_head<derived>(), small_tokenizer()};
  const bert::pipeline c{
      model.with_head<bert::heads::tag<bert::labels::dynamic_set>>({.labels = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"}}),
      small_tokenizer()};
  const auto x = a("the cat sat"), y = b("the cat sat"), z = c("the cat sat");
  for (std::size_t w = 0; w < 3; ++w) {
    CHECK(x.words[w].score == y.words[w].score);
    CHECK(x.words[w].tag == y.words[w].tag);
    CHECK(x.words[w].score == z.words[w].score);
    CHECK(x.words[w].tag == z.words[w].tag);
  }
}

TEST_CASE("an evaluation of tagged words predicts the tags of the pipeline, with windows too") {
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
  }
  CHECK(entities > 50);
}

TEST_CASE("known words keep their bounds and each has a tag, in windows too") {
  const auto model = random_tagger();
  const auto tokenizer = small_tokenizer();
  const bert::pipeline tag{model, tokenizer};
  // Words that a text would split, words of no piece, and the empty word.
  const std::vector<std::string> known{"red-cat", "(", "\xC2\xAD", "moon.was", "", "on"};
  const auto out = tag.words(known);
  REQUIRE(out.words.size() == known.size());
  for (std::size_t i = 0; i < known.size(); ++i) CHECK(out.words[i].text == known[i]);
  CHECK(out.words[1].bytes == bert::text::text_range{8, 9});
  CHECK(out.words[5].bytes.first == std::string("red-cat ( \xC2\xAD moon.was  ").size());

  // Words that the tokenizer would find itself give the results of the text, whatever the number of windows.
  const std::string text = words(150);
  std::vector<std::string> split;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find(' ', from), text.size());
    split.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  for (const std::size_t longest : {16ul, 40ul}) {
    const bert::pipeline in_windows{model, tokenizer, {.max_tokens = longest, .stride = 5}};
    const auto whole = in_windows(text);
    const auto sentences = in_windows.words(std::vector{split, known, split}, bert::execution::threads{2});
    REQUIRE(sentences.size() == 3);
    for (const std::size_t s : {0ul, 2ul}) {
      REQUIRE(sentences[s].words.size() == whole.words.size());
      for (std::size_t i = 0; i < whole.words.size(); ++i) {
        CHECK(sentences[s].words[i].text == whole.words[i].text);
        CHECK(sentences[s].words[i].score == whole.words[i].score);
        CHECK(sentences[s].words[i].bytes == whole.words[i].bytes);
      }
    }
  }
  CHECK(tag.words(std::vector<std::string>{}).words.empty());
}
