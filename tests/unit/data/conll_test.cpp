#include "bert/data/conll.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "bert/labels/bio.hpp"
#include "bert/text/tokenizer.hpp"
#include "support/golden.hpp"
#include "support/shared_data.hpp"
#include "support/temporary_file.hpp"

namespace {

using namespace bert::data;  // NOLINT
using support::temporary_file;

struct entities : bert::labels::bio<"LOC", "PER"> {};

const bert::text::tokenizer& tokenizer() {
  static const auto t = bert::text::tokenizer::open(golden::folder("tanh") / "vocab.txt");
  return t;
}

using tags = std::vector<std::int32_t>;

template <class Set>
tags tags_of(const Set& set, std::size_t i) {
  return {set.tags(i).begin(), set.tags(i).end()};
}
template <class Set>
std::string pieces_of(const Set& set, std::size_t i) {
  std::string out;
  for (const auto id : set[i]) out.append(out.empty() ? "" : " ").append(tokenizer().vocabulary().piece(id));
  return out;
}

template <class Target>
struct reads {
  using needs = bert::target_list<Target>;
};

constexpr int b_loc = entities::index<"B-LOC">, b_per = entities::index<"B-PER">, i_per = entities::index<"I-PER">;

TEST_CASE("sentences are separated by blank and -DOCSTART- lines, columns by tabs or spaces") {
  const temporary_file file(
      "-DOCSTART- -X- O O\n\n"
      "the DT B O\ncat NN I B-PER\n"
      "\t \n\xEF\xBB\xBF\n\n"
      "sat\tB-PER\r\n on \tO\n"
      "-DOCSTART-\n"
      "mat\tX\tB-LOC");
  const auto set = conll<entities>(file.path(), tokenizer());
  REQUIRE(set.size() == 3);
  CHECK(pieces_of(set, 0) == "[CLS] the cat [SEP]");
  CHECK(tags_of(set, 0) == tags{-1, 0, b_per, -1});
  CHECK(pieces_of(set, 1) == "[CLS] sat on [SEP]");
  CHECK(tags_of(set, 1) == tags{-1, b_per, 0, -1});
  CHECK(tags_of(set, 2) == tags{-1, b_loc, -1});
  CHECK(set.truncated() == 0);
  CHECK(set.grouped() == 0);
}

TEST_CASE("the first piece of a word has its tag, or all pieces with I for B after the first") {
  const temporary_file file("cat.dog\tB-PER\nab\tI-PER\nxy\tO\n");
  const auto first = conll<entities>(file.path(), tokenizer());
  CHECK(pieces_of(first, 0) == "[CLS] cat . dog a ##b x ##y [SEP]");
  CHECK(tags_of(first, 0) == tags{-1, b_per, -1, -1, i_per, -1, 0, -1, -1});
  const auto all = conll<entities>(file.path(), tokenizer(), {.pieces = tagged_pieces::all});
  CHECK(tags_of(all, 0) == tags{-1, b_per, i_per, i_per, i_per, i_per, 0, 0, -1});

  bert::training_batch batch;
  first.batches(1).load(0, batch);
  using enum bert::word_part;
  CHECK(batch.parts == std::vector{special, begins, continues, continues, begins, continues, begins, continues, special});
  CHECK(batch.tags == tags_of(first, 0));
  CHECK(batch.groups.empty());
  CHECK(batch.labels.empty());
}

TEST_CASE("a word that is unknown, or for which the tokenizer gives no piece, is one [UNK] with the word's tag") {
  const temporary_file file(
      "\xE2\x80\x8B\tB-PER\n\tB-LOC\nß\tO\n\xEF\xBB\xBF"
      "cat\tB-LOC\n");
  const auto set = conll<entities>(file.path(), tokenizer());
  REQUIRE(set.size() == 1);
  CHECK(pieces_of(set, 0) == "[CLS] [UNK] [UNK] [UNK] cat [SEP]");
  CHECK(tags_of(set, 0) == tags{-1, b_per, b_loc, 0, b_loc, -1});
}

TEST_CASE("a sentence that is too long becomes several windows of one example, in which each word counts once") {
  std::string text;
  for (int i = 0; i < 20; ++i) text += i % 2 == 0 ? "ab\tB-PER\n" : "cat\tO\n";
  const temporary_file file(text + "\nthe\tB-LOC\n");
  const auto set = conll<entities>(file.path(), tokenizer(), {.max_tokens = 12, .stride = 4});
  CHECK(set.size() == 2);
  CHECK(set.grouped() == 1);
  CHECK(set.truncated() == 0);
  const auto batches = set.batches(2, {.order = order::sequential});
  static_assert(bert::carries_targets<decltype(batches), reads<bert::target::tag>>);
  static_assert(!bert::carries_targets<decltype(batches), reads<bert::target::label>>);
  bert::training_batch batch;
  batches.load(0, batch);
  REQUIRE(batch.groups.size() == 3);
  CHECK(batch.examples() == 2);
  CHECK(batch.groups[1] > 3);
  CHECK(batch.groups[2] == batch.groups[1] + 1);
  CHECK(batch.tokens.longest() <= 12);
  CHECK(batches.capacity().holds(batch.tokens.shape()));
  tags counted;
  for (std::size_t n = 0; n < batch.tokens.starts()[batch.groups[1]]; ++n)
    if (batch.tags[n] >= 0) counted.push_back(batch.tags[n]);
  REQUIRE(counted.size() == 20);
  for (std::size_t i = 0; i < 20; ++i) CHECK(counted[i] == (i % 2 == 0 ? b_per : 0));
  std::size_t words = 0;
  for (const auto part : batch.parts) words += part == bert::word_part::begins ? 1 : 0;
  CHECK(words > 21);  // some are in two windows
  for (std::size_t s = 1; s < batch.keys.size(); ++s) CHECK(batch.keys[s] == batch.keys[s - 1] + 1);
}

TEST_CASE("a word longer than a window is cut at its end, and truncated() counts it") {
  const temporary_file file("the\tO\nabcdefghijkl\tB-PER\ncat\tB-LOC\n");
  const auto set = conll<entities>(file.path(), tokenizer(), {.max_tokens = 8});
  CHECK(set.truncated() == 1);
  CHECK(pieces_of(set, 0) == "[CLS] the [SEP] [CLS] a ##b ##c ##d ##e ##f [SEP] [CLS] cat [SEP]");
  CHECK(tags_of(set, 0) == tags{-1, 0, -1, -1, b_per, -1, -1, -1, -1, -1, -1, -1, b_loc, -1});
}

TEST_CASE("the tags of a file are sorted O first, then by type, and can be given to another file") {
  const temporary_file file("a\tI-PER\nb\tB-PER\nc\tB-LOC\nd\tO\ne\tI-LOC\n"), other("a\tB-LOC\n"), wrong("a\tO\n\nb\tB-ORG\n");
  const auto set = conll(file.path(), tokenizer());
  CHECK(set.names().names() == std::vector<std::string>{"O", "B-LOC", "I-LOC", "B-PER", "I-PER"});
  CHECK(tags_of(conll(other.path(), tokenizer(), set.names()), 0) == tags{-1, 1, -1});
  CHECK_THROWS_WITH_AS((void)conll(wrong.path(), tokenizer(), set.names()),
                       doctest::Contains("line 3: expected a tag of \"O\""), bert::error);
}

TEST_CASE("faulty files and options are errors that name the file and line, or the option") {
  const auto fails = [](std::string_view contents, const conll_options& options, const char* part) {
    const temporary_file file(contents);
    CHECK_THROWS_WITH_AS((void)conll<entities>(file.path(), tokenizer(), options), doctest::Contains(part), bert::error);
  };
  fails("a\tO\nb\n", {}, "line 2: expected a word in column 0 and a tag in column -1");
  fails("a O\nb \n", {}, "line 2");
  fails("a x O\n", {.word_column = 3}, "line 1");
  fails("a x O\n", {.tag_column = -4}, "line 1");
  fails("a\t\n", {}, "line 1");
  fails("\n\n-DOCSTART-\n", {}, "expected at least one sentence");
  fails("a\tO\n", {.max_tokens = 7}, ".max_tokens of at least 8");
  fails("a\tO\n", {.stride = -1}, ".stride");
  CHECK_THROWS_AS((void)conll<entities>("/no/such/file", tokenizer()), bert::error);
  tagged_set_builder<entities, bert::text::tokenizer> builder(tokenizer(), {});
  CHECK_THROWS_AS(builder.add(std::vector<std::string_view>{"a"}, tags{0, 0}), bert::error);
  CHECK_THROWS_AS(builder.add(std::vector<std::string_view>{"a"}, tags{5}), bert::error);
  CHECK_THROWS_AS(builder.add({}, {}), bert::error);
}

TEST_CASE("a split of a tagged set keeps whole sentences, windows included") {
  std::string text;
  for (int i = 0; i < 30; ++i)
    text += std::string(i % 3 == 0 ? "cat\tO\nsat\tO\non\tO\nmat\tO\nthe\tO\nsun\tO\nred\tO\n" : "cat\tO\n") + "\n";
  const temporary_file file(text);
  const auto [a, b] = conll<entities>(file.path(), tokenizer(), {.max_tokens = 8, .stride = 2}).split(0.5f, {.seed = 3});
  CHECK(a.size() == 15);
  CHECK(b.size() == 15);
  bert::training_batch batch;
  a.batches(15).load(0, batch);
  CHECK(batch.examples() == 15);
  for (std::size_t i = 0; i < 15; ++i) {
    std::size_t words = 0;
    for (std::size_t n = batch.tokens.starts()[batch.groups[i]]; n < batch.tokens.starts()[batch.groups[i + 1]]; ++n)
      words += batch.tags[n] >= 0 ? 1 : 0;
    CHECK((words == 1 || words == 7));
  }
}

TEST_CASE("the files of wnut17 are read completely") {
  const auto folder = support::shared_data("wnut17");
  if (!folder) return;
  struct part {
    const char* name;
    std::size_t sentences, words;
  };
  for (const auto& [name, sentences, words] :
       {part{"train.conll", 3394, 62730}, {"dev.conll", 1009, 15733}, {"test.conll", 1287, 23394}}) {
    const auto set = conll(*folder / name, tokenizer(), conll_tags(*folder / "train.conll"), {.max_tokens = 64});
    CHECK(set.size() == sentences);
    CHECK(set.names().size() == 13);
    std::size_t counted = 0;
    for (std::size_t i = 0; i < set.size(); ++i)
      for (const auto tag : set.tags(i)) counted += tag >= 0 ? 1 : 0;
    CHECK(counted == words);
  }
}

}  // namespace

