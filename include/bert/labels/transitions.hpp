// Which tags may start a sequence, follow one another and end it: from a label set's own rules, or from the names of its tags.
// Layer: labels. Test: tests/unit/labels/transitions_test.cpp
#ifndef BERT_LABELS_TRANSITIONS_HPP
#define BERT_LABELS_TRANSITIONS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/labels/entities.hpp"
#include "bert/labels/label_set.hpp"

namespace bert::inline BERT_ISA::labels {

/// Names as a label set that owns nothing.
struct name_list {
  std::span<const std::string> names;

  [[nodiscard]] int size() const noexcept { return static_cast<int>(names.size()); }
  [[nodiscard]] std::string_view name(int number) const noexcept { return names[static_cast<std::size_t>(number)]; }
  [[nodiscard]] std::optional<int> parse(std::string_view text) const noexcept {
    const auto found = std::find(names.begin(), names.end(), text);
    return found == names.end() ? std::nullopt : std::optional(static_cast<int>(found - names.begin()));
  }
};

/// A tag of a scheme in parts: the letter of BIOES that its own stands for (M: I, L: E, U: S), and the type behind the '-',
/// which may be missing ("B", "M", "E", "S" of word segmentation). The letter is 0 for a name of no scheme.
struct scheme_tag {
  char letter = 0;
  std::string_view type = {};
};
[[nodiscard]] constexpr scheme_tag scheme_tag_of(std::string_view name) noexcept {
  if (name == "O") return {'O', {}};
  const bool bare = name.size() == 1, typed = name.size() > 2 && name[1] == '-';
  if ((!bare && !typed) || std::string_view("BIESMLU").find(name[0]) == std::string_view::npos) return {};
  return {bioes_letter(name[0]), bare ? std::string_view{} : name.substr(2)};
}

/// The scheme in which all names of a set are written, or none where any tag may follow any.
///
/// `bioes` (BMES and BILOU too) if one has the letter M, E, S, L or U, else `bio`. None if a name has no such letter (parts of
/// speech), or if a tag lacks the one that must come before or after it: I-X without B-X is IOB1, in which an entity begins
/// with I-X and B-X only divides two.
template <label_set L>
[[nodiscard]] std::optional<scheme> scheme_of(const L& set) noexcept {
  bool ends = false, begins = false;
  const auto tag = [&](int i) { return scheme_tag_of(set.name(i)); };
  const auto has = [&](char letter, std::string_view type) {
    for (int i = 0; i < set.size(); ++i)
      if (const auto t = tag(i); t.letter == letter && t.type == type) return true;
    return false;
  };
  for (int i = 0; i < set.size(); ++i) {
    const char letter = tag(i).letter;
    if (letter == 0) return std::nullopt;
    ends = ends || letter == 'E' || letter == 'S' || set.name(i)[0] == 'M';
    begins = begins || letter == 'B' || letter == 'S';
  }
  if (!begins) return std::nullopt;
  for (int i = 0; i < set.size(); ++i) {
    const auto [letter, type] = tag(i);
    if ((letter == 'I' || letter == 'E') && !has('B', type)) return std::nullopt;
    if (ends && (letter == 'I' || letter == 'B') && !has('E', type)) return std::nullopt;
  }
  return ends ? scheme::bioes : scheme::bio;
}

/// Whether `to` may follow `from` in a scheme.
[[nodiscard]] constexpr bool may_follow(scheme s, const scheme_tag& from, const scheme_tag& to) noexcept {
  const bool continues = to.letter == 'I' || to.letter == 'E';
  if (s == scheme::bio) return !continues || (from.letter != 'O' && from.type == to.type);
  const bool within = from.letter == 'B' || from.letter == 'I';
  return within ? continues && from.type == to.type : !continues;
}
/// Whether a sequence may start with a tag.
[[nodiscard]] constexpr bool may_start(scheme, const scheme_tag& tag) noexcept {
  return tag.letter != 'I' && tag.letter != 'E';
}
/// Whether a sequence may end with a tag.
[[nodiscard]] constexpr bool may_end(scheme s, const scheme_tag& tag) noexcept {
  return s == scheme::bio || (tag.letter != 'B' && tag.letter != 'I');
}

/// Numbers of a table of transitions of `tags` tags: may start [L], may end [L], may follow [from, to].
[[nodiscard]] constexpr std::size_t transition_count(std::size_t tags) noexcept { return tags * (tags + 2); }

/// Constraints: those of the label set itself, if it has `may_start` and `may_follow` (`may_end` is optional), else those of
/// the scheme that its names are written in (`scheme_of`).
struct by_scheme {
  /// Writes 1 for what is allowed and 0 for what is not: start [L], end [L], from and to [L, L]. Allocates nothing.
  template <label_set L>
  static void write(const L& set, std::span<float> out) noexcept {
    const int n = set.size();
    const auto one = [](bool allowed) { return allowed ? 1.0f : 0.0f; };
    auto to = out.begin();
    const auto put = [&](const auto& start, const auto& end, const auto& follow) {
      for (int i = 0; i < n; ++i) *to++ = one(start(i));
      for (int i = 0; i < n; ++i) *to++ = one(end(i));
      for (int i = 0; i < n; ++i)
        for (int j = 0; j < n; ++j) *to++ = one(follow(i, j));
    };
    if constexpr (requires { set.may_start(0), set.may_follow(0, 0); }) {
      const auto end = [&](int i) {
        if constexpr (requires { set.may_end(0); }) return set.may_end(i);
        else return i >= 0;
      };
      put([&](int i) { return set.may_start(i); }, end, [&](int i, int j) { return set.may_follow(i, j); });
    } else if (const auto s = scheme_of(set)) {
      const auto tag = [&](int i) { return scheme_tag_of(set.name(i)); };
      put([&](int i) { return may_start(*s, tag(i)); }, [&](int i) { return may_end(*s, tag(i)); },
          [&](int i, int j) { return may_follow(*s, tag(i), tag(j)); });
    } else {
      std::fill(out.begin(), out.end(), 1.0f);
    }
  }
};

/// No constraints: any tag may follow any, as in IOB1.
struct unconstrained {
  template <label_set L>
  static void write(const L&, std::span<float> out) noexcept {
    std::fill(out.begin(), out.end(), 1.0f);
  }
};

/// The transitions that a label set allows.
///
///     const bert::labels::transition_table table(bert::labels::dynamic_set{"O", "B-PER", "I-PER"});
///     table.may_follow(0, 2);                                  // false: I-PER does not follow O
///     table.first_fault(std::array{0, 2});                     // 1
class transition_table {
 public:
  template <label_set L, class Constraints = by_scheme>
  explicit transition_table(const L& set, Constraints = {})
      : tags_(static_cast<std::size_t>(set.size())), allowed_(transition_count(tags_)) {
    Constraints::write(set, allowed_);
  }

