// The reference tokenizer's output for hard texts: tests/golden/tokenizer, written by tools/tokenizer_parity/golden.py.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "bert/text/tokenizer.hpp"

using namespace bert::text;

namespace {

std::string bytes_of(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::strtol(hex.substr(i, 2).c_str(), nullptr, 16));
  return out;
}

std::string line_of(const encoding<offsets::code_points>& e) {
  std::ostringstream out;
  for (std::size_t i = 0; i < e.size(); ++i)
    out << (i == 0 ? "" : " ") << e.ids[i] << ':' << e.ranges[i].first << ':' << e.ranges[i].last << ':' << e.words[i]
        << (e.special[i] != 0 ? "s" : "");
  return out.str();
}

}  // namespace

TEST_CASE("Ids, offsets, words and special tokens equal the reference's on every golden text") {
  const std::string folder = BERT_SOURCE_DIR "/tests/golden/tokenizer/";
  const auto v = vocabulary::open(folder + "vocab.txt");
  std::map<std::string, tokenizer> made;
  std::ifstream file(folder + "cases.tsv");
  REQUIRE(file.good());
  std::size_t cases = 0, wrong = 0;
  for (std::string line; std::getline(file, line); ++cases) {
    const std::size_t first = line.find('\t'), second = line.find('\t', first + 1);
    const std::string flags = line.substr(0, first), text = bytes_of(line.substr(first + 1, second - first - 1));
    auto found = made.find(flags);
    if (found == made.end()) {
      tokenizer_options options{.lowercase = flags[0] == '1', .tokenize_chinese_chars = flags[4] == '1'};
      if (flags[2] != '-') options.strip_accents = flags[2] == '1';
      found = made.emplace(flags, tokenizer(v, options)).first;
    }
    const auto e = found->second.encode<offsets::code_points>(text);
    const bool same = line_of(e) == line.substr(second + 1) && std::ranges::equal(found->second.encode(text).ids(), e.ids);
    if (!same && ++wrong <= 5) {
      CAPTURE(line);
      CHECK(line_of(e) == line.substr(second + 1));
    }
  }
  CHECK(cases > 1000);
  CHECK(wrong == 0);
}
