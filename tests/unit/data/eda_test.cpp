#include "bert/data/eda.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "support/temporary_file.hpp"

namespace {
namespace data = bert::data;
using strings = std::vector<std::string>;

data::thesaurus english() {
  data::thesaurus words;
  const auto group = [&](std::vector<std::string_view> w) { words.add(w); };
  group({"film", "movie", "motion picture"});
  group({"good", "fine", "great"});
  group({"quick", "fast"});
  group({"city", "town"});
  group({"the", "this"});
  return words;
}
strings words_of(const std::string& text) {
  std::istringstream in(text);
  strings out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}
std::multiset<std::string> bag(const std::string& text) {
  const auto words = words_of(text);
  return {words.begin(), words.end()};
}
const std::string sentence = "The film was good, and the quick hero left the city.";

/// What 300 variants of a text are like.
template <class Check>
void each_variant(const data::eda& augment, const std::string& text, const Check& check) {
  for (std::uint64_t key = 0; key < 300; ++key) check(augment(text, {.key = key}));
}
data::eda_options only(float data::eda_options::*operation, float share) {
  data::eda_options o{.replace = 0, .insert = 0, .swap = 0, .remove = 0, .seed = 3};
  o.*operation = share;
  return o;
}
using o = data::eda_options;
}  // namespace

TEST_CASE("a text is split into words without punctuation and joined to the same text") {
  const data::thesaurus none;
  for (const std::string text : {"Hello, (world)!", "a - b", "...", "", "不,是 ok。好", "x"}) {
    CAPTURE(text);
    CHECK(data::joined(data::augmentable_words(text, none, {})) == text);
  }
  const auto words = data::augmentable_words("  Hello,\t(big world)! ... ", none, {});
  REQUIRE(words.size() == 4);
  CHECK(words[0].core == "Hello");
  CHECK(words[0].after == ",");
  CHECK(words[1].before == "(");
  CHECK(words[2].core == "world");
  CHECK(words[2].after == ")!");
  CHECK(words[3].core.empty());
  CHECK(data::joined(words) == "Hello, (big world)! ...");
}

TEST_CASE("Chinese is split into the longest words of the lists, single characters else, and parted from marks and Latin") {
  data::thesaurus synonyms;
  synonyms.add(std::vector<std::string_view>{"高兴", "快乐"});
  data::word_list list;
  list.add("北京");
  list.add("北京大学");
  strings found;
  for (const auto& word : data::augmentable_words("我在北京大学很高兴,GPU好。", synonyms, list))
    if (!word.core.empty()) found.push_back(word.core);
  CHECK(found == strings{"我", "在", "北京大学", "很", "高兴", "GPU", "好"});
  const data::eda augment(synonyms, only(&o::replace, 0.5f), list);
  CHECK(augment("我在北京大学很高兴。", {}) == "我在北京大学很快乐。");
}

TEST_CASE("the same seed, example and round give the same bytes, others other ones") {
  const data::eda augment(english(), {.seed = 7}), same(english(), {.seed = 7}), other(english(), {.seed = 8});
  std::set<std::string> seen;
  std::size_t differ = 0;
  for (std::uint64_t key = 0; key < 50; ++key)
    for (std::uint32_t round = 0; round < 4; ++round) {
      const auto text = augment(sentence, {key, round});
      CHECK(text == same(sentence, {key, round}));
      differ += text != other(sentence, {key, round}) ? 1 : 0;
      seen.insert(text);
    }
  CHECK(differ > 100);
  CHECK(seen.size() > 50);
}

TEST_CASE("replacement puts synonyms in the place of n words that have one, with their capital and punctuation") {
  const data::eda one(english(), only(&o::replace, 0.1f));
  std::set<std::string> seen;
  each_variant(one, sentence, [&](const std::string& text) {
    seen.insert(text);
    CHECK(text.starts_with("The "));  // a function word
    const auto before = bag(sentence), after = bag(text);
    std::vector<std::string> gone;
    std::set_difference(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(gone));
    CHECK(gone.size() == 1);
  });
  CHECK(seen.size() == 6);  // film: 2, good: 2, quick: 1, city: 1
  CHECK(seen.contains("The film was great, and the quick hero left the city."));
  CHECK(data::eda(english(), only(&o::replace, 1))("Good film", {}).find_first_of("FG") != std::string::npos);
  each_variant(data::eda(english(), only(&o::replace, 1)), "quick city",
               [](const std::string& text) { CHECK(text == "fast town"); });
}

TEST_CASE("insertion adds a synonym of a word of the text anywhere, n times, and takes all synonyms") {
  const data::eda augment(english(), only(&o::insert, 0.5f));
  std::set<std::string> added;
  std::set<std::size_t> places;
  each_variant(augment, "a good city", [&](const std::string& text) {
    const auto before = words_of("a good city"), after = words_of(text);
    REQUIRE(after.size() == 4);
    std::size_t at = 0;
    while (at < 3 && after[at] == before[at]) ++at;
    places.insert(at);
    added.insert(after[at]);
    auto rest = after;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(at));
    CHECK(rest == before);
  });
  CHECK(added == std::set<std::string>{"fine", "great", "town"});
  CHECK(places.size() == 4);
}

