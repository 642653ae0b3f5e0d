// Words and phrases as sequences of token ids, found in a sequence by longest match.
// Layer: tensor. Test: tests/unit/tensor/token_lexicon_test.cpp
#ifndef BERT_TENSOR_TOKEN_LEXICON_HPP
#define BERT_TENSOR_TOKEN_LEXICON_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "bert/core/compiler.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/tensor/token_batch.hpp"

namespace bert::inline BERT_ISA {

/// A set of sequences of token ids, numbered from 0 in the order in which they were first added; made by
/// token_lexicon_builder. Immutable; copies share the memory, and threads may share a copy.
///
/// A trie whose edges are one hash table: (node, id) to node, 16 bytes an edge, at most half full; the edges of the root are an
/// array by id. A million Chinese words take 83 MB.
class token_lexicon {
 public:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  /// The entry that was found and its tokens; `none` and 0 if there is none.
  struct match {
    std::uint32_t entry = none;
    std::size_t length = 0;
    friend bool operator==(const match&, const match&) = default;
  };

  token_lexicon() : state_(empty()) {}

  [[nodiscard]] std::size_t size() const noexcept { return state_->starts.size() - 1; }
  /// The tokens of an entry. Pre: `entry` < size().
  [[nodiscard]] std::span<const token_id> operator[](std::size_t entry) const noexcept {
    const state& s = *state_;
    return std::span(s.ids).subspan(s.starts[entry], s.starts[entry + 1] - s.starts[entry]);
  }
  /// Tokens of the longest entry.
  [[nodiscard]] std::size_t longest_entry() const noexcept { return state_->longest; }
  /// Hash of all entries in order.
  [[nodiscard]] const hash64& content() const noexcept { return state_->content; }
  /// Memory in bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    const state& s = *state_;
    return (s.edges.size() + s.first.size()) * sizeof(edge) + s.ids.size() * sizeof(token_id) +
           s.starts.size() * sizeof(std::uint32_t);
  }

  /// The longest entry that begins at `ids[at]` and ends with a word: before a token whose part is not `continues`. It does not
  /// go beyond a special token. `parts` has one element for each of `ids`. Pre: at < ids.size(), parts[at] is not special.
  [[nodiscard]] match longest(std::span<const token_id> ids, std::span<const word_part> parts, std::size_t at) const noexcept {
    match best;
    const edge* e = state_->from_root(ids[at]);
    for (std::size_t end = at + 1; e != nullptr; ++end) {
      const bool last = end == ids.size() || parts[end] == word_part::special;
      if (e->entry != none && (last || parts[end] == word_part::begins)) best = {e->entry, end - at};
      if (last || !e->has_children()) break;
      e = state_->from(e->child(), ids[end]);
    }
    return best;
  }

  /// Asks the processor for what `longest(ids, …, at)` reads first: the table is larger than its caches.
  void prefetch(std::span<const token_id> ids, std::size_t at) const noexcept {
    if (at + 1 >= ids.size()) return;
    if (const edge* e = state_->from_root(ids[at]); e != nullptr && e->has_children())
      BERT_PREFETCH(&state_->edges[state_->first_slot(e->child(), ids[at + 1])], 3);
  }

  /// The entry with exactly these tokens, or `none`.
  [[nodiscard]] std::uint32_t find(std::span<const token_id> ids) const noexcept {
    if (ids.empty()) return none;
    const edge* e = state_->from_root(ids[0]);
    for (std::size_t i = 1; i < ids.size() && e != nullptr; ++i)
      e = e->has_children() ? state_->from(e->child(), ids[i]) : nullptr;
    return e == nullptr ? none : e->entry;
  }

 private:
  friend class token_lexicon_builder;

  // An edge to a node, with the entry that ends there. The highest bit of `to` says that edges lead on.
  struct edge {
    std::uint32_t parent = none;  // none: a free slot
    token_id id = 0;
    std::uint32_t to = 0;
    std::uint32_t entry = none;

