// Longest-match-first WordPiece in linear time: a double-array trie with failure links, and a hash table of whole words.
// Layer: text. Test: tests/unit/text/wordpiece/wordpiece_test.cpp
// Paper: Song et al. 2021, "Fast WordPiece tokenization".
#ifndef BERT_TEXT_WORDPIECE_WORDPIECE_HPP
#define BERT_TEXT_WORDPIECE_WORDPIECE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/text/wordpiece/vocabulary.hpp"

namespace bert::inline BERT_ISA::text {

namespace detail {

inline std::uint64_t mix(std::uint64_t key) noexcept { return key * 0x9E3779B97F4A7C15u; }
inline std::uint64_t mix(const std::array<std::uint64_t, 2>& key) noexcept {
  return (key[0] ^ mix(key[1])) * 0xD6E8FEB86659FD93u;
}

/// Hash table from keys to ids: open addressing, at most two thirds full. The zero key marks a free slot.
template <class Key>
class key_table {
 public:
  explicit key_table(std::size_t keys = 0) {
    unsigned bits = 6;
    while ((std::size_t{1} << bits) < keys + keys / 2) ++bits;
    shift_ = 64 - bits;
    entries_.resize(std::size_t{1} << bits);
  }

  /// Of several ids of one key the last holds. Pre: no more keys than the constructor was given.
  void put(const Key& key, token_id id) noexcept {
    std::size_t slot = first_slot(key);
    while (entries_[slot].key != Key{} && entries_[slot].key != key) slot = next(slot);
    entries_[slot] = {key, id};
  }

  /// The id of `key`, or -1.
  [[nodiscard]] token_id find(const Key& key) const noexcept {
    for (std::size_t slot = first_slot(key);; slot = next(slot)) {
      const entry& e = entries_[slot];
      if (e.key == key) return e.id;
      if (e.key == Key{}) return -1;
    }
  }

 private:
  struct entry {
    Key key{};
    token_id id = -1;
  };

  [[nodiscard]] std::size_t first_slot(const Key& key) const noexcept { return static_cast<std::size_t>(mix(key) >> shift_); }
  [[nodiscard]] std::size_t next(std::size_t slot) const noexcept { return (slot + 1) & (entries_.size() - 1); }

  std::vector<entry> entries_;
  unsigned shift_;
};

}  // namespace detail

/// Hash table of words of at most 16 bytes that are pieces, keyed by their bytes as two integers.
///
/// Nine of ten words of running text are one piece, found by one multiplication and one comparison. Most have at most 8 bytes:
/// these have a table of their own with four entries per cache line.
class word_table {
 public:
  static constexpr std::size_t longest = 16;

  word_table() = default;
  explicit word_table(const vocabulary& v) {
    std::size_t short_ones = 0, long_ones = 0;
    for (std::size_t i = 0; i < v.size(); ++i) {
      const std::string_view p = v.piece(static_cast<token_id>(i));
      if (fits(p)) ++(p.size() <= 8 ? short_ones : long_ones);
    }
    short_ = detail::key_table<std::uint64_t>(short_ones);
    long_ = detail::key_table<std::array<std::uint64_t, 2>>(long_ones);
    for (std::size_t i = 0; i < v.size(); ++i) {
      const std::string_view p = v.piece(static_cast<token_id>(i));
      if (!fits(p)) continue;
      std::array<std::uint64_t, 2> key{};
      std::memcpy(key.data(), p.data(), p.size());
      if (key[1] == 0) short_.put(key[0], static_cast<token_id>(i));
      else long_.put(key, static_cast<token_id>(i));
    }
  }

  /// The id of the word whose bytes, padded with zeros, are `low` and `high`; -1 if it is no piece. Pre: no byte is zero.
  [[nodiscard]] token_id find(std::uint64_t low, std::uint64_t high) const noexcept {
    return high == 0 ? short_.find(low) : long_.find({low, high});
  }

 private:
  // A continuation piece ("##x") is never a word, as '#' is punctuation. A zero byte would look like padding.
  static bool fits(std::string_view p) noexcept {
    return !p.empty() && p.size() <= longest && !(p.size() > 2 && p[0] == '#' && p[1] == '#') &&
           p.find('\0') == std::string_view::npos;
  }

  detail::key_table<std::uint64_t> short_;
  detail::key_table<std::array<std::uint64_t, 2>> long_;
};

/// match(w) = the pieces of the word w, each the longest that matches, left to right; none if a remainder matches no piece.
///
/// Takes one step per byte. Where the trie has no child, the node's failure pops are the pieces matched, and its failure link
/// is the node of the remainder, so no byte is read twice.
class wordpiece {
 public:
  wordpiece() = default;

