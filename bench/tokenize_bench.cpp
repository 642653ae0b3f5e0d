// Tokenization: bytes per second over real text if ../shared (or BERT_SHARED) has it, else over synthetic text.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/execution.hpp"
#include "bert/text.hpp"

namespace {

using namespace bert::text;

struct setting {
  const char* vocabulary;
  const char* file;
  bool lowercase;
};
constexpr setting uncased{"bert-base-uncased", "wiki-en/train.txt", true};
constexpr setting cased{"bert-base-cased", "wiki-en/train.txt", false};
constexpr setting chinese{"bert-base-chinese", "weibo/train.tsv", true};
constexpr setting multilingual{"bert-base-multilingual-cased", "weibo/train.tsv", false};
constexpr setting multilingual_english{"bert-base-multilingual-cased", "wiki-en/train.txt", false};

std::filesystem::path shared() {
  const char* given = std::getenv("BERT_SHARED");
  return std::filesystem::path(given != nullptr ? given : "../shared") / "data";
}

std::string made_up(bool cjk) {
  std::string out;
  unsigned state = 1;
  for (int i = 0; i < 20'000; ++i) {
    for (int w = 0; w < 12; ++w) {
      state = state * 1664525u + 1013904223u;
      if (cjk) utf8::append(0x4E00 + (state >> 12) % 2000, out);
      else out += std::string{"the quick brown fox jumps over a lazy dog unaffable "}.substr((state >> 24) % 40, 6) + ' ';
    }
    out += '\n';
  }
  return out;
}

// The lines of at most 8 MB of a file, read once.
const std::vector<std::string>& lines(const setting& s) {
  static std::map<std::string, std::vector<std::string>> read;
  auto& list = read[s.file];
  if (!list.empty()) return list;
  std::ifstream file(shared() / s.file, std::ios::binary);
  std::string all(std::istreambuf_iterator<char>(file), {});
  if (all.empty()) all = made_up(!s.lowercase || std::string_view(s.file).starts_with("weibo"));
  all.resize(std::min<std::size_t>(all.size(), 8'000'000));
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find('\n', at), all.size());
    if (end > at) list.push_back(all.substr(at, end - at));
    at = end + 1;
  }
  return list;
}

// Every code point, 64 per line: no running text, and mostly outside the caches for frequent words and characters.
const std::vector<std::string>& every_code_point() {
  static const std::vector<std::string> list = [] {
    std::vector<std::string> made;
    for (char32_t c = 1; c < 0x110000; ++c) {
      if (c % 64 == 1) made.emplace_back();
      if (c < 0xD800 || c > 0xDFFF) utf8::append(c, made.back());
    }
    return made;
  }();
  return list;
}