    [[nodiscard]] bool has_children() const noexcept { return (to >> 31) != 0; }
    [[nodiscard]] std::uint32_t child() const noexcept { return to & 0x7FFFFFFFu; }
  };

  struct state {
    std::vector<edge> edges = std::vector<edge>(16);
    std::vector<edge> first;  // by id
    std::vector<token_id> ids;
    std::vector<std::uint32_t> starts{0};
    std::size_t longest = 0, used = 0;
    std::uint32_t nodes = 1;  // the root is 0
    hash64 content;

    [[nodiscard]] const edge* from_root(token_id id) const noexcept {
      const auto i = static_cast<std::size_t>(id);
      return i < first.size() && first[i].parent != none ? &first[i] : nullptr;
    }
    [[nodiscard]] const edge* from(std::uint32_t node, token_id id) const noexcept {
      const edge& e = edges[slot(node, id)];
      return e.parent == none ? nullptr : &e;
    }
    [[nodiscard]] std::size_t first_slot(std::uint32_t node, token_id id) const noexcept {
      const std::uint64_t h = (std::uint64_t{node} << 32 | static_cast<std::uint32_t>(id)) * 0x9E3779B97F4A7C15u;
      return (h ^ h >> 32) & (edges.size() - 1);
    }
    // The slot of an edge, or the free one where it would be.
    [[nodiscard]] std::size_t slot(std::uint32_t node, token_id id) const noexcept {
      for (std::size_t i = first_slot(node, id);; i = (i + 1) & (edges.size() - 1))
        if (edges[i].parent == none || (edges[i].parent == node && edges[i].id == id)) return i;
    }
    void grow() {
      std::vector<edge> old(2 * edges.size());
      old.swap(edges);
      for (const edge& e : old)
        if (e.parent != none) edges[slot(e.parent, e.id)] = e;
    }
  };

  explicit token_lexicon(state s) : state_(std::make_shared<const state>(std::move(s))) {}

  static const std::shared_ptr<const state>& empty() {
    static const auto none_at_all = std::make_shared<const state>();
    return none_at_all;
  }

  std::shared_ptr<const state> state_;
};

/// Collects the entries of a token_lexicon.
class token_lexicon_builder {
 public:
  /// Adds an entry, unless it is there; returns its number. Pre: `ids` is not empty, no id is negative.
  std::uint32_t add(std::span<const token_id> ids) {
    auto& s = state_;
    if (const auto i = static_cast<std::size_t>(ids[0]); i >= s.first.size()) s.first.resize(i + 1);
    token_lexicon::edge* e = &s.first[static_cast<std::size_t>(ids[0])];
    if (e->parent == token_lexicon::none) *e = {0, ids[0], s.nodes++, token_lexicon::none};
    while (2 * (s.used + ids.size()) > s.edges.size()) s.grow();
    for (const token_id id : ids.subspan(1)) {
      e->to |= 0x80000000u;
      const std::uint32_t node = e->child();
      e = &s.edges[s.slot(node, id)];
      if (e->parent != token_lexicon::none) continue;
      *e = {node, id, s.nodes++, token_lexicon::none};
      ++s.used;
    }
    if (e->entry != token_lexicon::none) return e->entry;
    e->entry = static_cast<std::uint32_t>(s.starts.size() - 1);
    s.ids.insert(s.ids.end(), ids.begin(), ids.end());
    s.starts.push_back(static_cast<std::uint32_t>(s.ids.size()));
    s.longest = std::max(s.longest, ids.size());
    s.content.add(std::uint64_t{ids.size()});
    for (const token_id id : ids) s.content.add(static_cast<std::uint64_t>(id));
    return e->entry;
  }

  [[nodiscard]] token_lexicon build() && { return token_lexicon(std::move(state_)); }

 private:
  token_lexicon::state state_;
};

}  // namespace bert

#endif  // BERT_TENSOR_TOKEN_LEXICON_HPP