  /// Leaves out pieces of more than `max_characters`, the length of the longest word.
  wordpiece(const vocabulary& v, std::size_t max_characters) { build(v, max_characters); }

  /// Writes the ids of the pieces of `word` (not empty) to `out` [characters of the word] and returns their number; 0 if the
  /// word is unknown.
  std::size_t match(const char* word, std::size_t size, token_id* out) const noexcept {
    const node* const nodes = nodes_.data();
    std::uint32_t at = word_root;
    token_id* put = out;
    for (std::size_t i = 0; i < size;) {
      const std::uint32_t child = nodes[at].base + static_cast<unsigned char>(word[i]);
      if (nodes[child].check == at) {
        at = child;
        ++i;
      } else {
        if (nodes[at].fail == none) return 0;
        put = pop(nodes[at].pops, put);
        at = nodes[at].fail;
      }
    }
    while (at != suffix_root) {
      if (nodes[at].fail == none) return 0;
      put = pop(nodes[at].pops, put);
      at = nodes[at].fail;
    }
    return static_cast<std::size_t>(put - out);
  }

  /// Memory used, in bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return nodes_.capacity() * sizeof(node) + pops_.capacity() * sizeof(token_id);
  }

 private:
  static constexpr std::uint32_t none = 0xFFFFFFFFu, word_root = 0, suffix_root = 1;

  // `pops` indexes a list in pops_: its length, then the ids. A free slot has `check` none.
  struct node {
    std::uint32_t base = 0, check = none, fail = none, pops = 0;
  };

  // The trie during construction: children as linked lists, found by a hash of (parent, byte).
  struct linked_trie {
    struct vertex {
      std::uint32_t child = none, sibling = none;
      token_id token = -1;
      std::uint32_t slot = none;
      unsigned char byte = 0;
    };
    std::vector<vertex> vertices;
    std::vector<std::uint64_t> edges;    // hash keys: (parent << 8 | byte) + 1; 0 is free
    std::vector<std::uint32_t> targets;  // hash values: the child
    std::size_t mask = 0;

    explicit linked_trie(std::size_t bytes) {
      std::size_t capacity = 1024;
      while (capacity < bytes + bytes / 2) capacity *= 2;
      mask = capacity - 1;
      edges.assign(capacity, 0);
      targets.resize(capacity);
      vertices.reserve(bytes / 2 + 2);
      vertices.resize(2);
    }

    std::uint32_t descend(std::uint32_t from, unsigned char byte) {
      const std::uint64_t key = (std::uint64_t{from} << 8 | byte) + 1;
      std::size_t slot = static_cast<std::size_t>(key * 0x9E3779B97F4A7C15u >> 32) & mask;
      for (; edges[slot] != 0; slot = (slot + 1) & mask)
        if (edges[slot] == key) return targets[slot];
      const auto made = static_cast<std::uint32_t>(vertices.size());
      edges[slot] = key;
      targets[slot] = made;
      vertex v;
      v.sibling = vertices[from].child;
      v.byte = byte;
      vertices.push_back(v);
      vertices[from].child = made;
      return made;
    }
  };

  token_id* pop(std::uint32_t list, token_id* put) const noexcept {
    const token_id* p = pops_.data() + list;
    const token_id count = *p++;
    put[0] = p[0];  // almost always the only id
    for (token_id i = 1; i < count; ++i) put[i] = p[i];
    return put + count;
  }

