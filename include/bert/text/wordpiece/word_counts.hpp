// Counts the words of a text on several threads.
// Layer: text. Test: tests/unit/text/wordpiece/train_wordpiece_test.cpp
#ifndef BERT_TEXT_WORDPIECE_WORD_COUNTS_HPP
#define BERT_TEXT_WORDPIECE_WORD_COUNTS_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/text/tokenizer.hpp"

namespace bert::inline BERT_ISA::text {

/// A normalized word and how often it occurs.
struct counted_word {
  std::string text;
  std::uint64_t count = 0;
  friend bool operator==(const counted_word&, const counted_word&) = default;
};

namespace detail {

/// Hash table from words to 64-bit counts; stores the characters of all words in one string.
class word_counter {
 public:
  static constexpr bool tracks = false;

  void operator()(const scanned_word& w) {
    if (!too_long(w)) add({w.text, w.bytes}, 1);
  }

  void add(std::string_view word, std::uint64_t count) {
    const std::uint64_t hash = hash_of(word);
    std::size_t slot = hash & (slots_.size() - 1);
    for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1)) {
      entry& e = entries_[slots_[slot] - 1];
      if (e.hash == hash && view(e) == word) {
        e.count += count;
        return;
      }
    }
    entries_.push_back({hash, count, characters_.size(), static_cast<std::uint32_t>(word.size())});
    characters_ += word;
    slots_[slot] = static_cast<std::uint32_t>(entries_.size());
    if (entries_.size() * 2 > slots_.size()) grow();
  }

  void add(const word_counter& other) {
    for (const entry& e : other.entries_) add(other.view(e), e.count);
  }

  /// The words with their counts, sorted by bytes.
  [[nodiscard]] std::vector<counted_word> sorted() const {
    std::vector<counted_word> out;
    out.reserve(entries_.size());
    for (const entry& e : entries_) out.push_back({std::string(view(e)), e.count});
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.text < b.text; });
    return out;
  }

  std::size_t max_characters = 100;

 private:
  struct entry {
    std::uint64_t hash, count;
    std::size_t begin;
    std::uint32_t size;
  };

  // The scanner cuts such a word off, and the tokenizer makes it [UNK].
  [[nodiscard]] bool too_long(const scanned_word& w) const noexcept { return w.characters > max_characters; }
  [[nodiscard]] std::string_view view(const entry& e) const noexcept {
    return std::string_view(characters_).substr(e.begin, e.size);
  }

  void grow() {
    slots_.assign(slots_.size() * 2, 0);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      std::size_t slot = entries_[i].hash & (slots_.size() - 1);
      while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = static_cast<std::uint32_t>(i + 1);
    }
  }

  std::string characters_;
  std::vector<entry> entries_;
  std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(1024, 0);
};

/// Calls `each(line)` for every line of a range of strings or of a type with for_each_line.
template <class Source, class Each>
void for_each_line_of(const Source& source, Each&& each) {
  if constexpr (requires { source.for_each_line(each); }) {
    source.for_each_line(each);
  } else {
    for (const auto& line : source) each(std::string_view(line));
  }
}

}  // namespace detail

/// Counts the words of `source` as a tokenizer with these options would split it, sorted by their bytes.
///
/// The threads count blocks of lines; memory is bounded by the distinct words.
template <class Source, executor Executor>
[[nodiscard]] std::vector<counted_word> count_words(const Source& source, const tokenizer_options& options,
                                                    const Executor& run) {
  constexpr std::size_t block_bytes = std::size_t{1} << 20;
  const scanner<reference::transformers> words(vocabulary(),
                                               {options.lowercase, options.strip_accents.value_or(options.lowercase),
                                                options.tokenize_chinese_chars, options.clean_text},
                                               0, reference::transformers::max_word_characters);
  const std::size_t threads = run.width();
  std::vector<detail::word_counter> counters(threads);
  std::vector<std::string> blocks(4 * threads);
  std::size_t filled = 0;
  const auto count = [&] {
    run.parallel_for(threads, [&](std::size_t thread) {
      for (std::size_t b = thread; b < blocks.size(); b += threads) {
        words.scan(blocks[b].data(), blocks[b].data() + blocks[b].size(), counters[thread]);
        blocks[b].clear();
      }
    });
    filled = 0;
  };
  detail::for_each_line_of(source, [&](std::string_view line) {
    blocks[filled].append(line).push_back('\n');
    if (blocks[filled].size() >= block_bytes && ++filled == blocks.size()) count();
  });
  count();
  for (std::size_t thread = 1; thread < threads; ++thread) counters[0].add(counters[thread]);
  return counters[0].sorted();
}

}  // namespace bert::text

#endif  // BERT_TEXT_WORDPIECE_WORD_COUNTS_HPP
