// A WordPiece vocabulary learned from text: pairs of pieces merged, best first.
// Layer: text. Test: tests/unit/text/train_wordpiece_test.cpp
// Papers: Schuster and Nakajima 2012, "Japanese and Korean voice search"; Sennrich et al. 2016 for the pair counts.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/execution.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/utf8.hpp"
#include "bert/text/word_counts.hpp"

namespace bert::text {

struct wordpiece_options {
  std::size_t vocab = 30'522;          ///< pieces, special tokens included
  bool lowercase = true;
  std::optional<bool> strip_accents = {};
  bool tokenize_chinese_chars = true;
  std::uint64_t min_frequency = 2;     ///< a pair seen less often is not merged
  std::size_t alphabet_limit = 1'000;  ///< the most frequent characters; words with others are passed over
  std::size_t unused = 0;              ///< [unused0]…: with 99 or more the special tokens lie at 100 to 103, as in Google's files
  std::size_t threads = 0;             ///< 0: one a core
};

namespace detail {

/// The state of training: every distinct word as a list of pieces, every pair of neighbours with its count and its words.
class merger {
 public:
  merger(const std::vector<counted_word>& words, const wordpiece_options& options, std::vector<std::string> first_pieces)
      : options_(options), pieces_(std::move(first_pieces)) {
    choose_alphabet(words);
    spell(words);
    count_pairs();
  }

  /// Merges until the vocabulary is full or no pair is frequent enough.
  void run() {
    for (std::uint32_t i = 0; i < pairs_.size(); ++i) offer(i);
    while (pieces_.size() < options_.vocab && !best_.empty()) {
      const candidate top = best_.top();
      best_.pop();
      if (pairs_[top.pair].count != top.count) {
        offer(top.pair);  // it has lost some since; it comes back with what it has now
        continue;
      }
      if (top.count < static_cast<std::int64_t>(options_.min_frequency)) break;
      merge(top.pair);
    }
  }

  [[nodiscard]] std::vector<std::string>& pieces() noexcept { return pieces_; }

 private:
  struct pair_of {
    std::uint32_t left, right;
    std::int64_t count = 0;
    std::vector<std::uint32_t> words = {};
  };
  struct candidate {
    std::int64_t count;
    std::uint32_t left, right, pair;
    // The most frequent first; of equals the one of the oldest pieces.
    friend bool operator<(const candidate& a, const candidate& b) noexcept {
      if (a.count != b.count) return a.count < b.count;
      return std::pair(a.left, a.right) > std::pair(b.left, b.right);
    }
  };
  struct word {
    std::uint32_t begin, size;
    std::int64_t count;
  };

  void choose_alphabet(const std::vector<counted_word>& words) {
    std::map<char32_t, std::uint64_t> characters, inside;
    for (const auto& [text, count] : words) {
      const char *p = text.data(), *const end = p + text.size();
      while (p < end) {
        const auto [code, bytes] = utf8::decode(p, end);
        characters[code] += count;
        if (p != text.data()) inside[code] += count;
        p += bytes;
      }
    }
    std::vector<std::pair<char32_t, std::uint64_t>> ranked(characters.begin(), characters.end());
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    if (ranked.size() > options_.alphabet_limit) ranked.resize(options_.alphabet_limit);
    std::sort(ranked.begin(), ranked.end());
    for (const auto& [code, count] : ranked) {
      std::string text;
      utf8::append(code, text);
      add(alone_, code, text);
    }
    for (const auto& [code, count] : ranked) {
      if (!inside.contains(code)) continue;
      std::string text = "##";
      utf8::append(code, text);
      add(inside_, code, text);
    }
    if (pieces_.size() > options_.vocab)
      throw error({"bert::text::train_wordpiece", cat("room for the alphabet, ", pieces_.size(), " pieces with the special tokens"),
                   cat("a vocabulary of ", options_.vocab), "ask for more pieces or lower alphabet_limit"});
  }

  void add(std::unordered_map<char32_t, std::uint32_t>& table, char32_t code, const std::string& text) {
    const auto same = std::find(pieces_.begin(), pieces_.end(), text);
    table[code] = static_cast<std::uint32_t>(same - pieces_.begin());
    if (same == pieces_.end()) pieces_.push_back(text);
  }

  void spell(const std::vector<counted_word>& words) {
    for (const auto& [text, count] : words) {
      const auto begin = static_cast<std::uint32_t>(symbols_.size());
      const char *p = text.data(), *const end = p + text.size();
      while (p < end) {
        const auto [code, bytes] = utf8::decode(p, end);
        const auto& table = p == text.data() ? alone_ : inside_;
        const auto found = table.find(code);
        if (found == table.end()) break;
        symbols_.push_back(found->second);
        p += bytes;
      }
      const auto size = static_cast<std::uint32_t>(symbols_.size() - begin);
      if (p < end || size < 2) symbols_.resize(begin);
      else words_.push_back({begin, size, static_cast<std::int64_t>(count)});
    }
  }