  void build(const vocabulary& v, std::size_t max_characters) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < v.size(); ++i) bytes += v.piece(static_cast<token_id>(i)).size();
    linked_trie trie(bytes + 2);
    for (std::size_t i = 0; i < v.size(); ++i) {
      std::string_view p = v.piece(static_cast<token_id>(i));
      if (v.id(p) != static_cast<token_id>(i)) continue;  // a later duplicate has the id
      std::uint32_t at = word_root;
      if (p.size() > 2 && p[0] == '#' && p[1] == '#') {
        at = suffix_root;
        p.remove_prefix(2);
      }
      if (p.empty() || (p.size() > max_characters && utf8::length(p) > max_characters)) continue;
      for (const char c : p) at = trie.descend(at, static_cast<unsigned char>(c));
      trie.vertices[at].token = static_cast<token_id>(i);
    }
    const auto order = assign_slots(trie);
    link(trie, order);
  }

  // Assigns every vertex its slot, breadth first, and returns the vertices in that order with their parents.
  struct visit {
    std::uint32_t vertex, parent;
  };
  std::vector<visit> assign_slots(linked_trie& trie) {
    std::vector<visit> order;
    order.reserve(trie.vertices.size());
    order.push_back({word_root, none});
    order.push_back({suffix_root, none});
    trie.vertices[word_root].slot = word_root;
    trie.vertices[suffix_root].slot = suffix_root;
    nodes_.assign(std::max<std::size_t>(1024, trie.vertices.size() + trie.vertices.size() / 8 + 512), {});
    nodes_[word_root].check = nodes_[suffix_root].check = none - 1;  // taken, and no vertex's child
    std::size_t first_free = 256, first_try = 256;                   // so that no base is negative
    std::array<unsigned char, 256> labels{};
    for (std::size_t next = 0; next < order.size(); ++next) {
      const std::uint32_t at = order[next].vertex;
      std::size_t count = 0;
      for (auto c = trie.vertices[at].child; c != none; c = trie.vertices[c].sibling) {
        labels[count++] = trie.vertices[c].byte;
        order.push_back({c, at});
      }
      if (count == 0) continue;
      const std::size_t base = find_base(labels.data(), count, first_free, first_try);
      const std::uint32_t slot = trie.vertices[at].slot;
      nodes_[slot].base = static_cast<std::uint32_t>(base);
      for (auto c = trie.vertices[at].child; c != none; c = trie.vertices[c].sibling) {
        const auto target = static_cast<std::uint32_t>(base + trie.vertices[c].byte);
        nodes_[target].check = slot;
        trie.vertices[c].slot = target;
      }
    }
    // Any base plus any byte stays within the array.
    std::size_t used = nodes_.size();
    while (used > 0 && nodes_[used - 1].check == none) --used;
    nodes_.resize(used + 256);
    nodes_.shrink_to_fit();
    return order;
  }

  // The lowest base at which every label's slot is free. One label takes the first free slot; for more, the search starts at
  // `first_try`, past the slots that are 95 % full.
  std::size_t find_base(const unsigned char* labels, std::size_t count, std::size_t& first_free, std::size_t& first_try) {
    const auto [least, most] = std::minmax_element(labels, labels + count);
    const std::size_t low = *least, high = *most;
    const auto grow = [&](std::size_t slot) {
      if (slot + 256 >= nodes_.size()) nodes_.resize(nodes_.size() * 3 / 2 + 512);
    };
    while (nodes_[first_free].check != none) grow(++first_free);
    std::size_t slot = count == 1 ? first_free : std::max(first_free, first_try);
    const std::size_t begun = slot;
    std::size_t taken = 0;
    for (;; ++slot) {
      grow(slot + (high - low));
      if (nodes_[slot].check != none) {
        ++taken;
        continue;
      }
      const std::size_t base = slot - low;
      bool fits = true;
      for (std::size_t i = 0; i < count && fits; ++i) fits = nodes_[base + labels[i]].check == none;
      if (!fits) {
        ++taken;
        continue;
      }
      if (count > 1 && slot - begun >= 64 && taken * 20 >= (slot - begun) * 19) first_try = slot;
      return base;
    }
  }

  void link(const linked_trie& trie, const std::vector<visit>& order) {
    pops_.assign(1, 0);
    std::vector<token_id> list;
    const auto collect = [&](std::uint32_t from) {
      const token_id* p = pops_.data() + from;
      list.insert(list.end(), p + 1, p + 1 + p[0]);
    };
    for (const auto [vertex, parent] : order) {
      if (parent == none) continue;
      node& here = nodes_[trie.vertices[vertex].slot];
      list.clear();
      if (const token_id token = trie.vertices[vertex].token; token >= 0) {
        list.push_back(token);
        here.fail = suffix_root;
      } else {
        const node& above = nodes_[trie.vertices[parent].slot];
        const unsigned char byte = trie.vertices[vertex].byte;
        std::uint32_t z = above.fail;
        if (z != none) collect(above.pops);
        while (z != none && nodes_[nodes_[z].base + byte].check != z) {
          if (nodes_[z].fail != none) collect(nodes_[z].pops);
          z = nodes_[z].fail;
        }
        if (z == none) continue;
        here.fail = nodes_[z].base + byte;
      }
      here.pops = static_cast<std::uint32_t>(pops_.size());
      pops_.push_back(static_cast<token_id>(list.size()));
      pops_.insert(pops_.end(), list.begin(), list.end());
    }
    pops_.shrink_to_fit();
  }

  std::vector<node> nodes_;
  std::vector<token_id> pops_;
};

}  // namespace bert::text

#endif  // BERT_TEXT_WORDPIECE_WORDPIECE_HPP
