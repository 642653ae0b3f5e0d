#include "bert/text/extend_vocabulary.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using namespace bert::text;  // NOLINT

const std::vector<std::string> pieces{"[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
                                      "pro",   "##te",      "##in",      "cell",  "##s",   "a",     "q"};

tokenizer small() { return tokenizer(vocabulary(pieces)); }

TEST_CASE("words are ranked by the tokens that they take beyond one, and rare, whole and unknown ones are left out") {
  const std::vector<std::string> text{"protein proteins Protein cells", "cells cells protein xenon xenon xenon",
                                      "cells cell a q"};
  const auto words = cut_words(text, small(), {.most = 10, .least_count = 1});
  REQUIRE(words.size() == 3);
  CHECK(words[0].text == "protein");  // 3 times, 3 pieces: 6
  CHECK(words[0].count == 3);
  CHECK(words[0].parts == std::vector<bert::token_id>{7, 8, 9});
  CHECK(words[1].text == "cells");  // 4 times, 2 pieces: 4
  CHECK(words[2].text == "proteins");
  CHECK(words[2].parts.size() == 4);
  CHECK(cut_words(text, small(), {.most = 10, .least_count = 2}).size() == 2);
  CHECK(cut_words(text, small(), {.most = 1, .least_count = 1}).size() == 1);
}

TEST_CASE("new pieces take [unused] rows first, then rows behind the last, and the tokenizer then finds them") {
  const std::vector<cut_word> words{{"protein", 3, {7, 8, 9}}, {"cells", 4, {10, 11}}, {"qa", 1, {13, 12}}};
  const auto extension = extend_vocabulary(small(), words);
  CHECK(extension.pieces.size() == pieces.size() + 1);
  CHECK(extension.reused == 2);
  REQUIRE(extension.added.size() == 3);
  CHECK(extension.added[0].id == 1);
  CHECK(extension.added[1].id == 2);
  CHECK(extension.added[2].id == static_cast<bert::token_id>(pieces.size()));
  CHECK(extension.added[1].parts == words[1].parts);
  const tokenizer wider(extension.pieces, small().options());
  std::vector<bert::token_id> ids;
  wider.append_ids("Protein cells proteins", ids);
  CHECK(ids == std::vector<bert::token_id>{1, 2, 1, 11});
  for (std::size_t i = 3; i < pieces.size(); ++i) CHECK(extension.pieces.piece(static_cast<bert::token_id>(i)) == pieces[i]);
}

TEST_CASE("a vocabulary of a fixed size takes as many as it has [unused] rows, and the error has the number") {
  const std::vector<cut_word> words{{"protein", 3, {7, 8, 9}}, {"cells", 4, {10, 11}}, {"qa", 1, {13, 12}}};
  CHECK(extend_vocabulary(small(), std::span(words).first(2), pieces.size()).pieces.size() == pieces.size());
  CHECK_THROWS_WITH_AS((void)extend_vocabulary(small(), words, pieces.size()),
                       doctest::Contains("at most 2 new pieces: 2 rows [unused…], and 0 behind the last"), bert::error);
  CHECK_THROWS_WITH_AS((void)extend_vocabulary(small(), std::vector<cut_word>{{"cell", 1, {10}}}), doctest::Contains("cell"),
                       bert::error);
}

}  // namespace
