// Masks: the lexicon's matcher alone and whole policies, in megabytes of text a second, over real text if ../shared (or
// BERT_SHARED) has it, else over synthetic text.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "bert/data/word_lists.hpp"
#include "bert/objectives/masking_lexicon.hpp"
#include "bert/text.hpp"

namespace {

using namespace bert;  // NOLINT

std::filesystem::path shared() {
  const char* given = std::getenv("BERT_SHARED");
  return std::filesystem::path(given != nullptr ? given : "../shared") / "data";
}

struct material {
  training_batch batch;  // sequences of up to 128 tokens
  token_lexicon words;
  std::size_t bytes = 0;  // of the text that the sequences are of
};

// Chinese text as single characters: real prose and a dictionary, or characters and words at random; the dictionary is filled
// up with made-up words to `entries`.
const material& chinese(const std::size_t wanted) {
  static std::vector<std::pair<std::size_t, material>> made;
  for (const auto& [n, m] : made)
    if (n == wanted) return m;
  material m;
  std::size_t entries = wanted;  // to make up
  std::vector<token_id> ids{2};
  std::vector<word_part> parts{word_part::special};
  const auto close = [&] {
    ids.push_back(3);
    parts.push_back(word_part::special);
    m.batch.tokens.add(ids);
    m.batch.parts.insert(m.batch.parts.end(), parts.begin(), parts.end());
    m.batch.keys.push_back(m.batch.keys.size());
    ids.assign(1, 2);
    parts.assign(1, word_part::special);
  };
  const auto add = [&](token_id id, std::size_t size) {
    ids.push_back(id);
    parts.push_back(word_part::begins);
    m.bytes += size;
    if (ids.size() == 127) close();
  };
  token_lexicon_builder builder;
  random_stream random(1, draw::user);
  const auto vocabulary_file = shared() / "vocab" / "bert-base-chinese-vocab.txt";
  const auto text_file = shared() / "zh-general" / "train.txt", dictionary = shared() / "zh-words" / "dict.txt";
  if (std::filesystem::exists(vocabulary_file) && std::filesystem::exists(text_file) && std::filesystem::exists(dictionary)) {
    const auto tokenizer = text::tokenizer::open(vocabulary_file);
    std::ifstream file(text_file, std::ios::binary);
    std::vector<token_id> line_ids;
    std::vector<word_part> line_parts;
    for (std::string line; m.bytes < 3'000'000 && std::getline(file, line);) {
      line_ids.clear();
      tokenizer.append_ids(line, line_ids);
      for (const token_id id : line_ids) add(id, line.size() / std::max<std::size_t>(line_ids.size(), 1));
    }
    const auto list = data::lexicon(dictionary, tokenizer);
    for (std::size_t e = 0; e < list.size(); ++e) builder.add(list[e]);
    entries -= std::min(entries, list.size());
  } else {
    for (int i = 0; i < 1'000'000; ++i) add(700 + static_cast<token_id>(random.below(64) * random.below(64)), 3);
  }
  for (std::size_t e = 0; e < entries; ++e) {
    token_id word[4];
    const std::size_t length = 2 + random.below(3);
    for (std::size_t i = 0; i < length; ++i) word[i] = 700 + static_cast<token_id>(random.below(64) * random.below(64));
    builder.add(std::span(word, length));
  }
  m.words = std::move(builder).build();
  m.batch.vocabulary = {.mask = 4, .size = 21'128};
  made.reserve(8);
  return made.emplace_back(wanted, std::move(m)).second;
}

// Finds the entries of all sequences.
void lexicon_scan(benchmark::State& state) {
  const auto& m = chinese(static_cast<std::size_t>(state.range(0)));
  std::vector<std::uint8_t> joined(128);
  for (auto _ : state) {
    for (std::size_t s = 0; s < m.batch.tokens.sequences(); ++s) {
      const std::size_t begin = m.batch.tokens.starts()[s], length = m.batch.tokens.length(s);
      std::fill(joined.begin(), joined.end(), std::uint8_t{0});
      masking::join_entries{&m.words}(m.batch.tokens[s], std::span(m.batch.parts).subspan(begin, length), joined);
      benchmark::DoNotOptimize(joined.data());
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(m.bytes) * static_cast<std::int64_t>(state.iterations()));
  state.counters["entries"] = static_cast<double>(m.words.size());
  state.counters["MB"] = static_cast<double>(m.words.bytes()) / 1e6;
}
BENCHMARK(lexicon_scan)->Arg(350'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

// Masks all sequences.
template <class Policy>
void mask(benchmark::State& state) {
  const auto& m = chinese(350'000);
  Policy policy{};
  if constexpr (requires { policy.words; }) policy.words = m.words;
  masked_batch out;
  for (auto _ : state) policy(m.batch, 1, out);
  state.SetBytesProcessed(static_cast<std::int64_t>(m.bytes) * static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(mask<masking::token>)->Unit(benchmark::kMillisecond);
BENCHMARK(mask<masking::whole_word>)->Unit(benchmark::kMillisecond);
BENCHMARK(mask<masking::lexicon>)->Unit(benchmark::kMillisecond);

}  // namespace
