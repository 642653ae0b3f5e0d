// Layer: tests. Of: include/bert/labels/tag_scheme.hpp
#include "bert/labels/tag_scheme.hpp"

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/labels/bio.hpp"
#include "bert/labels/dynamic_set.hpp"

namespace {

using bert::labels::tag_scheme;
using sentence = std::vector<std::string>;

sentence split(const std::string& text) {
  std::istringstream in(text);
  sentence out;
  for (std::string tag; in >> tag;) out.push_back(tag);
  return out;
}
tag_scheme found(const std::vector<std::string>& sentences) {
  bert::labels::scheme_finder finder;
  for (const auto& s : sentences) finder.add(split(s));
  return finder.scheme();
}
std::string converted(const std::string& text, tag_scheme to) {
  sentence tags = split(text);
  bert::labels::convert_tags(tags, to);
  std::string out;
  for (const auto& tag : tags) out.append(out.empty() ? "" : " ").append(tag);
  return out;
}

struct entities : bert::labels::bio<"PER"> {};

}  // namespace

TEST_CASE("the scheme is found out from the letters, and BIO from IOB1 by where B stands") {
  CHECK(found({"O B-PER I-PER O B-LOC"}) == tag_scheme::bio);
  CHECK(found({"O I-PER I-PER B-PER O I-LOC"}) == tag_scheme::iob1);
  CHECK(found({"I-PER I-LOC", "O I-PER"}) == tag_scheme::iob1);
  CHECK(found({"B-LOC O", "O I-PER"}) == tag_scheme::bio);  // with a fault
  CHECK(found({"B-PER B-PER"}) == tag_scheme::bio);
  CHECK(found({"O S-PER O"}) == tag_scheme::bioes);
  CHECK(found({"B-PER E-PER"}) == tag_scheme::bioes);
  CHECK(found({"B-PER M-PER E-PER", "S-LOC"}) == tag_scheme::bmes);
  CHECK(found({"U-PER", "O"}) == tag_scheme::bilou);
  CHECK(found({"NN VB-X"}) == tag_scheme::none);
  CHECK(found({"B-PER I-PER NN"}) == tag_scheme::none);
  CHECK(found({"O O"}) == tag_scheme::none);
  CHECK(found({"B-"}) == tag_scheme::none);
  CHECK(bert::labels::tag_scheme_of(entities{}) == tag_scheme::bio);
  CHECK(bert::labels::tag_scheme_of(bert::labels::dynamic_set({"O", "B-X", "M-X", "E-X", "S-X"})) == tag_scheme::bmes);
  CHECK(bert::labels::tag_scheme_of(bert::labels::dynamic_set({"NOUN", "VERB"})) == tag_scheme::none);
  CHECK(bert::labels::name_of(tag_scheme::iob1) == "IOB1");
  CHECK(bert::labels::name_of(tag_scheme::bilou) == "BILOU");
}

TEST_CASE("entities are written in each scheme") {
  const std::string bio = "B-P B-P I-P O B-L B-P I-P I-P";
  CHECK(converted(bio, tag_scheme::iob1) == "I-P B-P I-P O I-L I-P I-P I-P");
  CHECK(converted(bio, tag_scheme::bioes) == "S-P B-P E-P O S-L B-P I-P E-P");
  CHECK(converted(bio, tag_scheme::bmes) == "S-P B-P E-P O S-L B-P M-P E-P");
  CHECK(converted(bio, tag_scheme::bilou) == "U-P B-P L-P O U-L B-P I-P L-P");
  CHECK(converted("O I-P I-L", tag_scheme::bio) == "O B-P B-L");
  CHECK(converted("B-a-b I-a-b", tag_scheme::bioes) == "B-a-b E-a-b");
  CHECK(converted("", tag_scheme::bio).empty());
}

TEST_CASE("every sentence is the same after a way through all schemes") {
  bert::random_stream random(5, bert::draw::user, 0);
  for (int i = 0; i < 200; ++i) {
    // A legal BIO sentence.
    std::string text, open;  // the type that may go on
    for (int w = 0; w < 12; ++w) {
      const auto r = random.below(5);
      std::string tag = "O";
      if (r == 4 && !open.empty()) tag = "I-" + open;
      else if (r >= 2) tag = "B-" + (open = random.below(2) == 0 ? "X" : "Y");
      else open.clear();
      text += (w == 0 ? "" : " ") + tag;
    }
    sentence tags = split(text);
    for (const auto to : {tag_scheme::bioes, tag_scheme::iob1, tag_scheme::bmes, tag_scheme::bilou, tag_scheme::bio})
      bert::labels::convert_tags(tags, to);
    std::string again;
    for (const auto& tag : tags) again.append(again.empty() ? "" : " ").append(tag);
    CHECK(again == text);
  }
}
