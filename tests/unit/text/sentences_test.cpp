#include "bert/text/sentences.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "support/kernels/arrays.hpp"

using bert::text::split_sentences;
using strings = std::vector<std::string>;

namespace {
strings sentences(std::string_view text) {
  strings out;
  split_sentences(text, [&](std::string_view s) { out.emplace_back(s); });
  return out;
}
}  // namespace

static_assert(std::ranges::is_sorted(bert::text::detail::abbreviations));
static_assert(std::ranges::is_sorted(bert::text::detail::may_end_sentence));

TEST_CASE("Sentences end at full stops, question and exclamation marks, after closing quotes and brackets") {
  CHECK(sentences("He came. She left!  Why? Who knows.") == strings{"He came.", "She left!", "Why?", "Who knows."});
  CHECK(sentences("\"Stop!\" He stopped. (So did I.) Then nothing") ==
        strings{"\"Stop!\"", "He stopped.", "(So did I.)", "Then nothing"});
  CHECK(sentences("Really?! Yes... Well.") == strings{"Really?!", "Yes...", "Well."});
  CHECK(sentences("") == strings{});
  CHECK(sentences(" \t ") == strings{});
}

TEST_CASE("Abbreviations, initials, numbers and a mark before lower case end no sentence") {
  CHECK(sentences("Dr. J. R. Smith met Mrs. Jones at 3.30 p.m. on Oct. 5.") ==
        strings{"Dr. J. R. Smith met Mrs. Jones at 3.30 p.m. on Oct. 5."});
  CHECK(sentences("It is 1.5 m, e.g. a table. Next.") == strings{"It is 1.5 m, e.g. a table.", "Next."});
  CHECK(sentences("He shouted \"stop!\" and ran.") == strings{"He shouted \"stop!\" and ran."});
  CHECK(sentences("She works for Acme Inc. Her brother does not.") ==
        strings{"She works for Acme Inc.", "Her brother does not."});
  CHECK(sentences("At Acme Inc. 5 people work.") == strings{"At Acme Inc. 5 people work."});
  CHECK(sentences("He left Acme Inc. $5 was all he had.") == strings{"He left Acme Inc.", "$5 was all he had."});
  CHECK(sentences("See www.example.com for more. Thanks.") == strings{"See www.example.com for more.", "Thanks."});
}

TEST_CASE("Chinese sentences end without white space") {
  CHECK(sentences("今天很好。你呢？我也好！走吧") == strings{"今天很好。", "你呢？", "我也好！", "走吧"});
  CHECK(sentences("他说：“走吧。”然后走了。") == strings{"他说：“走吧。”", "然后走了。"});
}

TEST_CASE("Closing marks belong to the sentence before, opening marks to the one after") {
  for (const std::string closing : {"\"", "'", ")", "]", "}", "’", "”", "»", "」", "』", "）", "】", "》"}) {
    CAPTURE(closing);
    CHECK(sentences("Yes." + closing + " No.") == strings{"Yes." + closing, "No."});
    CHECK(sentences("好。" + closing + "走吧") == strings{"好。" + closing, "走吧"});
  }
  for (const std::string opening : {"\"", "'", "(", "[", "{", "‘", "“", "«"}) {
    CAPTURE(opening);
    CHECK(sentences("Wait. " + opening + "and see") == strings{"Wait. " + opening + "and see"});
    CHECK(sentences("Wait. " + opening + "See") == strings{"Wait.", opening + "See"});
  }
}

TEST_CASE("Sentences are trimmed of any kind of white space") {
  CHECK(sentences("\u3000好。\u3000走吧\u3000") == strings{"好。", "走吧"});
  CHECK(sentences("\u00A0Yes.\r\n\tNo.\u00A0") == strings{"Yes.", "No."});
}

TEST_CASE("A letter beyond ASCII before an abbreviation makes it another word") {
  CHECK(sentences("Dr. Smith") == strings{"Dr. Smith"});
  CHECK(sentences("éDr. Smith") == strings{"éDr.", "Smith"});
  CHECK(sentences("ÀDr. Smith") == strings{"ÀDr.", "Smith"});  // À ends with the byte 0x80
  CHECK(sentences("\xFF"
                  "Dr. Smith") == strings{"\xFF"
                                          "Dr.",
                                          "Smith"});
}

TEST_CASE("No byte past the end of a text is read") {
  for (const std::string_view text : {"A b.", "A b. ", "A b.\"", "A b. (", "\xF0\x9F\x98", "好。", "Dr."}) {
    bert::test::array<float> page(32);  // ends where nobody may read
    char* const end = reinterpret_cast<char*>(page.data() + page.size());
    std::copy(text.begin(), text.end(), end - text.size());
    CHECK(sentences({end - text.size(), text.size()}) == sentences(text));
  }
}

TEST_CASE("Splitting loses nothing but white space") {
  const std::string text = "A b. C d?! E (f.) G. \xFF\xFE. H";
  std::string joined, whole;
  for (const auto& s : sentences(text)) joined += s;
  for (const char c : joined)
    if (c != ' ') whole += c;
  std::string expected;
  for (const char c : text)
    if (c != ' ') expected += c;
  CHECK(whole == expected);
}