vocabulary pieces(const setting& s) {
  const auto path = shared() / "vocab" / (std::string(s.vocabulary) + "-vocab.txt");
  if (std::filesystem::exists(path)) return vocabulary::open(path);
  return train_wordpiece(lines(s), {.vocab = 4'000, .lowercase = s.lowercase, .surplus = 0}).vocabulary();
}

const tokenizer& of(const setting& s) {
  static std::map<std::string, tokenizer> made;
  auto found = made.find(s.vocabulary);
  if (found == made.end()) found = made.emplace(s.vocabulary, tokenizer(pieces(s), {.lowercase = s.lowercase})).first;
  return found->second;
}

void report(benchmark::State& state, const std::vector<std::string>& texts, std::size_t tokens) {
  std::size_t bytes = 0;
  for (const auto& t : texts) bytes += t.size();
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
  state.counters["tokens"] = static_cast<double>(tokens);
}

// Encodes every text; encode(text) returns its number of tokens.
template <class Encode>
void each(benchmark::State& state, const std::vector<std::string>& texts, const Encode& encode) {
  std::size_t tokens = 0;
  for (auto _ : state) {
    tokens = 0;
    for (const auto& text : texts) tokens += encode(text);
    benchmark::DoNotOptimize(tokens);
  }
  report(state, texts, tokens);
}

void ids(benchmark::State& state, const setting& s) {
  std::vector<bert::token_id> out;
  each(state, lines(s), [&t = of(s), &out](const std::string& text) {
    out.clear();
    t.append_ids(text, out);
    return out.size();
  });
}

template <class Offsets>
void everything(benchmark::State& state, const setting& s) {
  each(state, lines(s), [&t = of(s)](const std::string& text) { return t.encode<Offsets>(text).size(); });
}

template <class Offsets>
void into_one(benchmark::State& state, const setting& s) {
  encoding<Offsets> out;
  each(state, lines(s), [&t = of(s), &out](const std::string& text) {
    t.encode_into(out, text);
    return out.size();
  });
}

void batch(benchmark::State& state, const setting& s) {
  const auto& t = of(s);
  const auto& texts = lines(s);
  const bert::execution::threads run(static_cast<std::size_t>(state.range(0)));
  std::size_t tokens = 0;
  for (auto _ : state) tokens = t.encode(texts, {.max_tokens = 512}, run).tokens();
  report(state, texts, tokens);
}

template <class Offsets>
void code_points_alone(benchmark::State& state) {
  each(state, every_code_point(), [&t = of(uncased)](const std::string& text) { return t.encode<Offsets>(text).size(); });
}

void build(benchmark::State& state, const setting& s) {
  const auto v = pieces(s);
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer(v, {.lowercase = s.lowercase}));
  const auto held = [] {
    const auto m = mallinfo2();
    return static_cast<double>(m.uordblks + m.hblkhd);
  };
  const double before = held();
  const tokenizer made(v, {.lowercase = s.lowercase});
  state.counters["megabytes"] = (held() - before) / 1e6;  // memory of one tokenizer with its vocabulary
  state.counters["pieces"] = static_cast<double>(v.size());
}

void one_word(benchmark::State& state, const std::string& unit) {
  std::string text;
  while (text.size() < 1'000'000) text += unit;
  const auto& t = of(uncased);
  std::vector<bert::token_id> out;
  for (auto _ : state) {
    out.clear();
    t.append_ids(text, out);
  }
  report(state, {text}, out.size());
}

BENCHMARK_CAPTURE(ids, uncased_wiki, uncased)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ids, cased_wiki, cased)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ids, chinese_weibo, chinese)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ids, multilingual_weibo, multilingual)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ids, multilingual_wiki, multilingual_english)->Unit(benchmark::kMillisecond);
// The macro needs a plain function name, not a template's.
constexpr auto* everything_none = everything<offsets::none>;
constexpr auto* everything_bytes = everything<offsets::bytes>;
constexpr auto* everything_code_points = everything<offsets::code_points>;
BENCHMARK_CAPTURE(everything_none, uncased_wiki, uncased)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(everything_bytes, uncased_wiki, uncased)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(everything_code_points, uncased_wiki, uncased)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(everything_code_points, cased_wiki, cased)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(everything_code_points, chinese_weibo, chinese)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(everything_code_points, multilingual_weibo, multilingual)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(everything_code_points, multilingual_wiki, multilingual_english)->Unit(benchmark::kMillisecond);
constexpr auto* into_one_bytes = into_one<offsets::bytes>;
constexpr auto* into_one_code_points = into_one<offsets::code_points>;
BENCHMARK_CAPTURE(into_one_bytes, uncased_wiki, uncased)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(into_one_code_points, uncased_wiki, uncased)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(batch, uncased_wiki, uncased)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(code_points_alone<offsets::none>)->Name("every_code_point/none")->Unit(benchmark::kMillisecond);
BENCHMARK(code_points_alone<offsets::code_points>)->Name("every_code_point/code_points")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(build, uncased, uncased)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(build, multilingual, multilingual)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(one_word, letters, "a")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(one_word, combining_marks, "\xCC\x81")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(one_word, marks_that_stay, "\xF0\x9D\x85\xA5\xCC\x81")->Unit(benchmark::kMillisecond);

}  // namespace
