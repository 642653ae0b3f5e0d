#include "bert/text/english_words.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace {

std::string split(std::string_view text) {
  std::string out;
  for (const auto& word : bert::text::english_words(text)) out += (out.empty() ? "" : "|") + word;
  return out;
}

}  // namespace

TEST_CASE("punctuation stands apart, but not within numbers and between letters") {
  CHECK(split("") == "");
  CHECK(split("hello, world") == "hello|,|world");
  CHECK(split("1,000 a:b 3:2") == "1,000|a|:|b|3:2");
  CHECK(split("50% $5 at&t #1") == "50|%|$|5|at|&|t|#|1");
  CHECK(split("x (y) [1] {z} <p>") == "x|(|y|)|[|1|]|{|z|}|<|p|>");
  CHECK(split("hi! ok?") == "hi|!|ok|?");
  CHECK(split("a--b c-d") == "a|--|b|c-d");
  CHECK(split("a, b,") == "a|,|b|,");
  CHECK(split("e*f") == "e|*|f");
}

TEST_CASE("quotation marks tell whether they open or close") {
  CHECK(split("\"quoted\" text") == "``|quoted|''|text");
  CHECK(split("say \"it\"") == "say|``|it|''");
  CHECK(split("«a» “b”") == "«|a|»|“|b|”");
  CHECK(split("''a''") == "''|a|''");
  CHECK(split("('a')") == "(|'|a|'|)");
}

TEST_CASE("contractions are two words") {
  CHECK(split("don't can't it's we'll I'm they've she'd") == "do|n't|ca|n't|it|'s|we|'ll|I|'m|they|'ve|she|'d");
  CHECK(split("cannot gonna wanna gimme lemme gotta") == "can|not|gon|na|wan|na|gim|me|lem|me|got|ta");
  CHECK(split("d'ye like more'n 'tis 'twas") == "d|'ye|like|more|'n|'t|is|'t|was");
  CHECK(split("CANNOT Gonna IT'S") == "CAN|NOT|Gon|na|IT|'S");
  CHECK(split("toucannot") == "toucannot");
  CHECK(split("cannots gonnas dogs' rock 'n' roll") == "cannots|gonnas|dogs|'|rock|'n|'|roll");
}

TEST_CASE(
    "a period is a word at the end of a sentence; not after an abbreviation, an initial or a number before a small letter") {
  CHECK(split("wait. what") == "wait|.|what");
  CHECK(split("wait.what") == "wait.what");
  CHECK(split("dr. smith met j. smith") == "dr.|smith|met|j.|smith");
  CHECK(split("the u.s. army of the u.s.") == "the|u.s.|army|of|the|u.s|.");
  CHECK(split("3. foo 4. 5") == "3.|foo|4|.|5");
  CHECK(split("see 3. foo") == "see|3.|foo");
  CHECK(split("end... and more..") == "end|...|and|more|..");
  CHECK(split("(he left.) then") == "(|he|left|.|)|then");
  CHECK(split("no. 5") == "no|.|5");
  CHECK(split(".") == ".");
}
