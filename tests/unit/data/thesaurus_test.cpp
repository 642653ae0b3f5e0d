#include "bert/data/thesaurus.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/temporary_file.hpp"

namespace {
namespace data = bert::data;
using list = std::vector<std::string>;

struct temporary_folder {
  std::filesystem::path path = support::temporary_path("bert_thesaurus_test");
  temporary_folder() { std::filesystem::create_directory(path); }
  ~temporary_folder() { std::filesystem::remove_all(path); }
};

list of(const data::thesaurus& words, std::string_view word) {
  const auto found = words.of(word);
  return {found.begin(), found.end()};
}
}  // namespace

TEST_CASE("the words of a group are synonyms of one another, in any case, and no word is its own") {
  data::thesaurus words;
  words.add(std::vector<std::string_view>{"Film", "movie", "motion picture", "film"});
  words.add(std::vector<std::string_view>{"movie", "flick"});
  words.add(std::vector<std::string_view>{"alone"});
  CHECK(of(words, "FILM") == list{"movie", "motion picture"});
  CHECK(of(words, "movie") == list{"Film", "motion picture", "film", "flick"});
  CHECK(of(words, "alone").empty());
  CHECK_FALSE(words.contains("alone"));
  CHECK(words.size() == 4);
  CHECK(words.longest() == 14);
}

TEST_CASE("WordNet's files give the words of a synset, with spaces and without the marks of adjectives") {
  const temporary_folder folder;
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(folder.path / name) << "  1 license\n" << text;
  };
  write("data.noun", "06613686 10 n 05 movie 0 film 0 picture 0 moving_picture 0 pic 0 002 @ 06619428 n 0000 | a form\n");
  write("data.verb", "00000001 29 v 01 breathe 0 000 | draw air\n");
  write("data.adj", "00000002 00 s 02 galore(ip) 0 abounding 0 000 | existing in abundance\n");
  write("data.adv", "");
  const auto words = data::wordnet(folder.path);
  CHECK(of(words, "film") == list{"movie", "picture", "moving picture", "pic"});
  CHECK(of(words, "moving picture").size() == 4);
  CHECK(of(words, "galore") == list{"abounding"});
  CHECK(of(words, "breathe").empty());
  write("data.adv", "12 02 r 0x nonsense\n");
  CHECK_THROWS_WITH_AS((void)data::wordnet(folder.path), doctest::Contains("data.adv, line 2"), bert::error);
  std::filesystem::remove(folder.path / "data.adv");
  CHECK_THROWS_WITH_AS((void)data::wordnet(folder.path), doctest::Contains("data.adv"), bert::error);
}

TEST_CASE("a MyThes thesaurus gives synonyms without a remark, of all meanings of a word") {
  const support::temporary_file file(
      "UTF-8\nfilm|2\n(noun)|movie|product (generic term)|picture\n(verb)|shoot|take|film\nset|1\n(noun)|group\n");
  const auto words = data::mythes(file.path());
  CHECK(of(words, "Film") == list{"movie", "picture", "shoot", "take"});
  CHECK(of(words, "set") == list{"group"});
  CHECK(of(words, "movie").empty());
  const support::temporary_file wrong("UTF-8\nfilm\n");
  CHECK_THROWS_WITH_AS((void)data::mythes(wrong.path()), doctest::Contains("line 2"), bert::error);
}

TEST_CASE("groups are read from the last column, and of Cilin only those that mean the same") {
  const support::temporary_file file(
      "Aa01A02=\t人类 生人 全人类\nAa01A03#\t人手 人员\nAa01A04@\t劳力 x\na\tb\tbig|very large\r\n");
  const auto words = data::synonym_groups(file.path());
  CHECK(of(words, "生人") == list{"人类", "全人类"});
  CHECK(of(words, "人手").empty());
  CHECK(of(words, "劳力").empty());
  CHECK(of(words, "big") == list{"very large"});
  CHECK(words.longest() == 10);
  const support::temporary_file empty("one\n"), latin("caf\xE9 bar\n");
  CHECK_THROWS_WITH_AS((void)data::synonym_groups(empty.path()), doctest::Contains("no two words"), bert::error);
  CHECK_THROWS_WITH_AS((void)data::synonym_groups(latin.path()), doctest::Contains("UTF-8"), bert::error);
}
