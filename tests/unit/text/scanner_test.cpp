#include "bert/text/scanner.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "bert/text/tokenizer.hpp"

using namespace bert::text;
using strings = std::vector<std::string>;

namespace {

vocabulary with_specials(strings pieces) {
  pieces.insert(pieces.begin(), {"[UNK]", "[CLS]", "[SEP]"});
  return vocabulary(pieces);
}

}  // namespace

TEST_CASE("A capital sigma becomes final at the end of its word as in str.lower, for google's tokenizer only") {
  const auto v = with_specials({"ας", "ασ", "ασα", "σ", "ς", "α", ".", "'", "中"});
  const google_tokenizer google(v);
  CHECK(google.tokens("ΑΣ ΑΣ.") == strings{"ας", "ας", "."});
  CHECK(google.tokens("ΑΣ") == strings{"ας"});
  CHECK(google.tokens("ΑΣΑ") == strings{"ασα"});
  CHECK(google.tokens("Σ Α Σ") == strings{"σ", "α", "σ"});  // no letter before it in the word
  CHECK(google.tokens("Α中Σ") == strings{"α", "中", "σ"});
  CHECK(google.tokens("Α\xCC\x81Σ\xCC\x81") == strings{"ας"});   // marks are skipped
  CHECK(google.tokens("ΑΣ'Α") == strings{"ασ", "'", "α"});       // str.lower skips an apostrophe too
  CHECK(google.tokens("\x01Σ ΑΣ\x01Α") == strings{"σ", "ασα"});  // control characters are removed first
  CHECK(google_tokenizer(v, {.lowercase = false}).tokens("Σ") == strings{"[UNK]"});
  CHECK(tokenizer(v).tokens("ΑΣ") == strings{"ασ"});
}

TEST_CASE("Bytes past the end of a text do not change its tokens") {
  const tokenizer t(with_specials({"a", "##a", "ab", "##b", ",", "é", "##é"}), {.strip_accents = false});
  const auto check = [&](const std::string& all, std::size_t size) {
    if (size < all.size() && (static_cast<unsigned char>(all[size]) & 0xC0u) == 0x80) return;
    const std::string copy = all.substr(0, size);
    std::vector<bert::token_id> ids, expected;
    t.append_ids(std::string_view(all).substr(0, size), ids);
    t.append_ids(copy, expected);
    CAPTURE(size);
    REQUIRE(ids == expected);
    std::size_t letters = 0;  // as many as in the text
    for (const auto& piece : t.pieces(ids))
      for (const char c : piece) letters += c != '#' ? 1u : 0u;
    std::size_t written = 0;
    for (const char c : copy) written += c != ' ' ? 1u : 0u;
    REQUIRE(letters == written);
  };
  std::string ascii, mixed;
  for (int i = 0; i < 50; ++i) {
    ascii += i % 2 == 0 ? "ab, " : "aab";
    mixed += i % 3 == 0 ? "ab, " : i % 3 == 1 ? "aab" : "abéa ,";
  }
  for (std::size_t size = 0; size <= ascii.size(); ++size) check(ascii, size);
  for (std::size_t size = 0; size <= mixed.size(); ++size) check(mixed, size);
}

TEST_CASE("A non-ASCII word is one piece only if all its bytes are the piece's") {
  const tokenizer t(with_specials({"ßbcdefgi", "abcdefghijklmnoß", "ßb", "##ß"}));
  CHECK(t.tokens("ßbcdefgi") == strings{"ßbcdefgi"});
  CHECK(t.tokens("ßbcdefgxi") == strings{"[UNK]"});  // differs in the ninth byte
  CHECK(t.tokens("abcdefghijklmnoß") == strings{"abcdefghijklmnoß"});
  const tokenizer longer(with_specials({"abcdefghijklmnop", "##ß"}));
  CHECK(longer.tokens("abcdefghijklmnopß") == strings{"abcdefghijklmnop", "##ß"});  // 18 bytes: two pieces, not the first 16
}

TEST_CASE("A word of too many characters is [UNK] though its kept prefix is a piece") {
  const tokenizer t(with_specials({"aßb", "abc"}), {.max_word_characters = 3});
  CHECK(t.tokens("aßb aßbc") == strings{"aßb", "[UNK]"});
  CHECK(t.tokens("abc abcd") == strings{"abc", "[UNK]"});
}

TEST_CASE("A limit of characters that no word can have is refused") {
  const auto with = [](std::size_t most) { return tokenizer(with_specials({}), {.max_word_characters = most}); };
  CHECK_NOTHROW(with(scanner<reference::transformers>::most_characters));
  CHECK_THROWS_WITH_AS(with(scanner<reference::transformers>::most_characters + 1), doctest::Contains("max_word_characters"),
                       bert::error);
}

TEST_CASE("Every capital of a long ASCII word is lowered") {
  const std::string lower = "abcdefghijklmnopqrstuvwxyz";
  const tokenizer t(with_specials({lower}));
  CHECK(t.tokens("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strings{lower});
  CHECK(t.tokens("aBcDeFgHiJkLmNoPqRsTuVwXyZ") == strings{lower});
}

TEST_CASE("Punctuation beyond ASCII ends a word and is one of its own") {
  const tokenizer t(with_specials({"é", "“", "”", "—", "a"}), {.strip_accents = false});
  CHECK(t.tokens("é—é“é”") == strings{"é", "—", "é", "“", "é", "”"});
  CHECK(t.tokens("a—a") == strings{"a", "—", "a"});
}

TEST_CASE("A mark that stays moves before one of a higher class, also one of a decomposition") {
  // U+1D15E is U+1D157 and U+1D165, of class 216; U+16FF0 has class 6.
  const google_tokenizer t(with_specials({"\U0001D157", "##\U0001D165", "##\U00016FF0"}));
  CHECK(t.tokens("\U0001D15E\U00016FF0") == strings{"\U0001D157", "##\U00016FF0", "##\U0001D165"});
}
