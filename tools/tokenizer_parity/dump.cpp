// Tokenizes what tools/tokenizer_parity/compare.py asks for and writes one line a text for it to compare.
//
//   dump VOCAB FLAGS INPUT OUTPUT [ADDED]
//
// INPUT: 32-bit length and bytes, text after text. FLAGS, joined by commas:
//   lower, cased, strip, keep, nochinese   the options of the tokenizer
//   google                                 ids of that policy, nothing else
//   windows                                a text is MAX STRATEGY SIDE STRIDE, \1, a[, \1, b]: every window, or "error"
//   decode                                 a text is SKIP CLEAN and ids: the text that they stand for
//   speed                                  prints the number of tokens and the processor times of one pass each: ids, full
//   encodings with
//                                          places in bytes, in code points, in code points into one that is used again; writes
//                                          nothing
// ADDED: lines of ID SINGLE_WORD LSTRIP RSTRIP NORMALIZED SPECIAL, \1, CONTENT: added tokens.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "bert/text/tokenizer.hpp"

namespace {

namespace text = bert::text;

void number(std::string& out, std::int64_t n) {
  char digits[24];
  char* p = digits + sizeof digits;
  auto left = static_cast<std::uint64_t>(n < 0 ? -n : n);
  do *--p = static_cast<char>('0' + left % 10);
  while ((left /= 10) != 0);
  if (n < 0) *--p = '-';
  out.append(p, digits + sizeof digits);
}

void tokens(std::string& line, const text::encoding<text::offsets::code_points>& e) {
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
}

template <class Tokenizer>
void plain(const Tokenizer& tokenizer, const std::string& input, std::string& line) {
  const auto e = tokenizer.template encode<text::offsets::code_points>(input);
  // Without offsets the scanner is another instance of the template: it has to agree.
  const auto batch = tokenizer.encode(input);
  if (!std::ranges::equal(batch.ids(), e.ids)) line += "the ids differ with and without offsets ";
  tokens(line, e);
}

void windows(const text::tokenizer& tokenizer, const std::string& input, std::string& line) {
  const std::size_t first = input.find('\1'), second = input.find('\1', first + 1);
  std::istringstream numbers(input.substr(0, first));
  text::encode_options options;
  int strategy = 0, side = 0;
  numbers >> options.max_tokens >> strategy >> side >> options.stride;
  options.truncate = static_cast<text::truncation>(strategy);
  options.truncate_side = static_cast<text::side>(side);
  const std::string_view all = input;
  const std::string_view a = all.substr(first + 1, second == std::string::npos ? second : second - first - 1);
  try {
    const auto found = second == std::string::npos
                           ? tokenizer.windows<text::offsets::code_points>(a, options)
                           : tokenizer.windows<text::offsets::code_points>(a, all.substr(second + 1), options);
    bert::token_batch batch;
    if (second == std::string::npos) tokenizer.encode_into(batch, a, options);
    else tokenizer.encode_into(batch, a, all.substr(second + 1), options);
    if (!std::ranges::equal(batch.ids(), found[0].ids) || !std::ranges::equal(batch.segments(), found[0].segments))
      line += "the batch differs from the first window ";
    for (const auto& e : found) {
      tokens(line, e);
      line += "/ ";
    }
  } catch (const bert::error&) {
    line += "error";
  }
}

void decoded(const text::tokenizer& tokenizer, const std::string& input, std::string& line) {
  std::istringstream numbers(input);
  int skip = 0, clean = 0;
  numbers >> skip >> clean;
  std::vector<bert::token_id> ids;
  for (bert::token_id id; numbers >> id;) ids.push_back(id);
  line += tokenizer.decode(ids, {.skip_special = skip != 0, .clean_up = clean != 0});
}

void google(const text::google_tokenizer& tokenizer, const std::string& input, std::string& line) {
  std::vector<bert::token_id> ids;
  tokenizer.append_ids(input, ids);
  for (const auto id : ids) {
    number(line, id);
    line += ' ';
  }
}

// Calls encode(text), which returns the number of tokens, for every text and prints the processor time.
template <class Encode>
std::size_t timed(const std::vector<std::string>& inputs, Encode&& encode) {
  std::size_t count = 0;
  double seconds = 0;
  for (int pass = 0; pass < 2; ++pass) {  // the first finds the memory
    count = 0;
    const std::clock_t start = std::clock();
    for (const auto& input : inputs) count += encode(input);
    seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  }
  std::cout << ' ' << seconds;
  return count;
}

void speed(const text::tokenizer& tokenizer, std::FILE* in) {
  std::vector<std::string> inputs;
  for (std::uint32_t size; std::fread(&size, sizeof size, 1, in) == 1;) {
    inputs.emplace_back(size, ' ');
    if (size != 0 && std::fread(inputs.back().data(), size, 1, in) != 1) throw bert::error("the input ends within a text");
  }
  using bytes = text::offsets::bytes;
  using code_points = text::offsets::code_points;
  bert::token_batch batch;
  const std::size_t count = timed(inputs, [&](const std::string& input) {
    batch.clear();
    tokenizer.encode_into(batch, input);
    return batch.tokens();
  });
  text::encoding<code_points> again;
  const bool same =
      timed(inputs, [&](const std::string& input) { return tokenizer.encode<bytes>(input).size(); }) == count &&
      timed(inputs, [&](const std::string& input) { return tokenizer.encode<code_points>(input).size(); }) == count &&
      timed(inputs, [&](const std::string& input) {
        tokenizer.encode_into(again, input);
        return again.size();
      }) == count;
  if (!same) throw bert::error("the ways to encode give different numbers of tokens");
  std::cout << ' ' << count << '\n';
}

std::vector<text::added_token> read_added(const char* path) {
  std::vector<text::added_token> out;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t at = line.find('\1');
    std::istringstream fields(line.substr(0, at));
    text::added_token t;
    t.content = line.substr(at + 1);
    fields >> t.id >> t.single_word >> t.lstrip >> t.rstrip >> t.normalized >> t.special;
    out.push_back(t);
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 5 && argc != 6) {
    std::cerr << "usage: dump VOCAB FLAGS INPUT OUTPUT [ADDED]\n";
    return 2;
  }
  const std::string_view flags = argv[2];
  const auto has = [&](std::string_view flag) { return flags.find(flag) != std::string_view::npos; };
  text::tokenizer_options options{.lowercase = has("lower"), .tokenize_chinese_chars = !has("nochinese")};
  if (has("strip")) options.strip_accents = true;
  if (has("keep")) options.strip_accents = false;
  if (argc == 6) options.added = read_added(argv[5]);
  std::FILE* in = std::fopen(argv[3], "rb");
  std::FILE* out = std::fopen(argv[4], "wb");
  if (in == nullptr || out == nullptr) throw bert::error("cannot open the files");
  const auto vocabulary = text::vocabulary::open(argv[1]);
  const text::tokenizer tokenizer(vocabulary, options);
  const text::google_tokenizer googles(vocabulary, options);
  if (has("speed")) {
    speed(tokenizer, in);
    return 0;
  }
  std::string input, line;
  for (std::uint32_t size; std::fread(&size, sizeof size, 1, in) == 1;) {
    input.resize(size);
    if (size != 0 && std::fread(input.data(), size, 1, in) != 1) throw bert::error("the input ends within a text");
    line.clear();
    if (has("google")) google(googles, input, line);
    else if (has("windows")) windows(tokenizer, input, line);
    else if (has("decode")) decoded(tokenizer, input, line);
    else plain(tokenizer, input, line);
    line += '\n';
    std::fwrite(line.data(), 1, line.size(), out);
  }
  return std::fclose(out) == 0 ? 0 : 1;
} catch (const std::exception& e) {
  std::cerr << "dump: " << e.what() << '\n';
  return 1;
}
