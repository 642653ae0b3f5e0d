// Words with their synonyms of as many tokens, as token ids.
// Layer: tensor. Test: tests/unit/tensor/token_lexicon_test.cpp
#ifndef BERT_TENSOR_TOKEN_SYNONYMS_HPP
#define BERT_TENSOR_TOKEN_SYNONYMS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/tensor/token_lexicon.hpp"

namespace bert::inline BERT_ISA {

/// Words, each with synonyms that have as many tokens, so that one may stand in the other's place; made by
/// token_synonyms_builder. Immutable; copies share the memory.
class token_synonyms {
 public:
  token_synonyms() : state_(empty()) {}

  /// The words that have a synonym, and the synonyms themselves.
  [[nodiscard]] const token_lexicon& words() const noexcept { return state_->words; }
  /// Synonyms of word `entry`, words by their numbers. Pre: `entry` < words().size().
  [[nodiscard]] std::span<const std::uint32_t> of(std::uint32_t entry) const noexcept {
    return std::span(state_->synonyms).subspan(state_->starts[entry], state_->starts[entry + 1] - state_->starts[entry]);
  }
  /// All words of `tokens` tokens.
  [[nodiscard]] std::span<const std::uint32_t> of_length(std::size_t tokens) const noexcept {
    return tokens < state_->by_length.size() ? std::span<const std::uint32_t>(state_->by_length[tokens])
                                             : std::span<const std::uint32_t>{};
  }
  /// Pairs of a word and a synonym.
  [[nodiscard]] std::size_t pairs() const noexcept { return state_->synonyms.size(); }
  /// Hash of all words and synonyms.
  [[nodiscard]] hash64 content() const noexcept {
    hash64 h = words().content();
    for (std::size_t i = 0; i < state_->synonyms.size(); ++i) h.add(std::uint64_t{state_->synonyms[i]});
    for (const std::uint32_t start : state_->starts) h.add(std::uint64_t{start});
    return h;
  }

 private:
  friend class token_synonyms_builder;

  struct state {
    token_lexicon words;
    std::vector<std::uint32_t> synonyms, starts{0};
    std::vector<std::vector<std::uint32_t>> by_length;
  };

  explicit token_synonyms(state s) : state_(std::make_shared<const state>(std::move(s))) {}

  static const std::shared_ptr<const state>& empty() {
    static const auto none_at_all = std::make_shared<const state>();
    return none_at_all;
  }

  std::shared_ptr<const state> state_;
};

/// Collects the pairs of a token_synonyms.
class token_synonyms_builder {
 public:
  /// Adds `synonym` to those of `word`, unless it is there, is the word itself or has another number of tokens; returns whether
  /// it was added. Pre: neither is empty.
  bool add(std::span<const token_id> word, std::span<const token_id> synonym) {
    if (word.size() != synonym.size() || std::equal(word.begin(), word.end(), synonym.begin())) return false;
    const std::uint32_t a = words_.add(word), b = words_.add(synonym);
    lists_.resize(std::max<std::size_t>(lists_.size(), std::max(a, b) + std::size_t{1}));
    auto& list = lists_[a];
    if (std::find(list.begin(), list.end(), b) != list.end()) return false;
    list.push_back(b);
    return true;
  }

  [[nodiscard]] token_synonyms build() && {
    token_synonyms::state s;
    s.words = std::move(words_).build();
    s.by_length.resize(s.words.longest_entry() + 1);
    for (std::uint32_t e = 0; e < lists_.size(); ++e) {
      s.synonyms.insert(s.synonyms.end(), lists_[e].begin(), lists_[e].end());
      s.starts.push_back(static_cast<std::uint32_t>(s.synonyms.size()));
      s.by_length[s.words[e].size()].push_back(e);
    }
    return token_synonyms(std::move(s));
  }

 private:
  token_lexicon_builder words_;
  std::vector<std::vector<std::uint32_t>> lists_;
};

}  // namespace bert

#endif  // BERT_TENSOR_TOKEN_SYNONYMS_HPP
