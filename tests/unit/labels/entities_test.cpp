#include "bert/labels/entities.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace bert::labels;

namespace {

/// "PER 0-1, LOC 3-3" for space-separated tags.
template <class Reader>
std::string found(Reader reader, std::string_view tags) {
  std::vector<tag_parts> parts;
  while (!tags.empty()) {
    const auto end = std::min(tags.find(' '), tags.size());
    parts.push_back(split_tag(tags.substr(0, end)));
    tags.remove_prefix(std::min(end + 1, tags.size()));
  }
  std::string out;
  reader.read(parts,
              [&](const entity_span& e) { out += bert::cat(out.empty() ? "" : ", ", e.type, ' ', e.first, '-', e.last); });
  return out;
}

}  // namespace

TEST_CASE("a tag has its first character as letter and what follows the first dash as type") {
  static_assert(split_tag("B-PER").letter == 'B' && split_tag("B-PER").type == "PER");
  static_assert(split_tag("I-A-B").type == "A-B" && split_tag("O").type == "_" && split_tag("B").type == "_");
  static_assert(split_tag("").letter == 'O' && split_tag("BPER").type == "PER" && split_tag("B-").type == "_");
  CHECK(split_tag("é-X").letter == '?');
  CHECK(split_tag("é-X").type == "X");
}

TEST_CASE("by lenient rules an entity begins at an I after an O and at a change of type, and needs no E") {
  const entity_reader lenient;
  CHECK(found(lenient, "B-PER I-PER O B-LOC") == "PER 0-1, LOC 3-3");
  CHECK(found(lenient, "O I-PER I-PER B-PER") == "PER 1-2, PER 3-3");
  CHECK(found(lenient, "B-PER I-LOC") == "PER 0-0, LOC 1-1");
  CHECK(found(lenient, "B-X I-X E-X S-Y B-X O") == "X 0-2, Y 3-3, X 4-4");
  CHECK(found(lenient, "O O") == "");
}

TEST_CASE("by strict rules an entity begins with B or S, and ends with E or S if the scheme has these") {
  CHECK(found(strict_entity_reader(scheme::bio), "O I-PER B-PER I-PER I-LOC") == "PER 2-3");
  CHECK(found(strict_entity_reader(scheme::bioes), "B-X I-X E-X S-Y B-X O B-X E-Y I-X E-X") == "X 0-2, Y 3-3");
  CHECK_THROWS_AS((void)found(strict_entity_reader(scheme::bio), "E-X"), bert::error);
}

TEST_CASE("marks_entities is true for tags of every scheme and false for parts of speech") {
  CHECK(marks_entities(std::vector<std::string>{"O", "B-PER", "I-PER", "S-X", "M-X", "L-X", "U-X"}));
  CHECK(!marks_entities(std::vector<std::string>{"NOUN", "VERB"}));
  CHECK(!marks_entities(std::vector<std::string>{"O", "B"}));
}

TEST_CASE("the letters of BMES and BILOU are those of BIOES") {
  CHECK(bioes_letter('M') == 'I');
  CHECK(bioes_letter('L') == 'E');
  CHECK(bioes_letter('U') == 'S');
  for (const char same : std::string("BIOES")) CHECK(bioes_letter(same) == same);
}

TEST_CASE("strict reading ends at E of the type that began, drops dashes at a type's ends, and counts words over sentences") {
  CHECK(found(strict_entity_reader(scheme::bioes), "O B-X I-X I-X") == "");
  CHECK(found(strict_entity_reader(scheme::bioes), "O B-X I-X E-Y") == "");
  CHECK(found(strict_entity_reader(scheme::bioes), "O B-X I-X O") == "");
  CHECK(found(strict_entity_reader(scheme::bioes), "O B-X B-X E-X S-X") == "X 2-3, X 4-4");
  CHECK(found(strict_entity_reader(scheme::bio), "B-X- I--X O") == "X 0-1");
  strict_entity_reader two(scheme::bio);
  const std::vector<tag_parts> sentence{split_tag("O"), split_tag("B-X")};
  std::vector<std::int64_t> begins;
  for (int i = 0; i < 2; ++i) two.read(sentence, [&](const entity_span& e) { begins.push_back(e.first); });
  CHECK(begins == std::vector<std::int64_t>{1, 4});  // an O stands behind each sentence
}