  [[nodiscard]] std::size_t tags() const noexcept { return tags_; }
  [[nodiscard]] bool may_start(int tag) const noexcept { return allowed_[at(tag)] != 0; }
  [[nodiscard]] bool may_end(int tag) const noexcept { return allowed_[tags_ + at(tag)] != 0; }
  [[nodiscard]] bool may_follow(int from, int to) const noexcept { return allowed_[(2 + at(from)) * tags_ + at(to)] != 0; }
  /// 1 or 0: start [L], end [L], from and to [L, L].
  [[nodiscard]] std::span<const float> allowed() const noexcept { return allowed_; }

  /// The index of the first tag that may not stand where it does: after the one before it, at the start, or at the end. Their
  /// number if all may.
  [[nodiscard]] std::size_t first_fault(std::span<const std::int32_t> tags) const noexcept {
    for (std::size_t i = 0; i < tags.size(); ++i)
      if (i == 0 ? !may_start(tags[0]) : !may_follow(tags[i - 1], tags[i])) return i;
    return tags.empty() || may_end(tags.back()) ? tags.size() : tags.size() - 1;
  }

 private:
  [[nodiscard]] static std::size_t at(int tag) noexcept { return static_cast<std::size_t>(tag); }

  std::size_t tags_;
  std::vector<float> allowed_;
};

/// Rewrites a sentence's tags in the scheme of their set, keeping its entities as conlleval reads them (labels::entity_reader):
/// IOB1 becomes BIO, an I-X that continues nothing begins an entity, an entity without an end gets one. Does nothing for a set
/// of no scheme; a tag that the set lacks stays as it was.
///
///     bert::labels::respell(entities{}, tags);   // O I-PER I-PER -> O B-PER I-PER
template <label_set L>
void respell(const L& set, std::span<std::int32_t> tags) {
  const auto s = scheme_of(set);
  if (!s) return;
  std::vector<tag_parts> parts;
  for (const auto tag : tags) {
    const auto t = scheme_tag_of(tag < 0 ? std::string_view("O") : set.name(tag));
    parts.push_back({t.letter, t.type, t.type});
  }
  const auto spell = [&](std::size_t word, char letter, std::string_view type) {
    for (int i = 0; i < set.size(); ++i)
      if (const auto t = scheme_tag_of(set.name(i)); t.letter == letter && t.type == type) tags[word] = i;
  };
  entity_reader().read(parts, [&](const entity_span& found) {
    const auto first = static_cast<std::size_t>(found.first), last = static_cast<std::size_t>(found.last);
    for (std::size_t w = first; w <= last; ++w)
      if (*s == scheme::bio) spell(w, w == first ? 'B' : 'I', found.type);
      else spell(w, first == last ? 'S' : w == first ? 'B' : w == last ? 'E' : 'I', found.type);
  });
}

}  // namespace bert::labels

#endif  // BERT_LABELS_TRANSITIONS_HPP