  void count_pairs() {
    for (std::uint32_t w = 0; w < words_.size(); ++w)
      for (std::uint32_t i = 0; i + 1 < words_[w].size; ++i)
        change(symbols_[words_[w].begin + i], symbols_[words_[w].begin + i + 1], words_[w].count, w);
    touched_.clear();
  }

  std::uint32_t index_of(std::uint32_t left, std::uint32_t right) {
    const auto [entry, made] = index_.try_emplace(std::uint64_t{left} << 32 | right, static_cast<std::uint32_t>(pairs_.size()));
    if (made) pairs_.push_back({left, right});
    return entry->second;
  }

  void change(std::uint32_t left, std::uint32_t right, std::int64_t by, std::uint32_t w) {
    const std::uint32_t i = index_of(left, right);
    pair_of& p = pairs_[i];
    p.count += by;
    if (by > 0) {
      if (p.words.empty() || p.words.back() != w) p.words.push_back(w);
      touched_.push_back(i);
    }
  }

  void offer(std::uint32_t i) {
    if (pairs_[i].count > 0) best_.push({pairs_[i].count, pairs_[i].left, pairs_[i].right, i});
  }

  void merge(std::uint32_t which) {
    const std::uint32_t left = pairs_[which].left, right = pairs_[which].right;
    std::string text = pieces_[left] + pieces_[right].substr(2);
    const auto made = static_cast<std::uint32_t>(pieces_.size());
    pieces_.push_back(std::move(text));
    std::vector<std::uint32_t> where = std::move(pairs_[which].words);
    pairs_[which].words = {};
    std::sort(where.begin(), where.end());
    where.erase(std::unique(where.begin(), where.end()), where.end());
    touched_.clear();
    for (const std::uint32_t w : where) {
      word& entry = words_[w];
      std::uint32_t* const s = symbols_.data() + entry.begin;
      std::uint32_t put = 0;
      for (std::uint32_t i = 0; i < entry.size; ++i) {
        if (i + 1 < entry.size && s[i] == left && s[i + 1] == right) {
          if (put > 0) {
            change(s[put - 1], left, -entry.count, w);
            change(s[put - 1], made, entry.count, w);
          }
          if (i + 2 < entry.size) {
            change(right, s[i + 2], -entry.count, w);
            change(made, s[i + 2], entry.count, w);
          }
          s[put++] = made;
          ++i;
        } else {
          s[put++] = s[i];
        }
      }
      entry.size = put;
    }
    pairs_[which].count = 0;
    std::sort(touched_.begin(), touched_.end());
    touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
    for (const std::uint32_t i : touched_) offer(i);
  }

  const wordpiece_options& options_;
  std::vector<std::string> pieces_;
  std::unordered_map<char32_t, std::uint32_t> alone_, inside_;
  std::vector<std::uint32_t> symbols_;
  std::vector<word> words_;
  std::vector<pair_of> pairs_;
  std::unordered_map<std::uint64_t, std::uint32_t> index_;
  std::priority_queue<candidate> best_;
  std::vector<std::uint32_t> touched_;
};

/// [PAD] [UNK] [CLS] [SEP] [MASK], or Google's order with [unused] tokens between.
inline std::vector<std::string> special_pieces(std::size_t unused) {
  std::vector<std::string> out{"[PAD]"};
  const auto fill = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) out.push_back(cat("[unused", i, "]"));
  };
  const std::size_t before = std::min<std::size_t>(unused, 99);
  fill(0, before);
  for (const char* token : {"[UNK]", "[CLS]", "[SEP]", "[MASK]"}) out.emplace_back(token);
  fill(before, unused);
  return out;
}

}  // namespace detail

/// Learns a vocabulary from `source`: a span of strings, or anything with `for_each_line(callback(std::string_view))`.
///
/// The result depends on the text and the options only, not on the order of lines nor on the number of threads.
/// Throws bert::error if the alphabet alone does not fit.
template <class Source, executor Executor>
[[nodiscard]] tokenizer train_wordpiece(const Source& source, const wordpiece_options& options, const Executor& run) {
  const tokenizer_options how{.lowercase = options.lowercase,
                              .strip_accents = options.strip_accents,
                              .tokenize_chinese_chars = options.tokenize_chinese_chars};
  const auto words = count_words(source, how, run);
  detail::merger merger(words, options, detail::special_pieces(options.unused));
  merger.run();
  return tokenizer(vocabulary(merger.pieces()), how);
}

template <class Source>
[[nodiscard]] tokenizer train_wordpiece(const Source& source, const wordpiece_options& options = {}) {
  const std::size_t n = options.threads != 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  return train_wordpiece(source, options, execution::threads(n));
}

}  // namespace bert::text
