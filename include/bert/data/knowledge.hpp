// A graph of triples, and texts into which its facts are injected as branches of a tree.
// Layer: data. Test: tests/unit/data/knowledge_test.cpp. Paper: Liu et al. 2020, "K-BERT", section 3.1.
#ifndef BERT_DATA_KNOWLEDGE_HPP
#define BERT_DATA_KNOWLEDGE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/lines.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/text/tokenizer.hpp"

namespace bert::inline BERT_ISA::data {

/// What a graph says about a subject.
struct fact {
  std::string relation, object;
  friend bool operator==(const fact&, const fact&) = default;
};

/// Triples of a file of lines `subject TAB relation TAB object`, K-BERT's .spo. A subject's facts keep the order of the file,
/// without repetitions.
class knowledge {
 public:
  knowledge() = default;
  /// Throws bert::error with path and line for a line of another number of fields, or with an empty one.
  explicit knowledge(const std::filesystem::path& path) {
    io::line_reader lines(path);
    std::size_t number = 0;
    for (std::string_view line; lines.next(line);) {
      ++number;
      if (line.empty()) continue;
      const auto first = line.find('\t'), second = first == std::string_view::npos ? first : line.find('\t', first + 1);
      if (second == std::string_view::npos || first == 0 || second == first + 1 || second + 1 == line.size() ||
          line.find('\t', second + 1) != std::string_view::npos)
        throw_error({cat(path_text(path), ", line ", number),
                     "subject, relation and object, separated by tabs",
                     cat('"', line, '"'),
                     {}});
      add(line.substr(0, first), line.substr(first + 1, second - first - 1), line.substr(second + 1));
    }
  }

  void add(std::string_view subject, std::string_view relation, std::string_view object) {
    fact added{std::string(relation), std::string(object)};
    auto& facts = facts_[std::string(subject)];
    if (std::find(facts.begin(), facts.end(), added) == facts.end()) facts.push_back(std::move(added));
  }
  /// The facts of a subject; none where the graph has none.
  [[nodiscard]] std::span<const fact> of(std::string_view subject) const {
    const auto at = facts_.find(subject);
    return at == facts_.end() ? std::span<const fact>{} : std::span<const fact>(at->second);
  }
  [[nodiscard]] std::size_t size() const noexcept { return facts_.size(); }
  [[nodiscard]] const auto& subjects() const noexcept { return facts_; }

 private:
  std::map<std::string, std::vector<fact>, std::less<>> facts_;
};

struct injector_options {
  std::size_t facts = 2;         ///< most facts of an entity: the first in the graph's order
  std::size_t max_tokens = 128;  ///< of the text and its branches, [CLS] and [SEP] included
};

/// A text with branches: ids, segments and marks for token_batch::add.
struct injected_text {
  std::vector<token_id> ids;
  std::vector<segment_id> segments;
  std::vector<std::int32_t> marks;   ///< of attention::visible_tree
  std::vector<std::int32_t> origin;  ///< the token of the plain text's encoding, or -1 in a branch
  std::size_t entities = 0;          ///< found in the text
  std::size_t dropped = 0;           ///< branches for which there was no room

  [[nodiscard]] std::size_t size() const noexcept { return ids.size(); }
  void clear() noexcept {
    ids.clear();
    segments.clear();
    marks.clear();
    origin.clear();
    entities = dropped = 0;
  }
};

/// Finds a graph's subjects in texts and injects what it says about them:
///
///     const bert::data::injector inject{bert::data::knowledge{"medical.spo"}, tokenizer, {.facts = 2}};
///     const auto x = inject("…");
///     batch.add(x.ids, x.segments, x.marks);     // for a model with attention::visible_tree and layers::soft_embeddings
///
/// Entities are whole words, the longest from left to right, compared by their pieces; each is followed by a branch of relation
/// and object for each of its facts. The text's own tokens stay whole: where a branch has no room, it is left out, never text
/// that fits without it. `origin` puts tags and places of the text's tokens where these now are. Equal texts give equal
/// results.
class injector {
 public:
  injector(const knowledge& graph, text::tokenizer tokenizer, const injector_options& options = {})
      : tokenizer_(std::move(tokenizer)), options_(options) {
    if (options.max_tokens < 3) throw_error({"bert::data::injector", "max_tokens of 3 or more", cat(options.max_tokens), {}});
    for (const auto& [subject, facts] : graph.subjects()) {
      auto pieces = pieces_of(subject);
      if (pieces.empty() || std::find(pieces.begin(), pieces.end(), unknown()) != pieces.end()) continue;
      auto& branches = branches_[pieces];
      longest_ = std::max(longest_, pieces.size());
      for (const auto& [relation, object] : facts) {
        if (branches.size() == options.facts) break;
        auto branch = pieces_of(relation);
        const auto rest = pieces_of(object);
        branch.insert(branch.end(), rest.begin(), rest.end());
        if (!branch.empty()) branches.push_back(std::move(branch));
      }
    }
  }

