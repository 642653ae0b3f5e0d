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

TEST_CASE("words are read without tags if there is no tag column") {
  const temporary_file file("Ada B-PER\nsmiled\n\nBob\tx\tO\n");
  bert::data::conll_reader reader(file.path(), {.tag_column = bert::data::no_tags});
  std::vector<bert::data::conll_word> words;
  std::vector<std::string> found;
  while (reader.next(words))
    for (const auto& word : words) {
      found.push_back(word.text);
      CHECK(word.tag.empty());
    }
  CHECK(found == std::vector<std::string>{"Ada", "smiled", "Bob"});
}

TEST_CASE("the first piece of a word has its tag, or all pieces with I for B after the first") {
  const temporary_file file("cat.dog\tB-PER\nab\tI-PER\nxy\tO\n");
  const auto first = conll<entities>(file.path(), tokenizer());
  CHECK(pieces_of(first, 0) == "[CLS] cat . dog a ##b x ##y [SEP]");
  CHECK(tags_of(first, 0) == tags{-1, b_per, -1, -1, i_per, -1, 0, -1, -1});
  const auto all = conll<entities>(file.path(), tokenizer(), {.pieces = tagged_pieces::all});
  CHECK(tags_of(all, 0) == tags{-1, b_per, i_per, i_per, i_per, i_per, 0, 0, -1});
  const auto mean = conll<entities>(file.path(), tokenizer(), {.pieces = tagged_pieces::mean});
  constexpr std::int32_t joined = bert::joined_tag;
  CHECK(tags_of(mean, 0) == tags{-1, b_per, joined, joined, i_per, joined, 0, joined, -1});

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

TEST_CASE("text without tags is refused, and tags of no scheme are not") {
  const auto of = [](const std::string& text) {
    const support::temporary_file file(text);
    return bert::data::conll_tags(file.path());
  };
  CHECK_THROWS_WITH_AS((void)of("The town was happy.\nA book of the road was sad.\n"),
                       doctest::Contains("line 1 has 4 columns and line 2 has 7, and no tag is O or like B-PER"), bert::error);
  std::string even;
  for (int i = 0; i < 30; ++i) even += "the word" + std::to_string(i) + "\n";
  CHECK_THROWS_WITH_AS((void)of(even), doctest::Contains("30 tags of 30 words"), bert::error);
  CHECK_THROWS_WITH_AS((void)of("a town was sad.\nthe road was long!\nthe road was long.\n"),
                       doctest::Contains("3 of 3 lines that end as sentences do"), bert::error);
  CHECK(of("sat VERB\n. .\nran VERB\n! .\n? .\n").names().size() == 2);
  CHECK(of("the DET\ntown NOUN\nis VERB\n").names().size() == 3);
  CHECK(of("the x O\nof y z O\nBern B-PLACE\n").names().size() == 2);  // a word in two columns
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

TEST_CASE("tags of another scheme are converted to the set's, and a note says so") {
  const temporary_file iob1("the\tO\ncat\tI-PER\nsat\tI-PER\non\tB-PER\n\nmat\tI-LOC\n"),
      bmes("the\tO\ncat\tB-PER\nsat\tE-PER\non\tS-PER\n\nmat\tS-LOC\n\nthe\tB-LOC\ncat\tM-LOC\nsat\tE-LOC\n");
  for (const auto* file : {&iob1, &bmes}) {
    const auto set = conll<entities>(file->path(), tokenizer());
    CHECK(tags_of(set, 0) == tags{-1, 0, b_per, i_per, b_per, -1});
    CHECK(tags_of(set, 1) == tags{-1, b_loc, -1});
    REQUIRE(set.notes().size() == 1);
    CHECK(set.notes()[0].ends_with(file == &iob1 ? "tags converted from IOB1 to BIO" : "tags converted from BMES to BIO"));
  }
  const auto collected = conll(iob1.path(), tokenizer());
  CHECK(collected.names().names() == std::vector<std::string>{"O", "B-LOC", "B-PER", "I-PER"});
  // A set collected from BMES reads BIO, and its own scheme without a note.
  const auto names = conll_tags(bmes.path());
  const temporary_file bio("the\tO\ncat\tB-PER\nsat\tI-PER\n");
  CHECK(conll(bio.path(), tokenizer(), names).notes().size() == 1);
  const auto own = conll(bmes.path(), tokenizer(), names);
  CHECK(own.notes().empty());
  CHECK(tags_of(own, 0)[2] == *names.parse("B-PER"));
  CHECK(tags_of(own, 0)[4] == *names.parse("S-PER"));
}

TEST_CASE("tags that their scheme forbids stay, or are corrected if asked for, and a note counts the sentences") {
  const temporary_file file("the\tB-LOC\ncat\tI-PER\nsat\tI-PER\n\nmat\tB-LOC\n");
  CHECK(tags_of(conll<entities>(file.path(), tokenizer()), 0) == tags{-1, b_loc, i_per, i_per, -1});
  CHECK(conll<entities>(file.path(), tokenizer()).notes().empty());
  const auto set = conll<entities>(file.path(), tokenizer(), {.faulty = faulty_tags::respell});
  CHECK(tags_of(set, 0) == tags{-1, b_loc, b_per, i_per, -1});
  REQUIRE(set.notes().size() == 1);
  CHECK(set.notes()[0].ends_with("tags of 1 sentence corrected, as their scheme forbids them"));
}

TEST_CASE("a line may be a sentence: words, a TAB, tags") {
  const temporary_file file("the cat\tO B-PER\n\nsat\tO\r\n on  mat \tO B-LOC\n");
  const auto set = conll<entities>(file.path(), tokenizer());
  REQUIRE(set.size() == 3);
  CHECK(pieces_of(set, 0) == "[CLS] the cat [SEP]");
  CHECK(tags_of(set, 0) == tags{-1, 0, b_per, -1});
  CHECK(tags_of(set, 1) == tags{-1, 0, -1});
  CHECK(tags_of(set, 2) == tags{-1, 0, b_loc, -1});
  const auto fails = [](const char* text, const conll_options& options, const char* what) {
    const temporary_file wrong(text);
    CHECK_THROWS_WITH_AS((void)conll<entities>(wrong.path(), tokenizer(), options), doctest::Contains(what), bert::error);
  };
  fails("the cat\tO O\nsat on\tO\n", {}, "line 2");
  fails("the cat\tO O\nsat\tO\tO\n", {}, "2: expected words separated by spaces");
  fails("sat\tO\nthe cat\tO O\n", {}, "line 2");  // a word "the cat" with the tag "O O"
  CHECK_NOTHROW(
      (void)conll<entities>(temporary_file("sat\tO\nthe cat\tO O\n").path(), tokenizer(), {.lines = conll_lines::sentences}));
}

TEST_CASE("the files of resume-ner are read completely") {
  const auto folder = support::shared_data("resume-ner");
  if (!folder) return;
  const auto names = conll_tags(*folder / "train.char.bmes");
  CHECK(bert::labels::tag_scheme_of(names) == bert::labels::tag_scheme::bmes);
  CHECK(conll(*folder / "train.char.bmes", tokenizer(), names).size() == 3821);
  CHECK(conll(*folder / "dev.char.bmes", tokenizer(), names).size() == 463);
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
  CHECK(facts(two, 1, {.pieces = tagged_pieces::mean}) != base);
  CHECK(facts(two, 1, {.pieces = tagged_pieces::mean}) != facts(two, 1, {.pieces = tagged_pieces::all}));
}
