#include "bert/data/token_store.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bert/core/random.hpp"
#include "support/temporary_file.hpp"
#include "support/toy_tokenizer.hpp"

namespace {

using bert::data::corpus;
using bert::data::token_store;

TEST_CASE("the store has the documents, sentences and tokens of the text") {
  const support::temporary_file file("The cat sat. It slept.\nThe end.\n\nUnbelievable things happened.\n");
  for (const std::size_t pieces : {1'000u, 40'000u}) {
    const toy::tokenizer tokenizer(pieces);
    const token_store store(corpus{file.path()}, tokenizer, {}, bert::execution::serial{});
    REQUIRE(store.documents() == 2);
    REQUIRE(store.sentences() == 4);
    CHECK(store.document(0) == 0);
    CHECK(store.document(1) == 3);
    CHECK(store.document(2) == 4);
    CHECK(store.length(0) == 3);
    CHECK(store.length(1) == 2);
    CHECK(store.id(store.sentence(1)) == tokenizer.piece("It", false));
    // Unbe-liev-able thin-gs happ-ened.: "things" has six letters and stays whole
    CHECK(store.length(3) == 3 + 1 + 3);
    CHECK_FALSE(store.continues(store.sentence(3)));
    CHECK(store.continues(store.sentence(3) + 1));
    CHECK(store.id(store.sentence(3) + 1) == tokenizer.piece("liev", true));
    CHECK(store.sentence(4) == store.tokens());
  }
}

TEST_CASE("a sentence that is too long is split before a word, or inside a word that is too long itself") {
  const support::temporary_file file("aa bb cc ddddddddd ee\nabcdefghijklmnopqrstuvwxyz\n");
  const token_store store(corpus{file.path()}, toy::tokenizer{}, {.longest_sentence = 4}, bert::execution::serial{});
  std::vector<std::size_t> lengths;
  for (std::uint32_t s = 0; s < store.sentences(); ++s) lengths.push_back(store.length(s));
  CHECK(lengths == std::vector<std::size_t>{3, 4, 4, 3});
  CHECK(store.documents() == 1);
}

TEST_CASE("the store is the same with any number of threads") {
  std::string text;
  bert::random_stream random(1, bert::draw::user);
  for (int line = 0; line < 40'000; ++line) {
    for (std::uint32_t words = random.below(20); words > 0; --words)
      text += "word" + std::to_string(random.below(500)) + (words % 7 == 1 ? ". " : " ");
    text += '\n';
  }
  const support::temporary_file file(text);
  const toy::tokenizer tokenizer;
  const token_store one(corpus{file.path()}, tokenizer, {}, bert::execution::serial{});
  const token_store three(corpus{file.path()}, tokenizer, {}, bert::execution::threads{3});
  REQUIRE(one.documents() > 1'000);
  REQUIRE(one.tokens() == three.tokens());
  REQUIRE(one.sentences() == three.sentences());
  REQUIRE(one.documents() == three.documents());
  bool same = true;
  for (std::uint64_t t = 0; t < one.tokens(); ++t)
    same = same && one.id(t) == three.id(t) && one.continues(t) == three.continues(t);
  for (std::uint32_t s = 0; s <= one.sentences(); ++s) same = same && one.sentence(s) == three.sentence(s);
  for (std::uint32_t d = 0; d <= one.documents(); ++d) same = same && one.document(d) == three.document(d);
  CHECK(same);
}

TEST_CASE("a corpus of blank lines is an error") {
  const support::temporary_file file("\n \n\n");
  CHECK_THROWS_AS(token_store(corpus{file.path()}, toy::tokenizer{}, {}, bert::execution::serial{}), bert::error);
}

struct failing : toy::tokenizer {
  void append_ids(std::string_view, std::vector<bert::token_id>&, std::vector<bert::word_part>*) const {
    throw bert::error("no tokens today");
  }
};

TEST_CASE("an exception of the tokenizer on another thread reaches the caller") {
  const support::temporary_file file("a\nb\n");
  CHECK_THROWS_WITH_AS(token_store(corpus{file.path()}, failing{}, {}, bert::execution::threads{2}), "no tokens today",
                       bert::error);
}

}  // namespace