  [[nodiscard]] injected_text operator()(std::string_view text) const {
    const auto plain = tokenizer_.template encode<text::offsets::none>(text, {.max_tokens = options_.max_tokens});
    std::vector<word_part> parts;
    for (std::size_t i = 0; i < plain.size(); ++i)
      parts.push_back(plain.words[i] < 0                               ? word_part::special
                      : i == 0 || plain.words[i] != plain.words[i - 1] ? word_part::begins
                                                                       : word_part::continues);
    injected_text out;
    inject(plain.ids, plain.segments, parts, out);
    return out;
  }
  /// The same of a sequence that is encoded; `parts` say where words begin. Writes `out`, reusing its memory.
  void inject(std::span<const token_id> ids, std::span<const segment_id> segments, std::span<const word_part> parts,
              injected_text& out) const {
    out.clear();
    std::size_t room = options_.max_tokens - std::min(options_.max_tokens, ids.size());
    for (std::size_t i = 0; i < ids.size();) {
      const auto [length, branches] = entity_at(ids, parts, i);
      for (const std::size_t end = i + std::max<std::size_t>(1, length); i < end; ++i) append(out, ids[i], segments[i], 0, i);
      if (length == 0) continue;
      ++out.entities;
      for (const auto& branch : *branches) {
        if (branch.size() > room) {
          ++out.dropped;
          continue;
        }
        room -= branch.size();
        auto mark = static_cast<std::int32_t>(length);
        for (const token_id id : branch) {
          append(out, id, segments[i - 1], mark, none);
          mark = -static_cast<std::int32_t>(length);
        }
      }
    }
  }
  [[nodiscard]] const injector_options& options() const noexcept { return options_; }
  /// What the branches are made of.
  [[nodiscard]] named_facts fingerprint() const {
    hash64 all;
    for (const auto& [entity, branches] : branches_) {
      for (const auto id : entity) all.add(static_cast<std::uint64_t>(id));
      for (const auto& branch : branches)
        for (const auto id : branch) all.add(static_cast<std::uint64_t>(id) << 32);
    }
    return {{"knowledge", all.add(std::uint64_t{options_.max_tokens}).text()}};
  }
  [[nodiscard]] const text::tokenizer& tokenizer() const noexcept { return tokenizer_; }

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  using piece_list = std::vector<token_id>;
  struct found {
    std::size_t length = 0;  // tokens
    const std::vector<piece_list>* branches = nullptr;
  };

  /// The longest entity of whole words that begins at token i.
  [[nodiscard]] found entity_at(std::span<const token_id> ids, std::span<const word_part> parts, std::size_t i) const {
    if (parts[i] != word_part::begins) return {};
    std::size_t most = 1;
    while (most < longest_ && i + most < ids.size() && parts[i + most] != word_part::special) ++most;
    for (; most > 0; --most) {
      if (i + most < ids.size() && parts[i + most] == word_part::continues) continue;
      const auto at = branches_.find(ids.subspan(i, most));
      if (at != branches_.end()) return {most, &at->second};
    }
    return {};
  }
  static void append(injected_text& out, token_id id, segment_id segment, std::int32_t mark, std::size_t origin) {
    out.ids.push_back(id);
    out.segments.push_back(segment);
    out.marks.push_back(mark);
    out.origin.push_back(origin == none ? -1 : static_cast<std::int32_t>(origin));
  }
  [[nodiscard]] piece_list pieces_of(std::string_view text) const {
    return tokenizer_.template encode<text::offsets::none>(text, {.special_tokens = false}).ids;
  }
  [[nodiscard]] token_id unknown() const { return tokenizer_.vocabulary().id(tokenizer_.options().unk).value_or(-1); }

  struct by_pieces {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
    }
  };
  text::tokenizer tokenizer_;
  injector_options options_;
  std::size_t longest_ = 0;
  std::map<piece_list, std::vector<piece_list>, by_pieces> branches_;
};

}  // namespace bert::data

#endif  // BERT_DATA_KNOWLEDGE_HPP
