// Encodes texts from a file and writes what tools/tokenizer_parity compares: one line a text.
//   dump VOCAB FLAGS INPUT OUTPUT     INPUT: 32-bit length and bytes, text after text; FLAGS: of "lower cased strip keep nochinese google"
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "bert/text.hpp"

namespace {

void number(std::string& out, std::int64_t n) {
  char digits[24];
  char* p = digits + sizeof digits;
  const bool negative = n < 0;
  auto left = static_cast<std::uint64_t>(negative ? -n : n);
  do *--p = static_cast<char>('0' + left % 10);
  while ((left /= 10) != 0);
  if (negative) *--p = '-';
  out.append(p, digits + sizeof digits);
}

template <class Tokenizer>
void dump(const Tokenizer& tokenizer, std::FILE* in, std::FILE* out) {
  std::string text, line;
  for (std::uint32_t size; std::fread(&size, sizeof size, 1, in) == 1;) {
    text.resize(size);
    if (size != 0 && std::fread(text.data(), size, 1, in) != 1) throw bert::error("the input ends within a text");
    const auto e = tokenizer.template encode<bert::text::offsets::code_points>(text);
    // The fast path without offsets is another instance of the scanner: it has to agree.
    const auto plain = tokenizer.encode(text);
    line.clear();
    if (!std::ranges::equal(plain.ids(), e.ids)) line += "the ids differ with and without offsets ";
    for (std::size_t i = 0; i < e.size(); ++i) {
      number(line, e.ids[i]);
      line += ':';
      number(line, static_cast<std::int64_t>(e.ranges[i].first));
      line += ':';
      number(line, static_cast<std::int64_t>(e.ranges[i].last));
      line += ':';
      number(line, e.words[i]);
      line += e.special[i] != 0 ? "s " : " ";
    }
    line += '\n';
    std::fwrite(line.data(), 1, line.size(), out);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::cerr << "usage: dump VOCAB FLAGS INPUT OUTPUT\n";
    return 2;
  }
  const std::string_view flags = argv[2];
  const auto has = [&](std::string_view flag) { return flags.find(flag) != std::string_view::npos; };
  bert::text::tokenizer_options options{.lowercase = has("lower"), .tokenize_chinese_chars = !has("nochinese")};
  if (has("strip")) options.strip_accents = true;
  if (has("keep")) options.strip_accents = false;
  std::FILE* in = std::fopen(argv[3], "rb");
  std::FILE* out = std::fopen(argv[4], "wb");
  if (in == nullptr || out == nullptr) throw bert::error("cannot open the files");
  const auto vocabulary = bert::text::vocabulary::open(argv[1]);
  if (has("google")) dump(bert::text::google_tokenizer(vocabulary, options), in, out);
  else dump(bert::text::tokenizer(vocabulary, options), in, out);
  return std::fclose(out) == 0 ? 0 : 1;
} catch (const std::exception& e) {
  std::cerr << "dump: " << e.what() << '\n';
  return 1;
}