TEST_CASE("a swap changes the order of words alone, their punctuation stays in its place") {
  const data::eda augment(english(), only(&o::swap, 0.1f));
  each_variant(augment, "one, two three.", [](const std::string& text) {
    CHECK(text != "one, two three.");
    CHECK(text.find(',') < text.find(' '));
    CHECK(text.back() == '.');
    std::string letters = text;
    letters.erase(std::remove_if(letters.begin(), letters.end(), [](char c) { return c == ',' || c == '.'; }), letters.end());
    CHECK(bag(letters) == std::multiset<std::string>{"one", "two", "three"});
  });
}

TEST_CASE("deletion removes that share of the words, in their order, and never all") {
  const data::eda augment(english(), only(&o::remove, 0.3f)), all(english(), only(&o::remove, 1));
  double words = 0;
  each_variant(augment, sentence, [&](const std::string& text) {
    auto left = words_of(sentence);
    std::size_t next = 0;
    for (const auto& word : words_of(text)) {
      while (next < left.size() && left[next] != word) ++next;
      CHECK(next++ < left.size());
    }
    words += static_cast<double>(words_of(text).size());
  });
  CHECK(words / 300 == doctest::Approx(11 * 0.7).epsilon(0.1));
  each_variant(all, sentence, [](const std::string& text) { CHECK(words_of(text).size() == 1); });
}

TEST_CASE("no text becomes empty, and one without words stays as it is") {
  for (const float share : {0.05f, 0.5f, 1.0f}) {
    const data::eda augment(english(), {.replace = share, .insert = share, .swap = share, .remove = share});
    for (const std::string text : {"film", "the", "!?", "a b", "好", "。", "x 好 y"})
      each_variant(augment, text, [&](const std::string& made) {
        CAPTURE(text);
        CHECK(made.find_first_not_of(' ') != std::string::npos);
        if (text == "!?" || text == "。") CHECK(made == text);
      });
  }
}

TEST_CASE("of tagged words entities keep their words' types, their length and their place among the tags") {
  const strings words{"Anna", "Smith", "left", "the", "city", "of", "New", "York", "on", "a", "good", "day", "."};
  const strings tags{"B-PER", "I-PER", "O", "O", "O", "O", "B-LOC", "I-LOC", "O", "O", "O", "O", "O"};
  data::eda augment(english(), {.replace = 0.3f, .insert = 0.3f, .swap = 0.3f, .remove = 0.3f, .seed = 1});
  augment.learn(words, tags);
  augment.learn(strings{"Ben", "Jones", "Paris"}, strings{"B-PER", "I-PER", "B-LOC"});
  const std::map<std::string, std::set<std::string>> known{
      {"B-PER", {"Anna", "Ben"}}, {"I-PER", {"Smith", "Jones"}}, {"B-LOC", {"New", "Paris"}}, {"I-LOC", {"York"}}};
  std::set<std::string> first;
  std::set<std::size_t> lengths;
  for (std::uint64_t key = 0; key < 1000; ++key) {
    auto w = words, t = tags;
    augment.tagged(w, t, {.key = key});
    REQUIRE(w.size() == t.size());
    REQUIRE(!w.empty());
    strings entity;
    for (std::size_t i = 0; i < w.size(); ++i) {
      CHECK(w[i].find(' ') == std::string::npos);
      CHECK(!w[i].empty());
      if (t[i] == "O") continue;
      CHECK(known.at(t[i]).contains(w[i]));
      if (t[i][0] == 'I') CHECK((i > 0 && t[i - 1] == "B" + t[i].substr(1)));  // no entity is parted
      entity.push_back(t[i]);
    }
    CHECK(entity == strings{"B-PER", "I-PER", "B-LOC", "I-LOC"});
    first.insert(w[static_cast<std::size_t>(std::find(t.begin(), t.end(), "B-PER") - t.begin())]);
    lengths.insert(w.size());
  }
  CHECK(first == std::set<std::string>{"Anna", "Ben"});
  CHECK(lengths.size() > 4);
}

TEST_CASE("a sentence of entities alone keeps all its words, and words of a tag that was not learned stay") {
  const data::eda augment(english(), {.replace = 0.5f, .insert = 0.5f, .swap = 0.5f, .remove = 1});
  for (std::uint64_t key = 0; key < 100; ++key) {
    strings w{"Anna", "Smith"}, t{"B-PER", "I-PER"};
    augment.tagged(w, t, {.key = key});
    CHECK(w == strings{"Anna", "Smith"});
    CHECK(t == strings{"B-PER", "I-PER"});
  }
}

TEST_CASE("shares out of range are refused") {
  CHECK_THROWS_WITH_AS(data::eda(english(), {.swap = 1.5f}), doctest::Contains("shares from 0 to 1"), bert::error);
  CHECK_THROWS_WITH_AS(data::eda(english(), {.replace = 0, .insert = 0, .swap = 0, .remove = 0}),
                       doctest::Contains("an operation"), bert::error);
}

TEST_CASE("a list of words is read from the first column of its file") {
  const support::temporary_file file("北京 34488 ns\r\nAT&T 3 nz\n\nalone\r\n");
  const auto words = data::word_list::read(file.path());
  CHECK(words.size() == 3);
  CHECK(words.contains("北京"));
  CHECK(words.contains("alone"));
  CHECK(words.longest() == 5);
}