TEST_CASE("the fingerprint of tagged examples depends on words, tags, where sentences end, limits and pieces") {
  using words = std::vector<std::string_view>;
  const auto facts = [](const std::vector<words>& sentences, std::int32_t first_tag, const tagging_options& options = {}) {
    tagged_set_builder<entities, bert::text::tokenizer> builder(tokenizer(), {}, options);
    std::int32_t tag = first_tag;
    for (const auto& sentence : sentences) {
      builder.add(sentence, std::vector<std::int32_t>(sentence.size(), tag));
      tag = 0;
    }
    return std::move(builder).build().batches(1).fingerprint();
  };
  const std::vector<words> two{{"ada", "smiled"}, {"so"}};
  const auto base = facts(two, 1);
  CHECK(facts(two, 1) == base);
  CHECK(facts(two, 0) != base);
  CHECK(facts({{"ada", "smiles"}, {"so"}}, 1) != base);
  CHECK(facts({{"ada", "smiled", "so"}}, 1) != base);
  CHECK(facts(two, 1, {.max_tokens = 20}) != base);
  CHECK(facts(two, 1, {.pieces = tagged_pieces::all}) != base);
}

TEST_CASE("a file in IOB1 is read as BIO where the tags are to be spelled again, and as it is written elsewhere") {
  const temporary_file file("the\tI-PER\ncat\tI-PER\nsat\tB-PER\non\tI-LOC\n");
  const auto as_written = conll<entities>(file.path(), tokenizer()),
             spelled = conll<entities>(file.path(), tokenizer(), {.respell = true});
  constexpr int i_loc = entities::index<"I-LOC">;
  CHECK(tags_of(as_written, 0) == tags{-1, i_per, i_per, b_per, i_loc, -1});
  CHECK(tags_of(spelled, 0) == tags{-1, b_per, i_per, b_per, b_loc, -1});
}
