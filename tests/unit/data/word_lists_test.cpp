#include "bert/data/word_lists.hpp"

#include <doctest/doctest.h>

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "bert/text/tokenizer.hpp"
#include "support/temporary_file.hpp"

namespace {

using bert::data::word_list_options;
using bert::data::word_list_report;

const bert::text::tokenizer& tokenizer() {
  static const bert::text::tokenizer t(
      bert::text::vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "new", "york", "paris", "##ian", "city", "中", "国",
                              "人", "北", "京", "big", "large", "huge", "town"}));
  return t;
}

std::vector<bert::token_id> ids(std::string_view text) {
  std::vector<bert::token_id> out;
  tokenizer().append_ids(text, out);
  return out;
}

template <class Read>
std::string message(const Read& read) {
  try {
    read();
  } catch (const bert::error& e) {
    return e.what();
  }
  return "no error";
}
std::string lexicon_error(std::string_view text, const word_list_options& options = {}) {
  const support::temporary_file file(text);
  auto what = message([&] { (void)bert::data::lexicon(file.path(), tokenizer(), options); });
  const auto at = what.find(file.path().string());
  return at == std::string::npos ? what : what.substr(at + file.path().string().size());
}
std::string synonyms_error(std::string_view text) {
  const support::temporary_file file(text);
  auto what = message([&] { (void)bert::data::synonyms(file.path(), tokenizer()); });
  const auto at = what.find(file.path().string());
  return at == std::string::npos ? what : what.substr(at + file.path().string().size());
}

TEST_CASE("an entry a line, with spaces, up to a tab; single words and unknown ones are left out and counted") {
  const support::temporary_file file("New York\t17\nparis\nParisian\n\nbig city\nNEW YORK\nbig dog\n中国\n");
  word_list_report report;
  const auto words = bert::data::lexicon(file.path(), tokenizer(), {}, &report);
  CHECK(words.size() == 3);
  CHECK(words.find(ids("new york")) == 0);
  CHECK(words.find(ids("big city")) == 1);
  CHECK(words.find(ids("中国")) == 2);
  CHECK(report.lines == 7);
  CHECK(report.entries == 3);
  CHECK(report.single == 2);
  CHECK(report.unknown == 1);
  CHECK(report.end == bert::data::word_end::tab);
}

TEST_CASE("lines of a word and a number are a dictionary's, a first line without a number before such is a header") {
  const support::temporary_file jieba("中国 17 n\n北京 3 ns\n国人 2\n"), tsv("new york\tpopulation\n中国\t3\n北京\t4\n"),
      plain("new york\n中国\n");
  word_list_report report;
  const auto words = bert::data::lexicon(jieba.path(), tokenizer(), {}, &report);
  CHECK(words.size() == 3);
  CHECK(words.find(ids("中国")) == 0);
  CHECK(report.end == bert::data::word_end::space);
  CHECK_THROWS_WITH_AS((void)bert::data::lexicon(jieba.path(), tokenizer(), {.end = bert::data::word_end::tab}),
                       doctest::Contains("found 3 entries, of which 0 are of one word and 3 have [UNK]"), bert::error);
  CHECK(bert::data::lexicon(tsv.path(), tokenizer()).size() == 2);
  CHECK(bert::data::lexicon(plain.path(), tokenizer()).size() == 2);
  const std::array<std::filesystem::path, 2> both{plain.path(), jieba.path()};
  CHECK(bert::data::lexicon(both, tokenizer(), {}, &report).size() == 4);
  CHECK(report.entries == 4);
}

TEST_CASE("a bad word list is an error that names the line") {
  CHECK(lexicon_error("new york\n\tbig\n") == ", line 2: expected a word before the tab, found none; write one entry a line");
  CHECK(lexicon_error("new york\n\nbig\xff\n")
            .starts_with(", line 3: expected text in UTF-8, found an invalid byte at column 4"));
  CHECK(lexicon_error("中国\n中国人北京\n", {.longest = 4}) ==
        ", line 2: expected a word or phrase of at most 4 tokens, found 5; is it a text in place of a word list?");
  CHECK(lexicon_error("\n\n") == ": expected a word list, one entry a line, found no entry; check the path");
  CHECK(lexicon_error("paris\nbig dog\n") ==
        ": expected an entry of two words or more (in Chinese: characters) that the vocabulary has, found 2 entries, of which "
        "1 are "
        "of one word and 1 have [UNK]; is the list of the vocabulary's language?");
  CHECK(message([] { (void)bert::data::lexicon("/nowhere/words.txt", tokenizer()); }).find("/nowhere/words.txt") !=
        std::string::npos);
}

TEST_CASE("synonyms of as many tokens are kept, others counted") {
  const support::temporary_file file("big\tlarge\thuge\tbig\tgreat\nbig city\tnew york\ttown\nbig\tlarge\n");
  word_list_report report;
  const auto synonyms = bert::data::synonyms(file.path(), tokenizer(), {}, &report);
  CHECK(synonyms.pairs() == 3);
  CHECK(report.entries == 3);
  CHECK(report.uneven == 1);
  CHECK(report.unknown == 1);
  CHECK(synonyms.of(synonyms.words().find(ids("big"))).size() == 2);
  CHECK(synonyms.of(synonyms.words().find(ids("large"))).empty());
}

TEST_CASE("a bad list of synonyms is an error that names the line") {
  CHECK(synonyms_error("big\tlarge\nbig\n")
            .starts_with(", line 2: expected a word, a tab, and its synonyms separated by tabs, found no tab"));
  CHECK(synonyms_error("big\t\n").find("no synonym behind the tab") != std::string::npos);
  CHECK(synonyms_error("\tbig\n").find("line 1: expected a word, a tab, and its synonyms separated by tabs, found no word") !=
        std::string::npos);
  CHECK(synonyms_error("\n").find("no line") != std::string::npos);
  CHECK(synonyms_error("big city\ttown\n").find("none in 1 lines: 1 synonyms have other numbers of tokens") !=
        std::string::npos);
}

}  // namespace
