// Merges the best pair of neighboring pieces until the vocabulary is complete: the loop of vocabulary training.
// Layer: text. Test: tests/unit/text/wordpiece/train_wordpiece_test.cpp
// Papers: Schuster and Nakajima 2012, "Japanese and Korean voice search"; Sennrich et al. 2016 for the pair counts.
#ifndef BERT_TEXT_WORDPIECE_PIECE_MERGER_HPP
#define BERT_TEXT_WORDPIECE_PIECE_MERGER_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/text/unicode/utf8.hpp"
#include "bert/text/wordpiece/word_counts.hpp"

namespace bert::inline BERT_ISA::text {

/// Scoring policies: the pair with the highest score is merged next.
namespace scoring {

/// The frequency of the pair, as in Hugging Face's trainer (byte-pair encoding).
struct pair_counts {
  static constexpr bool by_context = false;
  static double score(double both, double, double, double) noexcept { return both; }
};

/// f(ab) + f(a - ab) + f(b - ab) - f(a) - f(b) + f(n) - f(n - ab), where f(x) = x log x: the gain in log likelihood of the text
/// under a unigram model of its pieces. a, b, ab count the pieces and the pair, n all pieces.
struct likelihood_gain {
  static constexpr bool by_context = true;
  static double score(double both, double a, double b, double n) noexcept {
    const auto f = [](double x) { return x > 0 ? x * std::log(x) : 0.0; };
    return f(both) + f(a - both) + f(b - both) - f(a) - f(b) + f(n) - f(n - both);
  }
};

}  // namespace scoring

namespace detail {

/// State of training: every distinct word as a list of pieces; every pair of neighbors with its count and its words.
template <class Scoring>
class merger {
 public:
  /// Begins with `first_pieces`, then the `alphabet_limit` most frequent characters, at the start of words and inside.
  merger(const std::vector<counted_word>& words, std::vector<std::string> first_pieces, std::size_t alphabet_limit)
      : pieces_(std::move(first_pieces)) {
    choose_alphabet(words, alphabet_limit);
    given_ = pieces_.size();
    spell(words);
    count_pairs();
  }

  /// Merges until there are `size` pieces, or every pair occurs less than `min_frequency` times.
  void run(std::size_t size, std::uint64_t min_frequency) {
    least_ = static_cast<std::int64_t>(std::max<std::uint64_t>(1, min_frequency));
    std::size_t refresh = 0;
    while (pieces_.size() < size) {
      if (best_.empty() || (Scoring::by_context && pieces_.size() >= refresh)) {
        // Scores that depend on piece counts go stale: all are computed again when the vocabulary has grown by 1 %.
        if (refresh != 0 && !Scoring::by_context) break;
        best_ = {};
        for (std::uint32_t i = 0; i < pairs_.size(); ++i) offer(i);
        if (best_.empty()) break;
        refresh = pieces_.size() + pieces_.size() / 100 + 1;
      }
      const candidate top = best_.top();
      best_.pop();
      if (pairs_[top.pair].count < least_) continue;
      if (score(top.pair) < top.score) offer(top.pair);  // stale: push it again with the score of now
      else merge(top.pair);
    }
  }

  /// Number of pieces before the first merge: special tokens and alphabet.
  [[nodiscard]] std::size_t given() const noexcept { return given_; }
  /// Number of distinct characters of the text, and of those in the alphabet.
  [[nodiscard]] std::size_t characters_seen() const noexcept { return seen_; }
  [[nodiscard]] std::size_t alphabet() const noexcept { return initial_.size(); }
  [[nodiscard]] std::vector<std::string>& pieces() noexcept { return pieces_; }

 private:
  struct pair_of {
    std::uint32_t left, right;
    std::int64_t count = 0;
    std::vector<std::uint32_t> words = {};
  };
  struct candidate {
    double score;
    std::uint32_t left, right, pair;
    // The highest score first; of equals the pair of the oldest pieces.
    friend bool operator<(const candidate& a, const candidate& b) noexcept {
      if (a.score != b.score) return a.score < b.score;
      return std::pair(a.left, a.right) > std::pair(b.left, b.right);
    }
  };
  struct word {
    std::uint32_t begin, size;
    std::int64_t count;
  };

  void choose_alphabet(const std::vector<counted_word>& words, std::size_t limit) {
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
    seen_ = ranked.size();
    if (ranked.size() > limit) ranked.resize(limit);
    std::sort(ranked.begin(), ranked.end());
    for (const auto& [code, count] : ranked) {
      std::string text;
      utf8::append(code, text);
      add(initial_, code, text);
    }
    for (const auto& [code, count] : ranked) {
      if (!inside.contains(code)) continue;
      std::string text = "##";
      utf8::append(code, text);
      add(inside_, code, text);
    }
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
        const auto& table = p == text.data() ? initial_ : inside_;
        const auto found = table.find(code);
        if (found == table.end()) break;
        symbols_.push_back(found->second);
        p += bytes;
      }
      const auto size = static_cast<std::uint32_t>(symbols_.size() - begin);
      if (p == end) {
        counts_.resize(pieces_.size());
        for (std::uint32_t i = 0; i < size; ++i) counts_[symbols_[begin + i]] += static_cast<std::int64_t>(count);
        total_ += static_cast<std::int64_t>(count) * size;
      }
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
    if (pairs_[i].count >= least_) best_.push({score(i), pairs_[i].left, pairs_[i].right, i});
  }
  [[nodiscard]] double score(std::uint32_t i) const noexcept {
    const pair_of& p = pairs_[i];
    const auto real = [](std::int64_t n) { return static_cast<double>(n); };
    return Scoring::score(real(p.count), real(counts_[p.left]), real(counts_[p.right]), real(total_));
  }

  void merge(std::uint32_t which) {
    const std::uint32_t left = pairs_[which].left, right = pairs_[which].right;
    std::string text = pieces_[left] + pieces_[right].substr(2);
    const auto made = static_cast<std::uint32_t>(pieces_.size());
    pieces_.push_back(std::move(text));
    counts_.push_back(0);
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
          counts_[left] -= entry.count;
          counts_[right] -= entry.count;
          counts_[made] += entry.count;
          total_ -= entry.count;
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

  std::vector<std::string> pieces_;
  std::vector<std::int64_t> counts_;  // per piece
  std::int64_t total_ = 0, least_ = 1;
  std::size_t given_ = 0, seen_ = 0;
  std::unordered_map<char32_t, std::uint32_t> initial_, inside_;
  std::vector<std::uint32_t> symbols_;
  std::vector<word> words_;
  std::vector<pair_of> pairs_;
  std::unordered_map<std::uint64_t, std::uint32_t> index_;
  std::priority_queue<candidate> best_;
  std::vector<std::uint32_t> touched_;
};

}  // namespace detail
}  // namespace bert::text

#endif  // BERT_TEXT_WORDPIECE_PIECE_MERGER_HPP
