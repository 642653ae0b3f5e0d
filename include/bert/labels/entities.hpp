// From tags to entities: spans of words, by the rules of conlleval or by strict ones.
// Layer: labels. Test: tests/unit/labels/entities_test.cpp, tests/unit/metrics/entities_test.cpp
// Papers: Tjong Kim Sang and Buchholz 2000 (conlleval); Nakayama 2018, seqeval, whose two modes are reproduced.
#ifndef BERT_LABELS_ENTITIES_HPP
#define BERT_LABELS_ENTITIES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::labels {

/// Tagging schemes. `bio`: B begins an entity, I continues it (IOB2). `bioes`: also E ends one, and S is one of a single word.
enum class scheme : std::uint8_t { bio, bioes };

/// A tag in parts: "B-PER" has the letter B and the type PER.
struct tag_parts {
  char letter = 'O';  ///< '?' if the tag's first character is not ASCII
  std::string_view type;
  std::string_view rest;  ///< all after the letter: "-PER"
};

/// The letter is the first character. The type is what follows the first '-' after it, or all of the rest where there is no
/// '-';
/// "_" if that is empty. "A-B-C" has the type "B-C", "O" the type "_". The tag "" is O.
[[nodiscard]] constexpr tag_parts split_tag(std::string_view tag) noexcept {
  if (tag.empty()) return {'O', "_", {}};
  const char letter = static_cast<unsigned char>(tag[0]) < 0x80 ? tag[0] : '?';
  std::size_t first = 1;
  while (first < tag.size() && (static_cast<unsigned char>(tag[first]) & 0xC0) == 0x80) ++first;
  const std::string_view rest = tag.substr(first);
  std::string_view type = rest;
  if (const std::size_t dash = type.find('-'); dash != std::string_view::npos) type.remove_prefix(dash + 1);
  return {letter, type.empty() ? std::string_view("_") : type, rest};
}

/// Converts letters of BMES and BILOU to BIOES: M to I, L to E, U to S.
[[nodiscard]] constexpr char bioes_letter(char letter) noexcept {
  return letter == 'M' ? 'I' : letter == 'L' ? 'E' : letter == 'U' ? 'S' : letter;
}

/// Whether every name is O or one of B, I, E, S, M, L, U with "-TYPE", so that the set tags entities, not parts of speech.
[[nodiscard]] inline bool marks_entities(std::span<const std::string> names) noexcept {
  return std::all_of(names.begin(), names.end(), [](std::string_view name) {
    const bool typed = name.size() > 2 && name[1] == '-' && std::string_view("BIESMLU").find(name[0]) != std::string_view::npos;
    return typed || name == "O";
  });
}

/// An entity: words [first, last] of one type, numbered over all sentences with one O after each.
struct entity_span {
  std::string_view type;
  std::int64_t first = 0, last = 0;
  friend bool operator==(const entity_span&, const entity_span&) = default;
  friend bool operator<(const entity_span& a, const entity_span& b) noexcept {
    return std::tie(a.type, a.first, a.last) < std::tie(b.type, b.first, b.last);
  }
};

/// Reads the entities of sentence after sentence by lenient rules: the default mode of seqeval, which counts as conlleval.
///
/// Each pair of adjacent tags decides, with an O after the last. An entity ends if the first tag is E or S; if it is B or I and
/// the second B, S or O; or if it is not O and the types differ. An entity begins if the second tag is B or S; if it is E or I
/// and the first E, S or O; or if it is not O and the types differ. So I-X after O begins an entity, and an entity without E
/// counts.
class entity_reader {
 public:
  /// Calls found(entity_span) for each entity; one may be found twice. The spans refer to the text of `tags`.
  template <class Found>
  void read(std::span<const tag_parts> tags, Found&& found) {
    tag_parts before = split_tag("O");
    for (std::size_t i = 0; i <= tags.size(); ++i, ++next_) {
      const tag_parts now = i < tags.size() ? tags[i] : split_tag("O");
      if (ends(before, now)) found(entity_span{before.type, begin_, next_ - 1});
      if (begins(before, now)) begin_ = next_;
      before = now;
    }
  }

 private:
  [[nodiscard]] static constexpr bool one_of(char letter, std::string_view letters) noexcept {
    return letters.find(letter) != std::string_view::npos;
  }
  [[nodiscard]] static constexpr bool other_type(const tag_parts& of, const tag_parts& before, const tag_parts& now) noexcept {
    return !one_of(of.letter, "O.") && before.type != now.type;
  }
  [[nodiscard]] static constexpr bool ends(const tag_parts& before, const tag_parts& now) noexcept {
    return one_of(before.letter, "ES") || (one_of(before.letter, "BI") && one_of(now.letter, "BSO")) ||
           other_type(before, before, now);
  }
  [[nodiscard]] static constexpr bool begins(const tag_parts& before, const tag_parts& now) noexcept {
    return one_of(now.letter, "BS") || (one_of(now.letter, "EI") && one_of(before.letter, "ESO")) ||
           other_type(now, before, now);
  }

  std::int64_t next_ = 0, begin_ = 0;  // begin_ persists over sentences, as in seqeval
};

/// The same by strict rules: an entity begins at B or S only, continues through I of its type, and in `bioes` counts only if
/// E or S ends it. Other tags are no entities. A type is all after the letter, without '-' at its ends.
class strict_entity_reader {
 public:
  explicit strict_entity_reader(scheme s) : scheme_(s) {}

  /// Calls found(entity_span) for each entity. Throws bert::error for a letter that the scheme does not have.
  template <class Found>
  void read(std::span<const tag_parts> tags, Found&& found) {
    const std::int64_t base = next_;
    next_ += static_cast<std::int64_t>(tags.size()) + 1;
    const auto at = [&](std::size_t i) { return base + static_cast<std::int64_t>(i); };
    for (std::size_t i = 0; i < tags.size(); ++i) {
      check(tags[i].letter);
      if (tags[i].letter == 'S') found(entity_span{bare(tags[i]), at(i), at(i)});
      if (tags[i].letter != 'B') continue;
      std::size_t end = i + 1;
      while (end < tags.size() && tags[end].letter == 'I' && bare(tags[end]) == bare(tags[i])) ++end;
      if (scheme_ == scheme::bio) found(entity_span{bare(tags[i]), at(i), at(end - 1)});
      else if (end < tags.size() && tags[end].letter == 'E' && bare(tags[end]) == bare(tags[i]))
        found(entity_span{bare(tags[i]), at(i), at(end)});
    }
  }

 private:
  [[nodiscard]] static constexpr std::string_view bare(const tag_parts& tag) noexcept {
    std::string_view type = tag.rest;
    while (type.starts_with('-')) type.remove_prefix(1);
    while (type.ends_with('-')) type.remove_suffix(1);
    return type.empty() ? std::string_view("_") : type;
  }
  void check(char letter) const {
    const std::string_view letters = scheme_ == scheme::bio ? "BIO" : "BIOES";
    if (letters.find(letter) == std::string_view::npos)
      throw_error({"bert::labels::strict_entity_reader", cat("tags that begin with one of ", letters),
                   cat("one that begins with ", letter), "take the scheme in which the tags are written"});
  }

  scheme scheme_;
  std::int64_t next_ = 0;
};

}  // namespace bert::labels

#endif  // BERT_LABELS_ENTITIES_HPP
