// Schemes in which entities are written as tags of words: found out from tags or names, and converted into one another.
// Layer: labels. Test: tests/unit/labels/tag_scheme_test.cpp
// Papers: Ramshaw and Marcus 1995 (IOB1); Sang and Veenstra 1999, "Representing text chunks" (BIO, BIOES); Ratinov and Roth
// 2009 (BILOU).
#ifndef BERT_LABELS_TAG_SCHEME_HPP
#define BERT_LABELS_TAG_SCHEME_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/labels/entities.hpp"

namespace bert::inline BERT_ISA::labels {

/// How the words of an entity are marked; all other words are O.
///
/// | scheme | one word | several | after an entity of the same type |
/// |---|---|---|---|
/// | bio | B | B I … I | the same |
/// | iob1 | I | I I … I | B, B I … I |
/// | bioes | S | B I … E | the same |
/// | bmes | S | B M … E | the same |
/// | bilou | U | B I … L | the same |
///
/// `none`: the tags are no entities, or parts of speech for example.
enum class tag_scheme : std::uint8_t { none, bio, iob1, bioes, bmes, bilou };

/// "BIO", "IOB1", …; "no scheme".
[[nodiscard]] constexpr std::string_view name_of(tag_scheme s) noexcept {
  constexpr std::string_view names[]{"no scheme", "BIO", "IOB1", "BIOES", "BMES", "BILOU"};
  return names[static_cast<std::size_t>(s)];
}

/// Finds out in which scheme sentences are tagged.
///
///     bert::labels::scheme_finder finder;
///     for (const auto& sentence : sentences) finder.add(sentence);   // each a span of std::string
///     finder.scheme();
class scheme_finder {
 public:
  void add(std::span<const std::string> tags) {
    tag_parts before;
    for (const std::string_view tag : tags) {
      const tag_parts now = split_tag(tag);
      add(tag);
      if (now.letter == 'I' && (before.letter == 'O' || before.type != now.type)) inside_begins_ = true;
      if (now.letter == 'B' && (before.letter == 'O' || before.type != now.type)) begin_is_free_ = true;
      before = now;
    }
  }
  /// Adds a name of a label set: what it may follow is not known.
  void add(std::string_view tag) {
    const bool typed = tag.size() > 2 && tag[1] == '-';
    if (tag == "O") return;
    if (!typed || std::string_view("BIMELSU").find(tag[0]) == std::string_view::npos) others_ = true;
    else letters_ |= 1u << (tag[0] - 'A');
  }

  /// The scheme of what was added. BIO whose entities begin with I somewhere, a fault that is often met, is BIO if B also
  /// stands where IOB1 has none.
  [[nodiscard]] tag_scheme scheme() const noexcept {
    if (others_ || letters_ == 0) return tag_scheme::none;
    if (has('M')) return tag_scheme::bmes;
    if (has('L') || has('U')) return tag_scheme::bilou;
    if (has('E') || has('S')) return tag_scheme::bioes;
    return inside_begins_ && !begin_is_free_ ? tag_scheme::iob1 : tag_scheme::bio;
  }

 private:
  [[nodiscard]] bool has(char letter) const noexcept { return (letters_ >> (letter - 'A') & 1u) != 0; }

  std::uint32_t letters_ = 0;
  bool others_ = false, inside_begins_ = false, begin_is_free_ = false;
};

/// The scheme of a label set's names; `none` for names that are no tags of entities.
template <class Names>
[[nodiscard]] tag_scheme tag_scheme_of(const Names& names) {
  scheme_finder finder;
  for (int i = 0; i < names.size(); ++i) finder.add(std::string_view(names.name(i)));
  return finder.scheme();
}

/// Rewrites a sentence's tags in another scheme: the same entities, as entity_reader reads them. Neither scheme is `none`.
inline void convert_tags(std::span<std::string> tags, tag_scheme to) {
  const std::vector<std::string> before(tags.begin(), tags.end());
  std::vector<tag_parts> parts;
  for (const std::string_view tag : before) {
    parts.push_back(split_tag(tag));
    parts.back().letter = bioes_letter(parts.back().letter);
  }
  for (auto& tag : tags) tag = "O";
  std::int64_t end_of_last = -1;
  std::string_view last_type;
  entity_reader().read(parts, [&](const entity_span& e) {
    for (std::int64_t i = e.first; i <= e.last; ++i) {
      const bool first = i == e.first, last = i == e.last;
      char letter = first ? 'B' : 'I';
      switch (to) {
        case tag_scheme::iob1: letter = first && end_of_last + 1 == e.first && last_type == e.type ? 'B' : 'I'; break;
        case tag_scheme::bioes: letter = first && last ? 'S' : last ? 'E' : letter; break;
        case tag_scheme::bmes: letter = first && last ? 'S' : last ? 'E' : first ? 'B' : 'M'; break;
        case tag_scheme::bilou: letter = first && last ? 'U' : last ? 'L' : letter; break;
        default: break;
      }
      std::string& tag = tags[static_cast<std::size_t>(i)];
      tag.assign(1, letter).append("-").append(e.type);
    }
    end_of_last = e.last;
    last_type = e.type;
  });
}

}  // namespace bert::labels

#endif  // BERT_LABELS_TAG_SCHEME_HPP
