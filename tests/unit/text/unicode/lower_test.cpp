// Lower case compared with Python 3's str.lower().
// Layer: tests.
#include "bert/text/unicode/lower.hpp"

#include <doctest/doctest.h>

using bert::text::lowercased;

TEST_CASE("Lower case is Python's, accents stay, and invalid UTF-8 is replaced") {
  CHECK(lowercased("The CAT [MASK] 日本") == "the cat [mask] 日本");
  CHECK(lowercased("ÄÖÜ É ẞ") == "äöü é ß");
  CHECK(lowercased("\u0130stanbul") == "i\u0307stanbul");
  CHECK(lowercased("").empty());
  CHECK(lowercased("A\xFF"
                   "B") == "a\uFFFDb");
}

TEST_CASE("A capital sigma is final at the end of a word and nowhere else") {
  CHECK(lowercased("ΟΔΥΣΣΕΥΣ") == "οδυσσευς");
  CHECK(lowercased("ΟΔΟΣ ΣΟΦΙΑΣ!") == "οδος σοφιας!");
  CHECK(lowercased("Σ") == "σ");
  CHECK(lowercased("ΑΣ'Α") == "ασ'α");
}
